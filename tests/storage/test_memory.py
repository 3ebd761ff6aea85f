"""The memory store against a model that remembers everything and never tidies."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from p2pcore.errors import StorageFullError
from p2pcore.ids import Key, key_of
from p2pcore.storage.memory import (
    EXPIRE_RECORDS,
    MAX_UNTALLIED,
    RECORD_OVERHEAD_BYTES,
    MemoryStore,
    Record,
    slot_of,
)
from p2pcore.versions import Version

GRACE_MS = 50
KEYS = [Key(bytes([n]) * 32) for n in range(1, 5)]
KEYS[3] = Key(b"\1\2" * 16)  # in one slot with the first
keys = st.sampled_from(KEYS)
versions = st.integers(1, 40).map(lambda n: Version(n.to_bytes(16)))
values = st.none() | st.sampled_from([b"", b"a", b"b" * 100, b"c" * 1000])


def version(number: int) -> Version:
    return Version(number.to_bytes(16))


class StoreMachine(RuleBasedStateMachine):
    """What each key's newest version was, and when it (or its tombstone) ends."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 1000
        self.model: dict[Key, Record] = {}

    @initialize(capacity=st.sampled_from([1 << 30, 1000, 2500]))
    def make(self, capacity: int) -> None:
        self.capacity = capacity
        self.store = MemoryStore(capacity_bytes=capacity, tombstone_grace_ms=GRACE_MS)

    @rule(key=keys, version=versions, value=values, ttl=st.none() | st.integers(1, 100))
    def put(self, key: Key, version: Version, value: bytes | None, ttl: int | None) -> None:
        record = Record(version, value, self.now_ms + ttl if ttl else 0)
        held = self.model.get(key)
        before = self.store.size_bytes
        try:
            newer = self.store.put(key, record, self.now_ms)
        except StorageFullError:
            assert held is None or held.version < version
            assert self.store.size_bytes == before
            assert before + RECORD_OVERHEAD_BYTES + len(value or b"") > self.capacity
            return
        if held is not None and held.version > version:
            assert newer == held.version
            return
        assert newer is None
        if held is None or held.version < version:
            end_ms = self.now_ms + (ttl or 0)
            if value is None:
                end_ms = self.now_ms + min(ttl or GRACE_MS, GRACE_MS)
            elif not ttl:
                end_ms = 0
            self.model[key] = Record(version, value, end_ms)

    @rule(key=keys)
    def get(self, key: Key) -> None:
        record, held = self.store.get(key, self.now_ms), self.model.get(key)
        if held is None:
            assert record is None
        elif held.value is not None and 0 < held.expires_ms <= self.now_ms:
            assert record == Record(held.version, None, held.expires_ms + GRACE_MS)
        else:
            assert record == held

    @rule(passed_ms=st.integers(0, 60))
    def time_passes(self, passed_ms: int) -> None:
        self.now_ms += passed_ms

    @rule(key=keys, version=versions)
    def drop(self, key: Key, version: Version) -> None:
        held = self.model.get(key)
        assert self.store.drop(key, version) == (held is not None and held.version == version)
        if held is not None and held.version == version:
            del self.model[key]

    @precondition(lambda self: self.store.next_end_ms() is not None)
    @rule()
    def tidy(self) -> None:
        self.store.expire(self.now_ms)
        for key, held in list(self.model.items()):
            if held.value is not None and 0 < held.expires_ms <= self.now_ms:
                held = self.model[key] = Record(held.version, None, held.expires_ms + GRACE_MS)
            if held.value is None and held.expires_ms <= self.now_ms:
                del self.model[key]
        next_end_ms = self.store.next_end_ms()
        assert next_end_ms is None or next_end_ms > self.now_ms

    @invariant()
    def books_balance(self) -> None:
        costs = [RECORD_OVERHEAD_BYTES + len(r.value or b"") for r in self.model.values()]
        assert len(self.store) == len(costs)
        assert self.store.size_bytes == sum(costs) <= self.capacity

    @invariant()
    def digests_tell_what_is_held(self) -> None:
        """Those of a store that came to the same records on a straight way are the same."""
        other = MemoryStore(capacity_bytes=1 << 30, tombstone_grace_ms=GRACE_MS)
        for key, held in self.model.items():
            value = None if held.value is None else b""
            other.put(key, Record(held.version, value, 0), self.now_ms)
            assert self.store.version(key) == held.version
        assert list(self.store.slots()) == list(other.slots())
        for slot, digest in other.slots():
            assert self.store.digest(slot) == digest
            assert self.store.keys(slot) == sorted(k for k in self.model if slot_of(k) == slot)
        assert all(self.store.digest(slot) for slot, _ in self.store.slots())

    @invariant()
    def every_end_is_remembered(self) -> None:
        ends = [r.expires_ms for r in self.model.values() if r.expires_ms]
        if ends:
            next_end_ms = self.store.next_end_ms()
            assert next_end_ms is not None
            assert next_end_ms <= min(ends)


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=80, stateful_step_count=40)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(capacity_bytes=1 << 20, tombstone_grace_ms=GRACE_MS)


