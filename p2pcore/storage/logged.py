"""The memory store whose changes are told to a log: the form that a disk stands behind.

Theory of operation. Which records there are, of which versions, is in memory, whatever happens; of
their values as many as fit into `cache_bytes`, those used last. In the place of another stands an
`OnDisk`, which has the length of the value and is nothing else: whoever wants the value has it
brought first (`replication/recall.py`). A value leaves memory only when it is on disk for good;
what is on its way there comes on top of `cache_bytes`.

Each record knows its *row*, the number under which it is on disk: that of the change that wrote it.
So a change names the row that it replaces, and no key has to be looked up on disk.

Rule: all that is changed here is told, and nothing else; when it is on disk is not known here, but
up to which number (`synced`).
"""

from collections import OrderedDict
from collections.abc import Iterable
from functools import lru_cache
from typing import cast

from msgspec import Struct

from p2pcore.errors import StorageFullError
from p2pcore.ids import Key
from p2pcore.storage.memory import RECORD_OVERHEAD_BYTES, MemoryStore, Record, cost_of
from p2pcore.storage.store import ChangeLog, Row
from p2pcore.versions import Version

__all__ = ["CACHED_OVERHEAD_BYTES", "Kept", "LoggedStore", "OnDisk"]

CACHED_OVERHEAD_BYTES = 160
"""What a value in memory takes beside its bytes: its header, and its place in the order of use."""


class OnDisk(Struct, frozen=True, gc=False):
    """Stands for a value that is on disk and not in memory."""

    size_bytes: int

    def __len__(self) -> int:
        return self.size_bytes


@lru_cache(maxsize=65_536)
def _on_disk(size_bytes: int) -> bytes:
    """One of these for all values of a size. It is no bytes, and nobody but the recall sees it."""
    return cast(bytes, OnDisk(size_bytes))


class Kept(Record, frozen=True, gc=False):
    """A record, and the row that it has on disk."""

    row: int = 0

    @property
    def is_cold(self) -> bool:
        """True if its value is on disk only, see `OnDisk`."""
        return isinstance(self.value, OnDisk)


