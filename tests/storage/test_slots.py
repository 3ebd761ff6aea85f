"""The numbers of slots, few and many, and the heads of what was written last."""

from random import Random

from p2pcore.ids import Key
from p2pcore.storage.memory import MemoryStore, Record, face_of
from p2pcore.storage.recent import (
    FEWEST_HEADS,
    MOST_HEADS,
    RecentHeads,
    head_of,
    heads_in,
)
from p2pcore.storage.slots import SUM_MASK, Slots, hash_of, slot_of
from p2pcore.versions import Version
from p2pcore.wire.limits import HEAD_BYTES, MAX_HEADS


def test_sums_are_the_same_on_every_way_and_in_every_form() -> None:
    """Records come, change and go, until there are so many slots that they are kept in arrays."""
    rng = Random(4)
    slots, held = Slots(), dict[bytes, bytes]()
    slots.begin_digests(())  # and keep them up; `_check` works them out from what is held
    for step in range(6000):
        key = (
            rng.randbytes(4) + bytes(28) if rng.random() < 0.6 or not held else rng.choice([*held])
        )
        old, new = held.pop(key, None), None
        if rng.random() < 0.75:
            new = held[key] = rng.randbytes(16)
        slots.change(key, old, new)
        if step in (100, 500, 1500, 5999):
            _check(slots, held)
    assert slots.count(slot_of(next(iter(held)))) > 0
    for key, face in held.items():
        slots.change(key, face, None)
    _check(slots, {})


def _check(slots: Slots, held: dict[bytes, bytes]) -> None:
    straight = Slots()
    straight.fill(held.items())
    straight.begin_digests(held.items())
    sums = dict[int, int]()
    for key, face in held.items():
        sums[slot_of(key)] = sums.get(slot_of(key), 0) + hash_of(key, face) & SUM_MASK
    for each in (slots, straight):
        assert {slot: total for slot, total in each.sums() if total} == sums
    assert list(slots.digests()) == list(straight.digests())
    for slot in range(4096):
        assert slots.count(slot) == sum(slot_of(key) == slot for key in held if slot in sums)
        assert slots.digest(slot) == straight.digest(slot)


def test_sums_of_what_is_there_twice_do_not_cancel_out() -> None:
    """As those of XOR would: two changes of a kind, in two slots that are added up."""
    slots = Slots()
    for first in (b"\0", b"\x80"):
        slots.change(first + bytes(31), None, bytes(16))
    assert sum(total for _, total in slots.sums()) & SUM_MASK


def test_the_last_heads_are_kept_and_no_more() -> None:
    recent = RecentHeads()
    for number in range(0, 200_000, 500):
        keys = [each.to_bytes(8) for each in range(number, number + 500)]
        recent.add(keys, [bytes(16)] * 500, 10**6)
        assert len(recent._heads) <= HEAD_BYTES * (MOST_HEADS + MOST_HEADS // 8)
    pages = [list(heads_in(recent.page(page))) for page in range(MOST_HEADS // MAX_HEADS)]
    assert [start for page in reversed(pages) for start, _ in page][-1] == 199_999
    assert sum(map(len, pages)) == MOST_HEADS
    assert [start for start, _ in pages[0]] == list(range(200_000 - MAX_HEADS, 200_000))
    assert recent.page(1 << 70) == b""


def test_what_was_written_long_ago_does_not_push_out_the_rest() -> None:
    """As when a node takes over the records of another one that was lost."""
    recent = RecentHeads()
    minute = 60_000 << 16
    now, lately, long_ago = ((n * minute).to_bytes(8) + bytes(8) for n in (100, 91, 89))
    keys = [bytes([number]) * 32 for number in range(4)]
    recent.add(keys[:1], [long_ago], 10**6)
    recent.add([], [], 10**6)
    recent.add(keys[1:3], [now, lately], 10**6)
    recent.add(keys[3:] * 40_000, [long_ago] * 40_000, 10**6)
    kept = zip(keys, [long_ago, now, lately], strict=False)
    assert recent.page(0) == b"".join(head_of(*each) for each in kept)


def test_a_store_of_few_records_keeps_few_heads() -> None:
    store = MemoryStore(capacity_bytes=1 << 30, tombstone_grace_ms=1000)
    key = Key(bytes(32))
    for number in range(5000):
        store.put(key, Record(Version(number.to_bytes(16)), b"", 0), 0)
        store.tally()
    assert FEWEST_HEADS <= len(store.recent._heads) // HEAD_BYTES <= FEWEST_HEADS * 9 // 8
    assert bytes(store.recent.page(0)[-HEAD_BYTES:]) == head_of(key, (4999).to_bytes(16))
    record = store.held(key)
    assert record is not None
    assert dict(store.sums()) == {0: hash_of(key, face_of(record))}
