"""The contact table against the simplest model: a dict, and sorting all of it."""

from hashlib import sha256

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from p2pcore.contact import Contact, point_of
from p2pcore.ids import ID_BITS, NodeId, shared_prefix_bits
from p2pcore.overlay.table import BUCKET_SIZE, MAX_PER_SUBNET, ContactTable, subnet_of

OWNER = NodeId(bytes(32))


def contact(point: int, address: str = "10.0.0.1:1") -> Contact:
    return Contact.of(point.to_bytes(32), address)


def numbered(number: int, address: str = "10.0.0.1:1") -> Contact:
    return Contact.of(sha256(str(number).encode()).digest(), address)


def sharing(bits: int, low: int, address: str = "10.0.0.1:1") -> Contact:
    """A contact that shares exactly so many leading bits with the owner, who is all zeros."""
    return contact(1 << (ID_BITS - 1 - bits) | low, address)


addresses = st.sampled_from(["10.0.0.1:1", "host:1", "8.8.8.8:1", "8.8.8.9:2", "[2600::1]:1"])
# Few buckets and few points in each, so that buckets fill up and contacts come back.
points = st.builds(lambda bits, low: 1 << (ID_BITS - 1 - bits) | low, st.sampled_from([0, 1, 7]),
                   st.integers(0, 40))  # fmt: skip
places = points | st.integers(0, 2**ID_BITS - 1)


class TableMachine(RuleBasedStateMachine):
    """Buckets as plain lists: members stalest first, candidates latest last."""

    def __init__(self) -> None:
        super().__init__()
        self.table = ContactTable(OWNER)
        self.members: dict[int, list[Contact]] = {}
        self.waiting: dict[int, list[Contact]] = {}

    def fits(self, index: int, new: Contact) -> bool:
        members = self.members.get(index, [])
        subnet = subnet_of(new.address)
        same = [c for c in members if subnet and subnet_of(c.address) == subnet]
        return len(members) < BUCKET_SIZE and len(same) < MAX_PER_SUBNET

    @rule(heard=st.lists(st.tuples(points, addresses), min_size=1, max_size=30))
    def heard_from_many(self, heard: list[tuple[int, str]]) -> None:
        for point, address in heard:
            self.heard_from(point, address)

    def heard_from(self, point: int, address: str) -> None:
        new = contact(point, address)
        index = shared_prefix_bits(0, point)
        members = self.members.setdefault(index, [])
        waiting = self.waiting.setdefault(index, [])
        to_ask = self.table.heard_from(new)
        known = [c for c in members if c.node_id == new.node_id]
        if known:
            members.remove(known[0])
            members.append(new)
            assert to_ask is None
            return
        waiting[:] = [c for c in waiting if c.node_id != new.node_id]
        if self.fits(index, new):
            members.append(new)
            assert to_ask is None
        else:
            assert to_ask == members[0]
            waiting.append(new)
            del waiting[:-BUCKET_SIZE]

    @rule(point=points)
    def remove(self, point: int) -> None:
        node_id = NodeId(point.to_bytes(32))
        index = shared_prefix_bits(0, point)
        members, waiting = self.members.get(index, []), self.waiting.get(index, [])
        was_member = any(c.node_id == node_id for c in members)
        self.table.remove(node_id)
        members[:] = [c for c in members if c.node_id != node_id]
        waiting[:] = [c for c in waiting if c.node_id != node_id]
        if was_member:
            promoted = next((c for c in reversed(waiting) if self.fits(index, c)), None)
            if promoted:
                waiting.remove(promoted)
                members.append(promoted)

    @rule(place=places, count=st.integers(0, 70))
    def closest(self, place: int, count: int) -> None:
        ranked = sorted(self.everybody(), key=lambda c: c.point ^ place)
        assert self.table.closest(place, count) == ranked[:count]

    @rule(place=places)
    def rank_of_owner(self, place: int) -> None:
        closer = sum(c.point ^ place < place for c in self.everybody())
        assert self.table.rank_of_owner(place) == closer

    def everybody(self) -> list[Contact]:
        return [c for members in self.members.values() for c in members]

    @invariant()
    def same_contacts(self) -> None:
        everybody = self.everybody()
        assert self.table.size == len(everybody)
        assert sorted(c.point for c in self.table.contacts()) == sorted(c.point for c in everybody)
        for member in everybody:
            assert self.table.get(member.node_id) == member
            assert member.node_id in self.table
        for waiting in self.waiting.values():
            assert not any(c.node_id in self.table for c in waiting)

    @invariant()
    def sparse_ranges_end_at_the_nearest(self) -> None:
        deepest = max((shared_prefix_bits(0, c.point) for c in self.everybody()), default=0)
        assert self.table.sparse_ranges() == range(deepest)


