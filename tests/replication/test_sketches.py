"""Sketches and prints, and whose slots are whose, against brute force."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pcore.ids import Key
from p2pcore.replication.custody import ALL, MAX_BORDER, NONE, Custody, salted, shares_of, view_of
from p2pcore.replication.sketches import (
    PRIME,
    Numbers,
    best_part_bits,
    by_part,
    part_of,
    print_of,
    prints_in,
    sketch_of,
    solved,
)
from p2pcore.storage.memory import MemoryStore, Record
from p2pcore.versions import Version

numbers = st.integers(1, PRIME - 1)
VERSION = Version(bytes(16))


@given(st.lists(numbers, max_size=20, unique=True), numbers, numbers)
def test_one_difference_is_told(shared: list[int], new: int, old: int) -> None:
    if new in shared or old in shared or new == old:
        return
    assert solved(shared, sketch_of(shared)) == []
    assert solved([*shared, new], sketch_of(shared)) == [len(shared)], "it is new"
    assert solved([*shared, new], sketch_of([old, *shared])) == [len(shared)], "it is newer"
    assert solved(shared, sketch_of([old, *shared])) == [], "the other side has one more"


@given(st.lists(numbers, min_size=5, max_size=20, unique=True))
def test_more_differences_are_no_difference_that_is_told(ours: list[int]) -> None:
    assert solved(ours, sketch_of(ours[2:])) is None
    assert solved(ours[2:], sketch_of(ours)) is None
    assert solved(ours[1:], sketch_of(ours[:-2])) is None


def test_numbers_have_a_key_of_their_own_in_each_session() -> None:
    record = Record(VERSION, b"v", 0)
    key = bytes(32)
    one, two = Numbers(1), Numbers(2)
    assert one.of(key, record) == Numbers(1).of(key, record) != two.of(key, record)
    assert one.of(key, record) != one.of(key, Record(VERSION, None, 0)), "a value is one"
    assert one.of(key, record) == one.of(key, Record(VERSION, b"v", 77)), "its end is none"
    assert 0 < one.of(key, record) < PRIME
    assert prints_in(print_of(1) + print_of(2)) == [print_of(1), print_of(2)]


@given(st.binary(min_size=32, max_size=32), st.integers(0, 8))
def test_a_part_is_the_bits_after_those_of_the_slot(key: bytes, bits: int) -> None:
    slot = key[0] << 4 | key[1] >> 4
    assert part_of(key, bits) == int.from_bytes(key) >> 244 - bits
    parts = by_part([(Key(key), Record(VERSION, b"", 0))], slot, bits)
    assert len(parts) == 1 << bits
    assert parts[part_of(key, bits) - (slot << bits)]


@pytest.mark.parametrize(
    ("differing", "records", "expected"),
    [
        (1, 2, None),
        (1, 244, 0),
        (886, 886 * 244, 1),
        (3740, 3740 * 244, 3),
        (4096, 4096 * 24, None),
    ],
)
def test_parts_are_as_small_as_pays(differing: int, records: int, expected: int | None) -> None:
    """Of 4,096 slots: few records are printed, and so are all where nearly all differ."""
    assert best_part_bits(differing, 4096, records) == expected


def test_salts_hide_no_difference() -> None:
    rng = Random(1)
    for _ in range(2000):
        one, two, salt = rng.getrandbits(64), rng.getrandbits(64), rng.getrandbits(62)
        assert salted([one], salt) != salted([two], salt)
        assert salted([one], salt) != salted([one ^ 1 << rng.randrange(64)], salt)
    assert salted([0], 5) == bytes(6)
    assert salted([1 << 63], 5) != bytes(6)
    assert view_of([b"a", b"b"]) == view_of([b"b", b"a"]) != view_of([b"a"])


points = st.lists(st.integers(0, (1 << 20) - 1), min_size=1, max_size=20, unique=True)


@given(points, st.integers(1, 3), st.lists(st.integers(0, (1 << 20) - 1), max_size=30))
def test_a_key_is_shared_by_those_who_are_closest_to_it(
    starts: list[int], replicas: int, keys: list[int]
) -> None:
    """By brute force, with nodes and keys that have their first bits in common, too."""
    asker, *others = [start << 236 | 1 << 200 for start in starts]
    custody = Custody(replicas, asker, others)
    shares = shares_of(asker, others, replicas)
    for start in [*keys, *starts]:
        point = start << 236
        nearer = sum(other ^ point < asker ^ point for other in others)
        key = Key(point.to_bytes(32))
        assert custody.has(key) == (nearer < replicas)
        share = shares[start >> 8]
        assert share != ALL or nearer < replicas
        assert share != NONE or nearer >= replicas
        if others:
            both = Custody(replicas, asker, others, others[0])
            theirs = sum(each ^ point < others[0] ^ point for each in [asker, *others[1:]])
            assert both.has(key) == (nearer < replicas and theirs < replicas)


def test_sums_are_of_what_is_shared_alone() -> None:
    """At the border of two nodes' shares deep in a slot each key is looked at."""
    asker = int.from_bytes(b"\x40\x00" + bytes(30))
    near = [int.from_bytes(b"\x40\x01" + bytes(30)), int.from_bytes(b"\x40\x02" + bytes(30))]
    custody = Custody(2, asker, near)
    stores = [MemoryStore(capacity_bytes=1 << 30, tombstone_grace_ms=1) for _ in range(2)]
    rng = Random(2)
    for _ in range(50):
        key = Key(bytes([0x40, rng.randrange(4)]) + rng.randbytes(30))
        record = Record(Version(rng.randbytes(16)), b"", 0)
        stores[0].put(key, record, 0)
        if custody.has(key):
            stores[1].put(key, record, 0)
    assert 0 < len(stores[1]) < len(stores[0])
    assert custody.sums(stores[0]) == custody.sums(stores[1]) != {}
    key = Key(b"\x40\x01\xff" + bytes(29))
    for number in range(MAX_BORDER):  # more than are looked at: nothing is overlooked
        each = Key(b"\x40\x01" + number.to_bytes(30))
        for store in stores:
            store.put(each, Record(VERSION, b"", 0), 0)
    before = custody.sums(stores[1])
    stores[1].put(key, Record(VERSION, b"", 0), 0)
    assert custody.sums(stores[1]) != before
