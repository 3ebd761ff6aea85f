"""Records in memory: the newest version of each, tombstones included.

Rule: knows time only as an argument, and nothing of quorums. A deleted or expired record stays as
a tombstone for `tombstone_grace_ms`, so that a replica which missed the end of a record cannot
bring it back to life.

Nobody writes that a record has expired: each node derives it, from the record and its own clock,
which may be wrong. So a value wins over the tombstone of its own expiry, which has the same
version: a node that was too early takes the value again, and digests tell the two apart.

Records are kept in slots, by the first SLOT_BITS of their keys, and each slot has a sum of the
records in it (`slots.py`). Two nodes that compare sums learn which slots to compare more closely.

No call looks at more than a bounded number of records, however many there are: `tally` takes
TALLY_RECORDS at a time of what puts leave to be tallied, and a put that makes it MAX_UNTALLIED
takes some itself; keys are listed in pages, and `expire` ends EXPIRE_RECORDS at a time. But for
the first digest, of which see `slots`.
"""

from collections.abc import Iterable
from itertools import islice

from msgspec import Struct

from p2pcore.errors import StorageFullError
from p2pcore.ids import Key
from p2pcore.storage.ordered import Ordered
from p2pcore.storage.recent import MOST_HEADS, RecentHeads
from p2pcore.storage.slots import Slots, slot_of, start_of
from p2pcore.versions import Version

__all__ = ["MemoryStore", "Record", "cost_of", "face_of", "slot_of"]

_number = int.from_bytes

TALLY_RECORDS = 512  # 1 us each
MAX_UNTALLIED = 4 * TALLY_RECORDS  # which a look at the slots may have to tally
EXPIRE_RECORDS = 512  # 1 us each, as well
_END_BYTES = 8
_LAST_END_MS = (1 << 8 * _END_BYTES) - 1

RECORD_OVERHEAD_BYTES = 400
"""What a record costs beyond its value, rounded up: dict entry, key, version, expiry, places."""


class Record(Struct, frozen=True, gc=False):
    """One version. `value` None is a tombstone; `expires_ms` is wall-clock time, 0 for never.
    `name`: what its application calls it, if it is listed; a tombstone has none."""

    version: Version
    value: bytes | None
    expires_ms: int
    name: bytes | None = None

    @property
    def lasts_ms(self) -> int:
        """Until when its value lasts, in wall-clock time. 0: for ever, or there is none."""
        return 0 if self.value is None else self.expires_ms

    @property
    def is_cold(self) -> bool:
        """True if its value is not in memory: what stands in its place has its length only."""
        return False