TestTable = TableMachine.TestCase
TestTable.settings = settings(max_examples=60, stateful_step_count=30)


@pytest.mark.parametrize("size", [1, 5, 20, 300])
def test_closest_of_random_contacts_is_the_sorted_head(size: int) -> None:
    table = ContactTable(NodeId(sha256(b"owner").digest()))
    for number in range(size):
        table.heard_from(numbered(number))
    members = table.contacts()
    for number in range(100):
        target = point_of(sha256(f"target {number}".encode()).digest())
        ranked = sorted(members, key=lambda c: c.point ^ target)
        assert table.closest(target, 20) == ranked[:20]


def test_the_owner_is_never_a_contact() -> None:
    table = ContactTable(OWNER)
    assert table.heard_from(Contact.of(OWNER, "10.0.0.1:1")) is None
    assert table.size == 0
    assert OWNER not in table
    table.remove(OWNER)


def test_a_full_bucket_keeps_the_old_and_promotes_the_latest_candidate() -> None:
    table = ContactTable(OWNER)
    members = [sharing(0, low) for low in range(BUCKET_SIZE)]
    for member in members:
        assert table.heard_from(member) is None
    early, late = sharing(0, 100), sharing(0, 101)
    assert table.heard_from(early) == table.heard_from(late) == members[0]
    table.heard_from(members[0])
    assert table.heard_from(late) == members[1], "who was heard from is the freshest"
    assert late.node_id not in table
    table.remove(members[1].node_id)
    assert late.node_id in table
    assert early.node_id not in table
    assert table.size == BUCKET_SIZE


def test_a_contact_that_moved_is_known_by_its_new_address() -> None:
    table = ContactTable(OWNER)
    table.heard_from(sharing(3, 1, "10.0.0.1:1"))
    table.heard_from(sharing(3, 1, "10.0.0.2:2"))
    assert table.size == 1
    assert table.contacts()[0].address == "10.0.0.2:2"


def test_candidates_are_bounded() -> None:
    table = ContactTable(OWNER)
    for low in range(10 * BUCKET_SIZE):
        table.heard_from(sharing(0, low))
    assert len(table._buckets[0].candidates) == BUCKET_SIZE
    assert table.size == BUCKET_SIZE


def test_one_subnet_gets_few_places_of_a_bucket_but_its_own_in_another() -> None:
    table = ContactTable(OWNER)
    for low in range(5):
        table.heard_from(sharing(0, low, f"8.8.8.{low}:1"))
        table.heard_from(sharing(1, low, f"8.8.8.{low}:1"))
    assert table.size == 2 * MAX_PER_SUBNET


@pytest.mark.parametrize(
    ("address", "subnet"),
    [
        ("8.8.8.8:1", "8.8.8.0/24"),
        ("[2600:1:2:3::1]:1", "2600:1:2::/48"),
        ("[2600::1%eth0]:1", "2600::/48"),
        ("127.0.0.1:1", None),
        ("192.168.1.1:1", None),
        ("[::1]:1", None),
        ("[fe80::1%eth0]:1", None),
        ("example.org:1", None),
        ("", None),
        ("8.8.8.8/8:1", None),
        ("\0:1", None),
    ],
)
def test_subnets(address: str, subnet: str | None) -> None:
    assert subnet_of(address) == subnet
