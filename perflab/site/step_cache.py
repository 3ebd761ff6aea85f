"""Steps that were found before, by the content of the series: what did not change is not searched.

The key is a hash of all revisions, values and weights, and of the code that finds steps. A file
that is gone or damaged costs time and nothing else.

Rule: forgets what was not asked for, and knows nothing of what a series is about.
"""

from __future__ import annotations

import hashlib
import math
import os
from array import array
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from perflab.site import step_search
from perflab.site.step_search import Item, Steps

__all__ = ["StepCache"]


class StepCache:
    """A file of them. Ask for all series of a site, find what is not known, and keep all."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys: list[bytes] = []
        code = Path(step_search.__file__).read_bytes()
        self._code = hashlib.blake2b(code + version("asv").encode()).digest()

    def known(self, series: Sequence[Item]) -> list[Steps | None]:
        """The steps of each, or None."""
        import msgspec

        self._keys = [self._key(each) for each in series]
        try:
            content = self._path.read_bytes()
            kept = msgspec.msgpack.decode(content, type=dict[bytes, Steps])
        except (OSError, msgspec.MsgspecError):
            kept = {}
        return [kept.get(key) for key in self._keys]

    def keep(self, steps: Sequence[Steps]) -> None:
        """Write down those of all series that were asked for."""
        import msgspec

        new = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        new.write_bytes(msgspec.msgpack.encode(dict(zip(self._keys, steps, strict=True))))
        new.replace(self._path)

    def forget(self) -> None:
        """Begin anew."""
        self._path.unlink(missing_ok=True)

    def _key(self, item: Item) -> bytes:
        said = hashlib.blake2b(self._code, digest_size=20)
        for column in zip(*item, strict=True):
            # No value and no number are the same to the search.
            said.update(array("d", [math.nan if each is None else each for each in column]))
        return said.digest()
