"""The heads of the records that were written last: what a node has missed while it was away.

Theory of operation. A *head* is the first half of a key and of a version: 16 bytes that tell which
record it is, and when it was written. The last heads are kept in one string of bytes, a page of
which is looked through without a look at any record. Nothing depends on it: whoever has taken what
is here compares all the same, and what is no longer here is found by that. What was written long
before it came here (from another replica, say) is left out: it would take the place of the rest.

Rule: as many heads as an eighth of the records, and never more than MOST_HEADS.
"""

from collections.abc import Iterable, Sequence
from struct import Struct

from p2pcore.wire.limits import HEAD_BYTES, MAX_HEADS

__all__ = [
    "HALF",
    "MOST_HEADS",
    "PAGES",
    "RecentHeads",
    "head_of",
    "heads_in",
    "packed",
    "starts_in",
]

MOST_HEADS = 32_768  # 512 KiB: half a minute of 1,000 stores a second
FEWEST_HEADS = 1024
WINDOW = 600_000 << 16  # of versions' halves, which are milliseconds << 16: ten minutes
PAGES = MOST_HEADS // MAX_HEADS
HALF = 8
_head = Struct(">QQ")


def head_of(key: bytes, version: bytes) -> bytes:
    """The head of a record."""
    return key[:HALF] + version[:HALF]


def heads_in(data: bytes | bytearray) -> Iterable[tuple[int, int]]:
    """The halves of the keys and versions, as numbers."""
    return _head.iter_unpack(data)


def packed(heads: Iterable[tuple[int, int]]) -> bytes:
    """The opposite of `heads_in`."""
    return b"".join([_head.pack(*head) for head in heads])


def starts_in(data: bytes) -> list[bytes]:
    """The halves of keys that were joined."""
    return [data[at : at + HALF] for at in range(0, len(data), HALF)]


class RecentHeads:
    """The last heads of one store."""

    __slots__ = ("_heads", "_newest")

    def __init__(self) -> None:
        self._heads = bytearray()
        self._newest = bytes(HALF)

    def add(self, keys: Sequence[bytes], versions: Sequence[bytes], records: int) -> None:
        """These were written, in a store that holds so many."""
        if not versions:
            return
        self._newest = newest = max(self._newest, max(versions)[:HALF])
        floor = max(0, int.from_bytes(newest) - WINDOW).to_bytes(HALF)
        heads = [key[:HALF] + version[:HALF] for key, version in zip(keys, versions, strict=True)]
        if min(versions) < floor:
            heads = [head for head in heads if head[HALF:] >= floor]
        self._heads += b"".join(heads)
        most = HEAD_BYTES * max(FEWEST_HEADS, min(MOST_HEADS, records // 8))
        if len(self._heads) > most + most // 8:
            del self._heads[: len(self._heads) - most]

    def page(self, number: int) -> bytearray:
        """MAX_HEADS of them, the last ones being number 0."""
        end = max(0, len(self._heads) - number * MAX_HEADS * HEAD_BYTES)
        return self._heads[max(0, end - MAX_HEADS * HEAD_BYTES) : end]