def test_a_retry_is_taken_for_what_it_is(store: MemoryStore) -> None:
    record = Record(version(5), b"v", 0)
    assert store.put(KEYS[0], record, 1000) is None
    assert store.put(KEYS[0], record, 1000) is None
    assert store.put(KEYS[0], Record(version(4), b"old", 0), 1000) == version(5)
    assert store.get(KEYS[0], 1000) == record


def test_a_deleted_record_does_not_come_back(store: MemoryStore) -> None:
    store.put(KEYS[0], Record(version(1), b"v", 0), 1000)
    store.put(KEYS[0], Record(version(2), None, 0), 1000)
    assert store.put(KEYS[0], Record(version(1), b"v", 0), 1000) == version(2)
    store.expire(1000 + GRACE_MS - 1)
    assert store.put(KEYS[0], Record(version(1), b"v", 0), 1049) == version(2)
    store.expire(1000 + GRACE_MS)
    assert len(store) == store.size_bytes == 0


def test_a_tombstone_that_is_handed_on_does_not_begin_anew(store: MemoryStore) -> None:
    """Read repair copies tombstones between replicas. Were each copy kept for a whole grace, then
    reads could keep a tombstone going round for ever."""
    store.put(KEYS[0], Record(version(2), None, 1000 + GRACE_MS), 1030)
    held = store.get(KEYS[0], 1030)
    assert held is not None
    assert held.expires_ms == 1000 + GRACE_MS


def test_nobody_makes_a_tombstone_last_longer_than_the_grace(store: MemoryStore) -> None:
    store.put(KEYS[0], Record(version(2), None, 10**15), 1000)
    assert store.next_end_ms() == 1000 + GRACE_MS


def test_deleting_frees_memory_even_where_there_is_no_room_for_more() -> None:
    store = MemoryStore(capacity_bytes=RECORD_OVERHEAD_BYTES + 10, tombstone_grace_ms=GRACE_MS)
    store.put(KEYS[0], Record(version(1), b"x" * 10, 0), 0)
    with pytest.raises(StorageFullError, match="410 of 410"):
        store.put(KEYS[0], Record(version(2), b"x" * 11, 0), 0)
    assert store.put(KEYS[0], Record(version(3), b"", 0), 0) is None
    assert store.put(KEYS[0], Record(version(4), None, 0), 0) is None
    assert store.size_bytes == RECORD_OVERHEAD_BYTES


def test_notes_of_ends_do_not_pile_up(store: MemoryStore) -> None:
    """A key that is written for ever with a time to live has one end, not one per write."""
    for number in range(1, 2000):
        store.put(KEYS[0], Record(version(number), b"v", 10_000 + number), 1000)
    assert len(store._ends) < 100
    store.expire(12_000)
    assert store.get(KEYS[0], 12_000) == Record(version(1999), None, 11_999 + GRACE_MS)


