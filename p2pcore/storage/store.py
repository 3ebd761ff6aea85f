"""What the replication needs of a place for records, whatever is behind it.

Theory of operation. A store answers at once, from memory: which records there are, of which
versions, and how two nodes differ. What it takes may have to reach a disk before anybody may count
on it; that is no business of the store's, but of the `ChangeLog` that hears of every change. So
there are two forms: `MemoryStore`, which tells nobody, and `LoggedStore`, which tells its log.

Rule: protocols, and what both sides of them share.
"""

from collections.abc import Iterable
from typing import Protocol
from zlib import crc32

from msgspec import Struct

from p2pcore.ids import Key
from p2pcore.storage.memory import TALLY_RECORDS, Record
from p2pcore.storage.recent import RecentHeads
from p2pcore.versions import Version

__all__ = ["ChangeLog", "RecordStore", "Row", "Saved", "mark_of", "seal_of"]

Row = tuple[int, Key, Version, int, int, bytes]
"""What a disk says of a record without its value: row, key, version, expires_ms, how many bytes
the value has (-1: there is none), and its name (b"": it has none)."""


class RecordStore(Protocol):
    """The records of one node. Each method is described at `MemoryStore`."""

    size_bytes: int
    untallied: dict[Key, bytes | None]
    recent: RecentHeads

    def __len__(self) -> int: ...
    def get(self, key: Key, wall_ms: int) -> Record | None: ...
    def held(self, key: Key) -> Record | None: ...
    def lacks(self, key: Key, version: bytes, lasts_ms: int, wall_ms: int) -> bool: ...
    def put(self, key: Key, record: Record, wall_ms: int) -> Version | None: ...
    def drop(self, key: Key, version: Version) -> bool: ...
    def version(self, key: Key) -> Version | None: ...
    def next_end_ms(self) -> int | None: ...
    def expire(self, wall_ms: int) -> None: ...
    def tally(self, count: int = TALLY_RECORDS) -> None: ...
    def slots(self) -> Iterable[tuple[int, int]]: ...
    def digest(self, slot: int) -> int: ...
    def sums(self) -> Iterable[tuple[int, int]]: ...
    def count(self, slot: int) -> int: ...
    def keys(self, slot: int, after: bytes = b"", count: int = 1 << 62) -> list[Key]: ...
    def keys_after(self, after: bytes, count: int) -> list[Key]: ...
    def first_with(self, start: bytes) -> Key | None: ...
    def named_after(self, after: bytes, count: int) -> list[Key]: ...


class ChangeLog(Protocol):
    """Hears of every change of a store, in order."""

    def admit(self, record: Record) -> None:
        """Called before a record is taken. Raises RefusedError if it can't be kept now."""

    def add(self, key: Key, record: Record | None, replaces: int) -> int:
        """This is what is kept of a key from now on; None: nothing. It takes the place of the row
        that it `replaces`; 0: there is none. Returns its own row."""

    def is_behind(self, key: Key) -> bool:
        """Called when somebody counts on what is held of a key. True if it may not stay."""


class Saved(Struct, frozen=True, gc=False):
    """A record as it comes back from a disk. Nobody has looked at it yet."""

    key: bytes
    version: bytes
    value: bytes | None
    expires_ms: int
    seal: int
    """What `seal_of` gave when it was written."""
    name: bytes | None = None

    row: int = 0
    """The number of the change that wrote it."""

    @property
    def is_sound(self) -> bool:
        """True if it is what was written."""
        try:
            return self.seal == seal_of(
                self.key, self.version, self.value, self.expires_ms, self.name
            )
        except (TypeError, ValueError):
            return False  # a text where bytes were, say


def seal_of(
    key: bytes, version: bytes, value: bytes | None, expires_ms: int, name: bytes | None = None
) -> int:
    """The checksum of a record: CRC-32 of all that it says. One for a value, another for none. That
    of a record that is not listed is what it was before there were names."""
    head = b"%b%b%d%c" % (key, version, expires_ms, value is None)
    seal = crc32(value or b"", crc32(head))
    return seal if name is None else crc32(b"%b%d" % (name, len(name)), seal)


def mark_of(
    row: int, key: bytes, version: bytes, expires_ms: int, size_bytes: int | None,
    name: bytes | None = None,
) -> int:  # fmt: skip
    """The checksum of what a row of schema 3 says of a record without its value, and of its own
    number."""
    return crc32(b"%d,%b%b%d,%a,%a" % (row, key, version, expires_ms, size_bytes, name))
