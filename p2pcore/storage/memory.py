"""Records in memory: the newest version of each, tombstones included.

Rule: knows time only as an argument, and nothing of quorums. A deleted or expired record stays as
a tombstone for `tombstone_grace_ms`, so that a replica which missed the end of a record cannot
bring it back to life.
"""

from heapq import heapify, heappop, heappush

from msgspec import Struct

from p2pcore.errors import StorageFullError
from p2pcore.ids import Key
from p2pcore.replication.clock import Version

__all__ = ["MemoryStore", "Record"]

RECORD_OVERHEAD_BYTES = 400
"""What a record costs beyond its value, rounded up: dict entry, key, version, expiry, heap."""


class Record(Struct, frozen=True, gc=False):
    """One version. `value` None is a tombstone; `expires_ms` is wall-clock time, 0 for never."""

    version: Version
    value: bytes | None
    expires_ms: int


class MemoryStore:
    """The records of one node.

    Args:
        capacity_bytes: values and RECORD_OVERHEAD_BYTES each together stay below this.
        tombstone_grace_ms: how long the end of a record is remembered. Longer than any partition
            or absence that shall not bring deleted records back.
    """

    def __init__(self, *, capacity_bytes: int, tombstone_grace_ms: int) -> None:
        self._capacity_bytes = capacity_bytes
        self._grace_ms = tombstone_grace_ms
        self._records: dict[Key, Record] = {}
        self._ends: list[tuple[int, Key]] = []  # heap of (wall_ms, key); entries may be outdated
        self.size_bytes = 0

    def __len__(self) -> int:
        """How many records, tombstones included."""
        return len(self._records)

    def get(self, key: Key, wall_ms: int) -> Record | None:
        """The newest version; one that has expired reads as its own tombstone."""
        record = self._records.get(key)
        if record is not None and 0 < record.expires_ms <= wall_ms and record.value is not None:
            return Record(record.version, None, record.expires_ms + self._grace_ms)
        return record

    def put(self, key: Key, record: Record, wall_ms: int) -> Version | None:
        """Take a version if it is the newest. Returns the newer one that stands against it, or
        None if it was taken, or had been before.

        Raises:
            StorageFullError: there is no room for it.
        """
        held = self._records.get(key)
        if held is not None and held.version >= record.version:
            return held.version if held.version > record.version else None
        if record.value is None:
            # One that another replica hands on ends when it does there: if each copy lasted a
            # whole grace, reads that repair would keep a tombstone going round for ever.
            end_ms = min(wall_ms + self._grace_ms, record.expires_ms or wall_ms + self._grace_ms)
            record = Record(record.version, None, end_ms)
        growth = _cost(record) - (_cost(held) if held else 0)
        if growth > 0 and self.size_bytes + growth > self._capacity_bytes:
            raise StorageFullError(
                f"{self.size_bytes} of {self._capacity_bytes} bytes are in use, "
                f"the record needs {growth} more"
            )
        self.size_bytes += growth
        self._records[key] = record
        if record.expires_ms:
            self._remember_end(record.expires_ms, key)
        return None

    def _remember_end(self, end_ms: int, key: Key) -> None:
        """Note when a record ends; drop the outdated notes when they outnumber the records."""
        heappush(self._ends, (end_ms, key))
        if len(self._ends) > 64 + 2 * len(self._records):
            self._ends = [(r.expires_ms, k) for k, r in self._records.items() if r.expires_ms]
            heapify(self._ends)

    def next_end_ms(self) -> int | None:
        """When `expire` has something to do next, in wall-clock time."""
        return self._ends[0][0] if self._ends else None

    def expire(self, wall_ms: int) -> None:
        """Turn records whose time is over into tombstones, and forget old tombstones."""
        while self._ends and self._ends[0][0] <= wall_ms:
            end_ms, key = heappop(self._ends)
            record = self._records.get(key)
            if record is None or record.expires_ms != end_ms:
                continue
            if record.value is None:
                del self._records[key]
                self.size_bytes -= _cost(record)
            else:
                tombstone = Record(record.version, None, end_ms + self._grace_ms)
                self._records[key] = tombstone
                self.size_bytes += _cost(tombstone) - _cost(record)
                self._remember_end(tombstone.expires_ms, key)


def _cost(record: Record) -> int:
    return RECORD_OVERHEAD_BYTES + len(record.value or b"")