def test_digests_differ_where_records_do(store: MemoryStore) -> None:
    """Also where two changes have much in common: the same two versions swapped between keys."""
    other = MemoryStore(capacity_bytes=1 << 20, tombstone_grace_ms=GRACE_MS)
    for each, first, second in ((store, 1, 2), (other, 2, 1)):
        each.put(KEYS[0], Record(version(first), b"", 0), 0)
        each.put(KEYS[3], Record(version(second), b"", 0), 0)
    slot = slot_of(KEYS[0])
    assert store.keys(slot) == other.keys(slot)
    assert store.digest(slot) != other.digest(slot)
    assert store.digest(slot + 1) == other.digest(slot + 1) == 0


def test_keys_are_listed_in_pages(store: MemoryStore) -> None:
    for key in KEYS:
        store.put(key, Record(version(1), b"", 0), 0)
    ordered = sorted(KEYS)
    assert store.keys_after(b"", 4096) == ordered
    assert store.keys_after(ordered[0], 2) == ordered[1:3]
    assert store.keys_after(ordered[-1], 1) == []
    first, second = sorted((KEYS[0], KEYS[3]))  # of one slot
    slot = slot_of(first)
    assert store.keys(slot, b"", 1) == [first]
    assert store.keys(slot, first, 5) == [second]
    assert store.keys(slot, second) == []
    for key in KEYS:
        store.drop(key, version(1))
    assert store.keys_after(b"", 1) == store.keys(slot) == []


def test_a_value_wins_over_its_own_expiry(store: MemoryStore) -> None:
    """Of two stores with the same record, one had a wrong clock for one `expire`."""
    record, other = (
        Record(version(5), b"value", 10_000),
        MemoryStore(capacity_bytes=1 << 20, tombstone_grace_ms=GRACE_MS),
    )
    for each in (store, other):
        each.put(KEYS[0], record, 1000)
    assert dict(store.slots()) == dict(other.slots())
    store.expire(10_001)
    assert dict(store.slots()) != dict(other.slots()), "equal digests are of equal contents"
    assert store.lacks(KEYS[0], version(5), 10_000, 1000)
    assert not other.lacks(KEYS[0], version(5), 0, 1000)
    assert not store.lacks(KEYS[0], version(5), 10_000, 10_000), "it is over here as well"
    assert store.put(KEYS[0], record, 10_000) is None
    assert store.held(KEYS[0]) == Record(version(5), None, 10_000 + GRACE_MS)
    assert store.put(KEYS[0], record, 1000) is None
    assert store.held(KEYS[0]) == other.held(KEYS[0]) == record
    assert dict(store.slots()) == dict(other.slots())
    assert store.size_bytes == other.size_bytes


def test_a_deletion_is_not_undone_by_what_has_no_end(store: MemoryStore) -> None:
    store.put(KEYS[0], Record(version(5), None, 0), 1000)
    store.put(KEYS[0], Record(version(5), b"of the same version", 0), 1000)
    assert store.get(KEYS[0], 1000) == Record(version(5), None, 1000 + GRACE_MS)


def test_no_call_looks_at_more_records_than_is_said() -> None:
    """Puts are tallied a few at a time, and so do records end."""
    store = MemoryStore(capacity_bytes=1 << 30, tombstone_grace_ms=GRACE_MS)
    ours = [key_of(f"key {number}") for number in range(3000)]
    for key in ours:
        store.put(key, Record(version(1), b"v", 2000), 1000)
        assert len(store.untallied) < MAX_UNTALLIED
    for turn in range(1, 7):  # 3,000 at the same millisecond
        assert store.next_end_ms() == 2000
        store.expire(2000)
        live = sum(store._records[key].value is not None for key in ours)
        assert live == max(0, len(ours) - turn * EXPIRE_RECORDS)
    assert store.next_end_ms() == 2000 + GRACE_MS
    store.expire(2000 + GRACE_MS)
    assert len(store) == len(ours) - EXPIRE_RECORDS