class MemoryStore:
    """The records of one node.

    Args:
        capacity_bytes: values, names and RECORD_OVERHEAD_BYTES each together stay below this, but
            for the last name.
        tombstone_grace_ms: how long the end of a record is remembered. Longer than any partition
            or absence that shall not bring deleted records back.
    """

    def __init__(self, *, capacity_bytes: int, tombstone_grace_ms: int) -> None:
        self._capacity_bytes = capacity_bytes
        self._grace_ms = tombstone_grace_ms
        self._records: dict[Key, Record] = {}
        self._keys: Ordered[Key] = Ordered()
        self._named: Ordered[Key] = Ordered()  # those of listed records
        self._slots = Slots()
        self.recent = RecentHeads()
        self.untallied: dict[Key, bytes | None] = {}
        """What the sums have of the keys that changed since: for `tally` to go through."""
        self._ends: Ordered[bytes] = Ordered()  # wall_ms and key of every record that has an end
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

    def held(self, key: Key) -> Record | None:
        """The record as it is kept here: its value also when its time is over, until `expire`."""
        return self._records.get(key)

    def lacks(self, key: Key, version: bytes, lasts_ms: int, wall_ms: int) -> bool:
        """Whether what somebody holds of a key is more than what is held here: a newer version, or
        the value of one that has expired here, and by this clock lasts until `lasts_ms`."""
        held = self._records.get(key)
        if held is None or held.version < version:
            return True
        return held.value is None and held.version == version and lasts_ms > wall_ms

    def put(self, key: Key, record: Record, wall_ms: int) -> Version | None:
        """Take a version if it is the newest, or the value of the newest, which has expired here
        too early. Returns the newer one that stands against it, or None if it was taken, or had
        been before.

        Raises:
            StorageFullError: there is no room for it.
        """
        held = self._records.get(key)
        if held is not None and held.version >= record.version:
            if held.version > record.version:
                return held.version
            if not self.lacks(key, record.version, record.lasts_ms, wall_ms):
                return None
        value = record.value
        if value is None:
            # One that another replica hands on ends when it does there: if each copy lasted a
            # whole grace, reads that repair would keep a tombstone going round for ever.
            end_ms = min(wall_ms + self._grace_ms, record.expires_ms or wall_ms + self._grace_ms)
            record = Record(record.version, None, end_ms)
        growth = len(value) if value else 0
        if held is None:
            growth += RECORD_OVERHEAD_BYTES
        elif held.value:
            growth -= len(held.value)
        if growth > 0 and self.size_bytes + growth > self._capacity_bytes:
            raise StorageFullError(
                f"{self.size_bytes} of {self._capacity_bytes} bytes are in use, "
                f"the record needs {growth} more"
            )
        self.size_bytes += growth
        self._records[key] = record
        if record.name is not None or (held is not None and held.name is not None):
            self.size_bytes += _name_bytes(record) - _name_bytes(held)
            self._note_name(key, held, record)
        if key not in self.untallied:
            self._leave_to_tally(key, held)
        if held is not None and held.expires_ms:
            self._ends.remove(_end_of(held, key))
        if record.expires_ms:
            self._ends.add(_end_of(record, key))
        return None

    def drop(self, key: Key, version: Version) -> bool:
        """Let go of a record whose newest version is this one; returns whether it was."""
        held = self._records.get(key)
        if held is None or held.version != version:
            return False
        self._remove(key, held)
        return True

    def _remove(self, key: Key, held: Record) -> None:
        del self._records[key]
        self.size_bytes -= cost_of(held)
        self._note_name(key, held, None)
        self._leave_to_tally(key, held)
        if held.expires_ms:
            self._ends.remove(_end_of(held, key))

    def _note_name(self, key: Key, old: Record | None, new: Record | None) -> None:
        """Keep the keys of listed records apart: what is held of this one changes."""
        was = old is not None and old.name is not None
        if was is not (new is not None and new.name is not None):
            (self._named.remove if was else self._named.add)(key)

    # By slot, for comparing replicas

    def _leave_to_tally(self, key: Key, held: Record | None) -> None:
        self.untallied.setdefault(key, None if held is None else face_of(held))
        if len(self.untallied) >= MAX_UNTALLIED:
            self.tally()

    def tally(self, count: int = TALLY_RECORDS) -> None:
        """Bring slots and digests up to date with `count` of the changes at most. Done now and
        then, it costs puts next to nothing; it need not be called before the methods below."""
        untallied = self.untallied
        keys: list[Key] = []
        versions: list[Version] = []
        for _ in range(min(count, len(untallied))):
            key, old = untallied.popitem()
            record = self._records.get(key)
            new = face_of(record) if record is not None else None
            growth = self._slots.change(key, old, new)
            if growth > 0:
                self._keys.add(key)
            elif growth < 0:
                self._keys.remove(key)
            if record is not None:
                keys.append(key)
                versions.append(record.version)
        self.recent.add(keys, versions, len(self._records))

    def _tally_all(self) -> None:
        self.tally(MAX_UNTALLIED)

    def count_anew(self) -> None:
        """Work out slots and orders from the records alone: for a start with many of them, when
        nobody waits. Some 2 us each."""
        records = self._records
        self._slots = Slots()
        self._slots.fill(self._faces())
        self._keys.fill(sorted(records))
        ends = [_end_of(record, key) for key, record in records.items() if record.expires_ms]
        self._ends.fill(sorted(ends))
        last = [*islice(reversed(records), MOST_HEADS)][::-1]
        self.recent.add(last, [records[key].version for key in last], len(records))
        self._named.fill(sorted(key for key, record in records.items() if record.name is not None))
        self.untallied.clear()

    def _faces(self) -> Iterable[tuple[Key, bytes]]:
        """The key and the `face_of` of every record, without a call for each."""
        return (
            (key, record.version if record.value is not None else record.version + b"\0")
            for key, record in self._records.items()
        )

    def slots(self) -> Iterable[tuple[int, int]]:
        """(slot, digest) of every slot that has records, in order: for earlier versions. The first
        call looks at every record, as does that of `digest`."""
        self._begin_digests()
        return self._slots.digests()

    def digest(self, slot: int) -> int:
        """A number that two replicas have in common when they hold the same in a slot."""
        self._begin_digests()
        return self._slots.digest(slot)

    def _begin_digests(self) -> None:
        if self.untallied:
            self._tally_all()
        if not self._slots.has_digests:
            self._slots.begin_digests(self._faces())

    def sums(self) -> Iterable[tuple[int, int]]:
        """(slot, sum) of every slot that has records, and of others, where it is 0."""
        self._tally_all()
        return self._slots.sums()

    def count(self, slot: int) -> int:
        """How many records are in a slot."""
        if self.untallied:
            self._tally_all()
        return self._slots.count(slot)

    def keys(self, slot: int, after: bytes = b"", count: int = 1 << 62) -> list[Key]:
        """The keys in a slot beyond `after`, in order; `count` of them at most."""
        held = self.count(slot)
        if not held:
            return []
        first = start_of(slot)
        count = min(count, held)
        if after <= first:
            return self._keys.after(first, count)  # as many as are in the slot
        return [key for key in self._keys.after(after, count) if slot_of(key) == slot]

    def keys_after(self, after: bytes, count: int) -> list[Key]:
        """The next keys of all beyond `after`, in order; `count` of them at most."""
        if self.untallied:
            self._tally_all()
        return self._keys.after(after, count)

    def first_with(self, start: bytes) -> Key | None:
        """The first key that begins with these bytes, fewer than a whole one."""
        keys = self.keys_after(start, 1)
        return keys[0] if keys and keys[0].startswith(start) else None

    def named_after(self, after: bytes, count: int) -> list[Key]:
        """The next keys of listed records beyond `after`, in order; `count` of them at most."""
        return self._named.after(after, count)

    def version(self, key: Key) -> Version | None:
        """The newest version held, tombstones included."""
        record = self._records.get(key)
        return record.version if record is not None else None

    def next_end_ms(self) -> int | None:
        """When `expire` has something to do next, in wall-clock time."""
        first = self._ends.first
        return _number(first[:_END_BYTES]) if first is not None else None

    def expire(self, wall_ms: int) -> None:
        """Turn records whose time is over into tombstones, and forget old tombstones: as many as
        EXPIRE_RECORDS. Where `next_end_ms` is over still, there are more."""
        for _ in range(EXPIRE_RECORDS):
            end = self._ends.first
            if end is None or _number(end[:_END_BYTES]) > wall_ms:
                break
            end_ms, key = _number(end[:_END_BYTES]), Key(end[_END_BYTES:])
            record = self._records[key]
            if record.value is None:
                self._remove(key, record)
            else:
                self._end(key, record, end_ms)

    def _end(self, key: Key, record: Record, end_ms: int) -> None:
        """The time of a record is over: its tombstone stays."""
        tombstone = Record(record.version, None, end_ms + self._grace_ms)
        self._records[key] = tombstone
        self._note_name(key, record, tombstone)
        self._leave_to_tally(key, record)
        self.size_bytes += cost_of(tombstone) - cost_of(record)
        self._ends.remove(_end_of(record, key))
        self._ends.add(_end_of(tombstone, key))


def _end_of(record: Record, key: Key) -> bytes:
    """Where a record stands among the ends. The wire does not bound times: what lies beyond 64
    bits (584 million years) ends there."""
    end_ms = record.expires_ms if record.expires_ms <= _LAST_END_MS else _LAST_END_MS
    return end_ms.to_bytes(_END_BYTES) + key


def face_of(record: Record) -> bytes:
    """What comparisons have of a record: its version, and one byte more where the value is gone."""
    return record.version if record.value is not None else record.version + b"\0"


def cost_of(record: Record) -> int:
    return RECORD_OVERHEAD_BYTES + len(record.value or b"") + _name_bytes(record)


def _name_bytes(record: Record | None) -> int:
    return len(record.name or b"") if record is not None else 0
