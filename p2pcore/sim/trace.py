"""What happened, as one number: equal for equal runs, different for all others.

Rule: integers only go in, and the bytes that were sent. Floats and the order of sets would differ
between machines and versions of Python.
"""

from array import array
from collections.abc import Callable
from hashlib import blake2b
from sys import byteorder

__all__ = ["EventTrace"]

CHUNK = 3 * 2048  # numbers gathered for one update of the hash


class EventTrace:
    """A running hash over everything that was delivered and completed.

    Args:
        story: called with a line for every event, for people. None: no story is told.
    """

    def __init__(self, story: Callable[[str], None] | None = None) -> None:
        self.story = story
        self._hash = blake2b(digest_size=16)
        self._numbers: list[int] = []

    def note(self, now_ns: int, who: int, what: int) -> None:
        """Something happened: when, to which link or process, and a number for what it was."""
        numbers = self._numbers
        numbers += (now_ns, who, what)
        if len(numbers) >= CHUNK:
            self._flush()

    def tell(self, now_ns: int, text: str) -> None:
        """A line of the story."""
        if self.story is not None:
            self.story(f"{now_ns / 1e9:.6f} {text}")

    def digest(self) -> str:
        """The hash so far, as 32 hex digits."""
        self._flush()
        return self._hash.copy().hexdigest()

    def _flush(self) -> None:
        numbers = array("Q", self._numbers)
        if byteorder == "big":
            numbers.byteswap()
        self._hash.update(numbers.tobytes())
        self._numbers.clear()
