"""Who is close to a point: distances, the contact table, rankings, lookups."""

from __future__ import annotations

from collections import Counter
from functools import cache
from random import Random
from typing import Any

from benchmarks.common import subject
from benchmarks.micro.prepared import Micro, Prepared, require_equal

__all__ = ["OVERLAY"]

CONTACTS = 512  # offered to a table, which keeps about 140 of them
TARGETS = 16
KEYS = 256
SWARM = 8  # the swarm that figures are quoted for
LOOKED_THROUGH = 192  # nodes of the network that lookups go through, each with a table of its own
PAIRS = 512


def _contacts(count: int, seed: int = 1) -> list[Any]:
    contact, random = subject.part("contact", "Contact"), Random(seed)
    return [
        contact.of(random.randbytes(32), f"10.0.{number >> 8}.{number & 255}:4100")
        for number in range(count)
    ]


def _table(owner: bytes, contacts: list[Any]) -> Any:
    table = subject.part("overlay.table", "ContactTable")(owner)
    for contact in contacts:
        table.heard_from(contact)
    return table


def _points(count: int, seed: int = 2) -> list[int]:
    random = Random(seed)
    return [random.getrandbits(256) for _ in range(count)]


def _nearest(contacts: list[Any], target: int, count: int) -> list[Any]:
    """By brute force, what every way of finding the closest must give."""
    return sorted(contacts, key=lambda contact: contact.point ^ target)[:count]


def _prefix_bits() -> Prepared:
    shared_prefix_bits = subject.part("ids", "shared_prefix_bits")
    firsts, seconds = _points(PAIRS), _points(PAIRS, seed=3)
    # Random points share next to nothing; those of neighbours differ in their last bits only.
    pairs = [
        (first, second if number % 2 else first ^ (second >> number // 2))
        for number, (first, second) in enumerate(zip(firsts, seconds, strict=True))
    ]
    for first, second in pairs:
        texts = zip(f"{first:0256b}", f"{second:0256b}", strict=True)
        shared = next((place for place, (a, b) in enumerate(texts) if a != b), 256)
        require_equal(shared_prefix_bits(first, second), shared, "shared_prefix_bits")

    def run(pairs: list[tuple[int, int]]) -> None:
        for first, second in pairs:
            shared_prefix_bits(first, second)

    return Prepared(run, lambda: pairs)


def _closest() -> Prepared:
    table, targets = _table(bytes(32), _contacts(CONTACTS)), _points(TARGETS)

    def run(targets: list[int]) -> list[list[Any]]:
        return [table.closest(target, 20) for target in targets]

    known = table.contacts()
    expected = [_nearest(known, target, 20) for target in targets]
    require_equal(run(targets), expected, "the closest of a table")
    return Prepared(run, lambda: targets)


def _ranking() -> Prepared:
    contacts, targets = _contacts(SWARM), _points(KEYS)
    ranking = subject.part("overlay.ranking", "Ranking")(contacts)

    def run(targets: list[int]) -> list[list[Any]]:
        return [ranking.nearest_first(target) for target in targets]

    expected = [_nearest(contacts, target, SWARM) for target in targets]
    require_equal(run(targets), expected, "a ranking")
    return Prepared(run, lambda: targets)


def _insert() -> Prepared:
    contact_table = subject.part("overlay.table", "ContactTable")
    bucket_size = subject.part("overlay.table", "BUCKET_SIZE")
    contacts = _contacts(CONTACTS)

    def run(table: Any) -> None:
        heard_from = table.heard_from
        for contact in contacts:
            heard_from(contact)

    run(table := contact_table(bytes(32)))
    buckets = Counter(contact.point.bit_length() for contact in contacts)
    members = sum(min(count, bucket_size) for count in buckets.values())
    require_equal(len(table.contacts()), members, "the size of a table")
    return Prepared(run, lambda: contact_table(bytes(32)))


def _lookup() -> Prepared:
    """Through a network in which each node knows what a Kademlia node knows."""
    lookup = subject.part("overlay.lookup", "Lookup")
    contacts, target = _contacts(LOOKED_THROUGH), _points(1)[0]

    @cache
    def answer(node_id: bytes) -> list[Any]:  # of those only that are asked
        named: list[Any] = _table(node_id, contacts).closest(target, 20)
        return named

    def run(looking: Any) -> Any:
        while not looking.done:
            for contact in looking.next_to_ask():
                looking.answered(contact.node_id, answer(contact.node_id))
        return looking

    def fresh() -> Any:
        return lookup(target, contacts[:3], owner=bytes(32))

    require_equal(run(fresh()).closest(20), _nearest(contacts, target, 20), "a lookup")
    return Prepared(run, fresh)


OVERLAY = {
    "prefix_bits": Micro("how many leading bits two points share", PAIRS, _prefix_bits),
    "closest": Micro("the 20 closest contacts of a full table", TARGETS, _closest),
    "ranking": Micro("8 contacts by their distance to a key", KEYS, _ranking),
    "insert": Micro("a contact is heard from, by a table that fills", CONTACTS, _insert),
    "lookup": Micro("a whole lookup, without the network, among 192 nodes", 1, _lookup),
}