class LoggedStore(MemoryStore):
    """The records of one node that has a disk.

    Args:
        log: hears of each change.
        cache_bytes: of values that stay in memory, with CACHED_OVERHEAD_BYTES each.
    """

    def __init__(
        self,
        log: ChangeLog,
        *,
        capacity_bytes: int,
        tombstone_grace_ms: int,
        cache_bytes: int = 1 << 62,
    ) -> None:
        super().__init__(capacity_bytes=capacity_bytes, tombstone_grace_ms=tombstone_grace_ms)
        self._log = log
        self._cache_bytes = cache_bytes
        self._warm: OrderedDict[Key, None] = OrderedDict()  # those used last at the end
        self.warm_bytes = 0
        """What values in memory take. Not those that the disk had no room for."""
        self.synced = 0
        """Up to which row all is on disk, but for what it had no room for."""

    def put(self, key: Key, record: Record, wall_ms: int) -> Version | None:
        """As in memory.

        Raises:
            RefusedError: there is no room for it, here or on disk, or the disk can't keep up.
        """
        self._log.admit(record)
        before = self._records.get(key)
        newer = super().put(key, record, wall_ms)
        after = self._records[key]
        if after is not before:
            self._tell(key, after, before)
        return newer

    def _tell(self, key: Key, record: Record, before: Record | None) -> None:
        """Have a record written in the place of another."""
        if before is not None:
            self._cool(key, before)
        row = self._log.add(key, record, _row_of(before))
        self._keep(key, Kept(record.version, record.value, record.expires_ms, record.name, row))

    def _keep(self, key: Key, record: Kept) -> None:
        self._records[key] = record
        if record.value:
            self._warm[key] = None
            self.warm_bytes += len(record.value) + CACHED_OVERHEAD_BYTES

    def _cool(self, key: Key, record: Record) -> None:
        """Its value is not counted among those in memory any more."""
        if record.value and key in self._warm:
            del self._warm[key]
            self.warm_bytes -= len(record.value) + CACHED_OVERHEAD_BYTES

    def lacks(self, key: Key, version: bytes, lasts_ms: int, wall_ms: int) -> bool:
        """As in memory; what the disk had no room for is lacking, too."""
        return super().lacks(key, version, lasts_ms, wall_ms) or self._log.is_behind(key)

    def _remove(self, key: Key, held: Record) -> None:
        super()._remove(key, held)
        self._cool(key, held)
        self._log.add(key, None, _row_of(held))

    def _end(self, key: Key, record: Record, end_ms: int) -> None:
        super()._end(key, record, end_ms)
        self._tell(key, self._records[key], record)

    def write_again(self, key: Key, row: int) -> None:
        """The disk has not got what is held of a key, or not as it was written; `row`: where."""
        held = self._records.get(key)
        if held is None:
            self._log.add(key, None, row)
        else:
            self._tell(key, held, held)

    def lose(self, key: Key) -> None:
        """What is held of a key can't be read any more: forget it, here and on disk."""
        held = self._records.get(key)
        if held is not None:
            self._remove(key, held)

    # Values in memory and on disk only

    def touch(self, key: Key) -> None:
        """Somebody has used this value: it stays in memory longer than others."""
        if key in self._warm:
            self._warm.move_to_end(key)

    def pin(self, key: Key) -> None:
        """The disk has no room for this: it stays in memory, whatever that takes."""
        held = self._records.get(key)
        if held is not None:
            self._cool(key, held)

    def warm(self, key: Key, row: int, value: bytes) -> None:
        """Have a value in memory that was read from this row, if it is still there."""
        held = self._records.get(key)
        if isinstance(held, Kept) and held.row == row and held.is_cold:
            self._keep(key, Kept(held.version, value, held.expires_ms, held.name, row))

    def trim(self) -> None:
        """Let go of values beyond `cache_bytes`, as far as they are on disk."""
        warm, records = self._warm, self._records
        while self.warm_bytes > self._cache_bytes:
            key, _ = warm.popitem(last=False)
            held = cast(Kept, records[key])
            if held.row > self.synced:
                warm[key] = None
                warm.move_to_end(key, last=False)
                return
            size = len(held.value or b"")
            self.warm_bytes -= size + CACHED_OVERHEAD_BYTES
            cold = Kept(held.version, _on_disk(size), held.expires_ms, held.name, held.row)
            records[key] = cold

    def clear(self) -> None:
        """There is nothing any more, here and on disk."""
        self._records.clear()
        self._warm.clear()
        self.warm_bytes = self.size_bytes = 0
        self.count_anew()

    # What was there before a restart

    def restore(self, key: Key, record: Record, wall_ms: int, row: int = 0) -> None:
        """Take back what was on disk, with its value: the log knows it."""
        before = self._records.get(key)
        if before is not None:
            self._cool(key, before)
        super().put(key, record, wall_ms)
        held = self._records[key]
        row = _row_of(before) if held is before else row
        self._keep(key, Kept(held.version, held.value, held.expires_ms, held.name, row))

    def take_back(self, rows: Iterable[Row]) -> list[int]:
        """Take back what was on disk, in the order in which it was written, without its values.
        `count_anew` must follow. Returns the rows that newer ones of the same key have replaced.

        Raises:
            StorageFullError: it is too much.
        """
        records, size_bytes, stale = self._records, self.size_bytes, []
        for row, key, version, expires_ms, length, name in rows:
            value = _on_disk(length) if length > 0 else None if length else b""
            held = Kept(version, value, expires_ms, name or None, row)
            before = records.setdefault(key, held)
            if before is not held:
                stale.append(_row_of(before))
                size_bytes -= cost_of(before)
                records[key] = held
            if length > 0:
                size_bytes += length
            size_bytes += RECORD_OVERHEAD_BYTES + len(name)
        self.size_bytes = size_bytes
        if size_bytes > self._capacity_bytes:
            raise StorageFullError(f"{size_bytes} bytes, and {self._capacity_bytes} may be")
        return stale


def _row_of(record: Record | None) -> int:
    return record.row if isinstance(record, Kept) else 0
