"""Lookups on simulated graphs: they end, and they end at the true closest."""

from hashlib import sha256
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcore.contact import Contact
from p2pcore.ids import NodeId
from p2pcore.overlay.lookup import PARALLEL, Lookup
from p2pcore.overlay.table import BUCKET_SIZE, ContactTable

ME = NodeId(sha256(b"the one who looks").digest())


class World:
    """Nodes whose tables hold whom Kademlia would have them know: all that fit in their buckets."""

    def __init__(self, size: int, seed: int) -> None:
        self.rng = Random(seed)
        self.contacts = [Contact.of(self.rng.randbytes(32), "10.0.0.1:1") for _ in range(size)]
        self.tables: dict[NodeId, ContactTable] = {}
        for contact in self.contacts:
            table = self.tables[contact.node_id] = ContactTable(contact.node_id)
            for other in self.rng.sample(self.contacts, size):
                table.heard_from(other)

    def asked(self, contact: Contact, target: int) -> list[Contact]:
        found = [*self.tables[contact.node_id].closest(target, BUCKET_SIZE), contact]
        return sorted(found, key=lambda c: c.point ^ target)[:BUCKET_SIZE]

    def run(self, lookup: Lookup, dead: frozenset[NodeId] = frozenset()) -> int:
        """Answer questions in a random order until the lookup is over; how many there were."""
        in_flight, questions = lookup.next_to_ask(), 0
        while not lookup.done:
            assert in_flight, "a lookup that is not over asks somebody"
            assert len(in_flight) <= PARALLEL
            contact = in_flight.pop(self.rng.randrange(len(in_flight)))
            questions += 1
            if contact.node_id in dead:
                lookup.failed(contact.node_id)
            else:
                lookup.answered(contact.node_id, self.asked(contact, lookup.target))
            in_flight += lookup.next_to_ask()
        return questions


@pytest.mark.parametrize("size", [1, 2, 5, 19, 20, 21, 60, 150, 300])
@pytest.mark.parametrize("width", [3, BUCKET_SIZE])
def test_it_finds_the_true_closest(size: int, width: int) -> None:
    world = World(size, seed=size)
    for number in range(20):
        target = int.from_bytes(sha256(f"target {number}".encode()).digest())
        seeds = world.rng.sample(world.contacts, min(3, size))
        lookup = Lookup(target, seeds, width=width, owner=ME)
        questions = world.run(lookup)
        ranked = sorted(world.contacts, key=lambda c: c.point ^ target)
        assert lookup.closest(width) == ranked[:width]
        assert questions <= 2 * width + 20
        assert 0 <= lookup.hops <= 8


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), size=st.integers(2, 80), dead_share=st.floats(0, 0.5))
def test_with_failing_nodes_it_finds_the_closest_alive(
    seed: int, size: int, dead_share: float
) -> None:
    """Up to half of the nodes are dead, still in everybody's table, and some of them are seeds."""
    world = World(size, seed)
    dead = frozenset(
        c.node_id for c in world.rng.sample(world.contacts, int(dead_share * (size - 1)))
    )
    target = world.rng.getrandbits(256)
    alive = [c for c in world.contacts if c.node_id not in dead]
    lookup = Lookup(target, [alive[0], *world.contacts[:5]], width=3, owner=ME)
    assert world.run(lookup, dead) <= size, "everybody is asked at most once"
    closest = lookup.closest(3)
    assert closest == sorted(alive, key=lambda c: c.point ^ target)[:3]


def test_when_everybody_fails_it_ends_empty() -> None:
    world = World(30, seed=1)
    lookup = Lookup(7, world.contacts, owner=ME)
    assert world.run(lookup, frozenset(world.tables)) == 30
    assert lookup.closest() == []
    assert lookup.hops == 0


def test_without_seeds_it_is_over_at_once() -> None:
    lookup = Lookup(7, [], owner=ME)
    assert lookup.done
    assert lookup.next_to_ask() == []


def test_the_owner_is_neither_asked_nor_found() -> None:
    me, other = Contact.of(ME, "10.0.0.9:1"), Contact.of(b"o" * 32, "10.0.0.1:1")
    lookup = Lookup(me.point, [me, other], owner=ME)
    assert lookup.next_to_ask() == [other]
    lookup.answered(other.node_id, [me, other])
    assert lookup.done
    assert lookup.closest() == [other]


def test_late_and_repeated_reports_change_nothing() -> None:
    """An answer after the time-out of its question is not counted twice, nor is a failure."""
    a, b, c = (Contact.of(bytes([n]) * 32, "10.0.0.1:1") for n in (1, 2, 3))
    lookup = Lookup(0, [a, b], width=3, owner=ME)
    assert lookup.next_to_ask() == [a, b]
    lookup.failed(a.node_id)
    lookup.answered(a.node_id, [c])
    lookup.failed(a.node_id)
    assert lookup.closest() == [b]
    lookup.answered(b.node_id, [a, c])
    lookup.answered(b.node_id, [])
    assert lookup.next_to_ask() == [c], "who failed is not asked again"
    lookup.answered(c.node_id, [])
    assert lookup.done
    assert lookup.hops == 0


def test_who_is_late_is_left_out_until_and_unless_it_answers() -> None:
    a, b, c = (Contact.of(bytes([n]) * 32, "10.0.0.1:1") for n in (1, 2, 3))
    lookup = Lookup(0, [a, b], width=2, owner=ME)
    assert lookup.next_to_ask() == [a, b]
    lookup.late(a.node_id)
    assert lookup.closest() == [b]
    assert lookup.silent() == [a]
    lookup.late(a.node_id)
    lookup.answered(a.node_id, [c])
    assert lookup.closest() == [a, b, c]
    assert lookup.silent() == []
    assert not lookup.done
    lookup.answered(b.node_id, [])
    assert lookup.done


def test_hops_count_the_chain_to_the_closest() -> None:
    a, b, c = (Contact.of(bytes([n]) * 32, "10.0.0.1:1") for n in (9, 5, 1))
    lookup = Lookup(0, [a], width=3, owner=ME)
    for contact, news in ((a, [b]), (b, [c]), (c, [])):
        assert lookup.next_to_ask() == [contact]
        lookup.answered(contact.node_id, news)
    assert lookup.done
    assert lookup.hops == 2
    assert lookup.closest() == [c, b, a]
