"""Readiness: who counts, who does not yet, and that everybody becomes ready in the end."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pcore.contact import Contact, point_of
from p2pcore.errors import DeadlineError
from p2pcore.ids import NodeId, key_of
from p2pcore.node import Node
from p2pcore.overlay.table import ContactTable
from p2pcore.replication.ownership import Belonging, Ownership, Standing
from p2pcore.sim import World
from p2pcore.wire.limits import SLOT_BITS, SLOTS
from p2pcore.wire.messages import FoundMany, Message, Survey, Surveyed
from tests.net import DROP, PASS, Net, Peer

OWNER = NodeId(bytes(32))


@pytest.fixture
def net() -> Iterator[Net]:
    net = Net()
    yield net
    net.judge = lambda *_: PASS
    net.release()
    net.check()


changes = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "sync", "sync late"]), st.integers(1, 12)),
    max_size=25,
)


@given(st.sets(st.integers(1, 255), min_size=1), st.data())
def test_records_are_short_of_a_replica_where_one_of_the_closest_is_lost(
    numbers: set[int], data: st.DataObject
) -> None:
    table = ContactTable(OWNER)
    ownership = Ownership(table, 3)
    contacts = [Contact.of(bytes([number]) * 32, "10.0.0.1:1") for number in sorted(numbers)]
    for contact in contacts:
        table.heard_from(contact)
    ownership.synced(ownership.epoch)
    held = [(slot, 2) for slot in range(0, SLOTS, 37)]
    assert ownership.short(held) == 0
    kept = {contact.node_id for contact in table.contacts()}
    gone = data.draw(st.sets(st.sampled_from(contacts))) if kept else set()
    lost = []
    for contact in gone:
        if contact.node_id in kept:
            table.remove(contact.node_id)
            if ownership.missed and contact.node_id in ownership._lost:
                lost.append(contact.point)
    members = [point_of(OWNER), *(contact.point for contact in table.contacts()), *lost]
    expected = 0
    for slot, count in held:
        middle = (2 * slot + 1) << (8 * 32 - SLOT_BITS - 1)
        closest = sorted(members, key=lambda point: point ^ middle)[:3]
        expected += count * any(point in lost for point in closest)
    assert ownership.short(held) == expected
    ownership.lose(point_of(key_of("damaged")))
    assert ownership.short(held) == expected + 1
    ownership.synced(ownership.epoch)
    assert ownership.short(held) == 0
    assert ownership.counts
    ownership.leave()
    assert not ownership.counts


@given(changes, st.integers(0, 255))
def test_standing_is_what_brute_force_says(steps: list[tuple[str, int]], first: int) -> None:
    """The view is the table and whoever was lost since the last sync that began after it."""
    table = ContactTable(OWNER)
    ownership = Ownership(table, 3)
    point = point_of(bytes([first]) + bytes(31))
    members: dict[int, None] = {}
    lost: dict[int, int] = {}  # with the epoch
    epochs = [0]
    ownership.synced(0)
    for step, number in steps:
        contact = Contact.of(bytes([number * 20]) * 32, "10.0.0.1:1")
        if step == "add":
            table.heard_from(contact)
            members[contact.point] = None
            lost.pop(contact.point, None)
        elif step == "remove":
            table.remove(contact.node_id)
            if contact.point in members:
                del members[contact.point]
                lost[contact.point] = ownership.epoch
        else:
            epoch = ownership.epoch if step == "sync" else epochs[-1]
            ownership.synced(epoch)
            lost = {p: e for p, e in lost.items() if e > epoch}
        epochs.append(ownership.epoch)
        rank = sum(p ^ point < point for p in members)
        seen = rank + sum(p ^ point < point for p in lost)
        expected = Standing.PENDING if seen >= 3 else Standing.READY
        assert ownership.standing(point) is (Standing.NOT_REPLICA if rank >= 3 else expected)
        assert ownership.settled == (not lost)


def standing(node: Peer, name: str) -> Standing:
    return node.machine.ownership.standing(point_of(key_of(name)))  # type: ignore[no-any-return]


def test_the_first_node_is_ready_at_once(net: Net) -> None:
    node = net.node()
    number = node.operation()
    node.tell(lambda now: node.machine.wait_ready(number, now))
    assert node.results.pop(number) is None


def test_a_newcomer_is_ready_when_it_has_what_is_its(net: Net) -> None:
    net.swarm(3)
    client = net.client()
    for number in range(300):
        client.store(f"key {number}", b"v" * 100)
    newcomer = net.node()
    number = newcomer.operation()
    newcomer.tell(lambda now: newcomer.machine.wait_ready(number, now))
    assert newcomer.result(number) is None
    for number in range(300):
        name = f"key {number}"
        assert (newcomer in net.replicas(name)) == (newcomer.holds(name) is not None)
        assert (newcomer in net.replicas(name)) == (standing(newcomer, name) is Standing.READY)
    assert newcomer.machine.counters.records_pulled > 100


def test_with_fewer_ready_nodes_than_the_quorum_a_store_fails_and_says_so(net: Net) -> None:
    first = net.node()
    client = net.client()
    net.judge = lambda source, target, message: DROP if isinstance(message, Surveyed) else PASS
    second = net.node()
    assert not second.machine.ownership.settled
    with pytest.raises(DeadlineError, match="has not been given its range yet"):
        client.store("key", b"value", timeout_s=2)
    assert second.holds("key") is not None, "it takes what it does not count for"
    assert second.machine.counters.not_ready > 0
    net.judge = lambda *_: PASS
    net.run(15)
    assert client.store("key", b"value").acks == 2
    assert {standing(node, "key") for node in (first, second)} == {Standing.READY}


def test_nodes_that_join_through_each_other_become_ready(net: Net) -> None:
    """Nobody waits for a node that was never ready."""
    addresses = [f"10.0.0.{number}:7000" for number in (1, 2, 3)]
    nodes = [
        net.node(join=False, bootstrap=[a for a in addresses if a != addresses[index]])
        for index in range(3)
    ]
    numbers = [(node, node.join()) for node in nodes]
    for node, number in numbers:
        assert node.result(number) is None
    net.run_until(lambda: all(node.machine.ownership.settled for node in nodes), 5)


def test_who_joins_with_many_looks_around_once_before_it_is_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks: Counter[NodeId] = Counter()
    look_around = Node._look_around

    def counted(node: Node, *arguments: Any) -> None:
        looks[node.node_id] += 1
        look_around(node, *arguments)

    monkeypatch.setattr(Node, "_look_around", counted)
    world = World(seed=1)
    world.swarm(48)
    assert set(looks.values()) == {1}
    assert len(looks) == 47, "the first of a network has nobody to find"


def test_a_first_node_that_was_started_anew_asks_those_it_meets(net: Net) -> None:
    """Its records are gone with its memory; it does not count until it has them again."""
    nodes = net.swarm(5)
    client = net.client(bootstrap=[node.address for node in nodes[1:]])
    names = [f"key {number}" for number in range(40)]
    for name in names:
        client.store(name, b"value")
    net.run(1)
    first = nodes[0]
    net.kill(first)
    net.run(0.01)
    net.peers.remove(first)
    again = net.node(join=False, node_id=first.machine.node_id, bootstrap=())
    again.address = first.address
    again.machine.open(first.address)
    assert again.result(again.join()) is None
    for _ in range(8):
        for name in names:
            assert client.retrieve(name) == b"value"
        net.run(1)
    assert again.machine.table.size == 4
    for name in names:
        assert (again in net.replicas(name)) == (again.holds(name) is not None)


def test_repair_is_limited_in_its_rate(net: Net) -> None:
    """100 records of 10 KB at 200 KB/s take seconds, and service goes on meanwhile."""
    settings: dict[str, Any] = {"replication_factor": 2, "read_quorum": 1, "write_quorum": 1}
    net.node(**settings)
    client = net.client()
    for number in range(100):
        client.store(f"key {number}", bytes(10_000))
    newcomer = net.node(repair_bytes_per_s=200_000, **settings)
    begun_ns = net.mono_ns
    net.run(1)
    assert client.retrieve("key 7") == bytes(10_000)
    net.run_until(lambda: newcomer.machine.ownership.settled)
    assert 3 <= (net.mono_ns - begun_ns) / 1e9 <= 6.5
    assert len(newcomer.machine.store) == 100


def test_a_source_that_answers_nonsense_is_asked_again(net: Net) -> None:
    net.swarm(3)
    client = net.client()
    for number in range(50):
        client.store(f"key {number}", b"value")

    def judge(source: Peer, target: Peer, message: Message) -> str:
        return DROP if isinstance(message, FoundMany | Survey) and net.mono_ns < end_ns else PASS

    end_ns = net.mono_ns + 5_000_000_000
    net.judge = judge
    newcomer = net.node()
    net.run(4)
    assert not newcomer.machine.ownership.settled
    net.run_until(lambda: newcomer.machine.ownership.settled, 30)
    assert len(newcomer.machine.store) == sum(
        newcomer in net.replicas(f"key {number}") for number in range(50)
    )


def test_a_source_that_answers_pings_only_is_not_waited_for_for_ever(net: Net) -> None:
    nodes = net.swarm(4)
    client = net.client()
    for number in range(20):
        client.store(f"key {number}", b"value")
    net.judge = lambda source, target, message: (
        DROP if source is nodes[2] and isinstance(message, Surveyed) else PASS
    )
    newcomer = net.node()
    net.run(5)
    assert not newcomer.machine.ownership.settled
    net.run_until(lambda: newcomer.machine.ownership.settled, 12)
    assert newcomer.machine.table.size == 4


def test_who_has_no_room_for_what_is_its_does_not_count(net: Net) -> None:
    net.swarm(3)
    client = net.client()
    for number in range(20):
        client.store(f"key {number}", bytes(1000))
    newcomer = net.node(max_store_bytes=3000)
    net.run(60)
    assert not newcomer.machine.ownership.settled
    for number in range(20):
        assert client.retrieve(f"key {number}") == bytes(1000)


ids = st.integers(0, 4095).map(lambda number: NodeId((number << 4).to_bytes(2) + bytes(30)))


@given(st.lists(ids, max_size=60, unique=True), ids, st.sampled_from([1, 2, 3]))
def test_who_does_not_concern_us_shares_no_key_with_us(
    others: list[NodeId], newcomer: NodeId, replicas: int
) -> None:
    """By brute force: no key has both among its replicas, and none is ours for want of it."""
    table = ContactTable(OWNER)
    for node_id in others:
        table.heard_from(Contact.of(node_id, "10.0.0.1:1"))
    ownership = Ownership(table, replicas)
    if newcomer == OWNER or table.get(newcomer) is not None:
        return
    without = [contact.point for contact in table.contacts()]
    table.heard_from(Contact.of(newcomer, "10.0.0.1:1"))
    if ownership.epoch or table.get(newcomer) is None:
        return  # it concerns us, or its bucket is full
    point = point_of(newcomer)
    for first in range(0, 4096, 7):
        key = point_of((first << 4).to_bytes(2) + bytes(30))
        rank = sum(p ^ key < key for p in without)
        assert rank >= replicas or point ^ key > key, "it takes the key from us"
        nearer = sum(p ^ key < point ^ key for p in [*without, 0])
        assert rank >= replicas or nearer >= replicas, "we share the key with it"


OUTSIDE, FOUNDER, DOUBTED, MEMBER = Belonging
INPUTS: dict[str, Callable[[Ownership], None]] = {
    "found": Ownership.found,
    "met one who is ready": lambda ownership: ownership.met(ready=True),
    "met one who is not": lambda ownership: ownership.met(ready=False),
    "synced": lambda ownership: ownership.synced(ownership.epoch),
    "expelled": Ownership.expelled,
}
THEN = {  # in the order of the inputs; to found a network is only for those outside of one
    OUTSIDE: (FOUNDER, OUTSIDE, OUTSIDE, MEMBER, OUTSIDE),
    FOUNDER: (FOUNDER, DOUBTED, MEMBER, FOUNDER, OUTSIDE),
    DOUBTED: (None, DOUBTED, DOUBTED, MEMBER, OUTSIDE),
    MEMBER: (None, MEMBER, MEMBER, MEMBER, OUTSIDE),
}


@pytest.mark.parametrize("before", Belonging)
def test_what_becomes_of_a_node(before: Belonging) -> None:
    for (name, happen), after in zip(INPUTS.items(), THEN[before], strict=True):
        ownership = Ownership(ContactTable(OWNER), 3)
        ownership.belonging = before
        if after is not None:
            happen(ownership)
            assert ownership.belonging is after, name
            counts = after in (FOUNDER, MEMBER)
            assert (ownership.counts, ownership.settled) == (counts, counts)
            assert ownership.joined is (after is not OUTSIDE)
            expected = Standing.READY if counts else Standing.PENDING
            assert ownership.standing(point_of(OWNER)) is expected
            ownership.leave()
            assert not ownership.counts
            assert ownership.joined is (after is not OUTSIDE)  # others may still be handed it
            assert ownership.standing(point_of(OWNER)) is Standing.NOT_REPLICA
