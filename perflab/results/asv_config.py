"""asv.conf.json: what of it others need, and one measuring run at a time in a checkout."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = [
    "CONFIG",
    "HEAD_CONFIG",
    "MeasureError",
    "alone",
    "configured_branch",
    "html_dir",
    "prefer_this_python",
    "results_dir",
]

CONFIG = "asv.conf.json"
HEAD_CONFIG = ".asv-head.conf.json"
"""Lives beside the real one while asv runs: asv works in the folder of its configuration."""


class MeasureError(Exception):
    """Nothing, or not everything, could be measured; the message says what and what to do."""


def configured_branch(root: Path) -> str:
    """The first branch of asv's configuration."""
    branch = json.loads((root / CONFIG).read_text(encoding="utf-8"))["branches"][0]
    assert isinstance(branch, str)
    return branch


def _setting(root: Path, key: str) -> str:
    value = json.loads((root / CONFIG).read_text(encoding="utf-8"))[key]
    assert isinstance(value, str)
    return value


def results_dir(root: Path) -> Path:
    """Where asv keeps its results."""
    return root / _setting(root, "results_dir")


def html_dir(root: Path) -> Path:
    """Where the site is built."""
    return root / _setting(root, "html_dir")


def prefer_this_python() -> None:
    """asv takes the first python3.N on the PATH, which may be a version manager's placeholder."""
    os.environ["PATH"] = os.pathsep.join(
        [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    )


@contextlib.contextmanager
def alone(root: Path, doing: str = "measuring") -> Iterator[None]:
    """Two runs in one checkout would swap each other's installed commits, silently."""
    import fcntl

    folder = root / ".asv"
    folder.mkdir(exist_ok=True)
    with (folder / ("lock" if doing == "measuring" else f"{doing}.lock")).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise MeasureError(f"another run is {doing} in this checkout; wait for it") from None
        yield
