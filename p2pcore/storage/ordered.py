"""Byte strings in their order, of which any number may be added, removed and paged through.

Theory of operation. The strings stand in *blocks* of at most BLOCK, and the blocks in a list. So
adding one moves a block's worth of references and not all of them, and the strings that follow a
given one are found by two bisections. A block that has become small is joined to its neighbour.

Source: the two upper levels of a B-tree (Bayer and McCreight, 1972), which is what
`sortedcontainers` does as well; a dependency for sixty lines was not worth it.

Rule: knows nothing of records.
"""

from bisect import bisect_left, bisect_right, insort
from typing import Generic, TypeVar

__all__ = ["BLOCK", "Ordered"]

BLOCK = 1024  # references moved by one insertion at most: 8 KiB, which is less than a microsecond


Item = TypeVar("Item", bound=bytes)


class Ordered(Generic[Item]):
    """A sorted set of byte strings."""

    __slots__ = ("_blocks", "_firsts", "_size")

    def __init__(self) -> None:
        self._blocks: list[list[Item]] = []
        self._firsts: list[Item] = []  # of the blocks
        self._size = 0

    def __len__(self) -> int:
        """How many strings."""
        return self._size

    @property
    def first(self) -> Item | None:
        """The smallest; None if there is none."""
        return self._firsts[0] if self._firsts else None

    def fill(self, items: list[Item]) -> None:
        """These, in their order, instead of what is there."""
        half = BLOCK // 2
        self._blocks = [items[n : n + half] for n in range(0, len(items), half)]
        self._firsts = [block[0] for block in self._blocks]
        self._size = len(items)

    def add(self, item: Item) -> None:
        """One that is not there yet."""
        self._size += 1
        place = bisect_right(self._firsts, item) - 1
        if place < 0:  # before all others
            if not self._blocks:
                self._blocks.append([])
                self._firsts.append(item)
            place = 0
            self._firsts[0] = item
        block = self._blocks[place]
        insort(block, item)
        if len(block) > BLOCK:
            self._blocks.insert(place + 1, block[BLOCK // 2 :])
            self._firsts.insert(place + 1, block[BLOCK // 2])
            del block[BLOCK // 2 :]

    def remove(self, item: bytes) -> None:
        """One that may be there."""
        place = bisect_right(self._firsts, item) - 1
        if place < 0:
            return
        block = self._blocks[place]
        index = bisect_left(block, item)
        if index == len(block) or block[index] != item:
            return
        self._size -= 1
        del block[index]
        if len(block) < BLOCK // 8:
            self._join(place)
        elif not index:
            self._firsts[place] = block[0]

    def _join(self, place: int) -> None:
        """A block has become small: its strings go to the one before, if there is room."""
        block = self._blocks[place]
        if block and (not place or len(self._blocks[place - 1]) + len(block) > BLOCK // 2):
            self._firsts[place] = block[0]
            return
        if block:
            self._blocks[place - 1] += block
        del self._blocks[place], self._firsts[place]

    def after(self, item: bytes, count: int) -> list[Item]:
        """The next `count` strings beyond this one, in order."""
        place = bisect_right(self._firsts, item) - 1
        found: list[Item] = []
        if place >= 0:
            block = self._blocks[place]
            start = bisect_right(block, item)
            found = block[start : start + count]
        while len(found) < count and place + 1 < len(self._blocks):
            place += 1
            found += self._blocks[place][: count - len(found)]
        return found
