"""Expelling somebody: a network whose nodes are given another allow list."""

from typing import Any

import pytest

from p2pcore.contact import Contact
from p2pcore.errors import NotAllowedError
from p2pcore.ids import NodeId
from p2pcore.session.admission import AllowList
from p2pcore.wire.messages import Goodbye, Message, Reason
from tests.net import PASS, Net, Peer


@pytest.fixture
def net() -> Net:
    return Net()


def ids(*peers: Peer) -> frozenset[NodeId]:
    return frozenset(peer.machine.node_id for peer in peers)


def allow(allowed: AllowList | None, *nodes: Peer) -> None:
    for node in nodes:
        node.tell(lambda now, machine=node.machine: machine.allow(allowed, now))  # type: ignore[misc]


def knows(node: Peer, other: Peer) -> bool:
    machine = node.machine
    return other.machine.node_id in machine.table or machine.links.is_linked(other.machine.node_id)


def goodbyes(net: Net) -> list[tuple[Peer, Peer, int]]:
    """Who has said goodbye to whom since this was called, and why."""
    said: list[tuple[Peer, Peer, int]] = []

    def judge(source: Peer, target: Peer, message: Message) -> str:
        if isinstance(message, Goodbye):
            said.append((source, target, message.reason))
        return PASS

    net.judge = judge
    return said


@pytest.mark.parametrize("count", [4, 30])
def test_who_is_expelled_is_told_and_forgotten(net: Net, count: int) -> None:
    nodes = net.swarm(count)
    client = net.client(bootstrap=[nodes[0].address])
    for number in range(20):
        client.store(f"key {number}", b"value")
    expelled, rest = nodes[-1], nodes[:-1]
    said = goodbyes(net)
    allow(AllowList(ids(*rest, client)), *rest)
    net.run(90)  # looking around, and for whom was lost
    assert not any(knows(node, expelled) or knows(expelled, node) for node in rest)
    assert all(reason == Reason.NOT_ALLOWED for _, target, reason in said if target is expelled)
    assert [target for _, target, _ in said].count(expelled) >= 1
    assert not any(expelled.machine.node_id in node.machine.lost for node in rest)
    net.run_until(lambda: all(node.machine.ownership.settled for node in rest))
    for number in range(20):
        assert client.retrieve(f"key {number}") == b"value"
        client.store(f"key {number}", b"newer")
    assert not expelled.machine.ownership.settled, "its answers count for nothing"


def test_who_is_expelled_does_not_come_back_until_it_is_allowed(net: Net) -> None:
    first, second, third = net.swarm(3)
    allow(AllowList(ids(first, second)), first, second)
    net.run(5)
    back = third.operation()
    third.tell(lambda now: third.machine.meet(back, first.address, None, now.mono_ns + 10**10, now))
    with pytest.raises(NotAllowedError, match=f"id {third.machine.node_id.hex()} is not on"):
        third.result(back)
    with pytest.raises(NotAllowedError, match="no way into the network"):
        net.node(bootstrap=[first.address])
    out = first.operation()
    first.tell(lambda now: first.machine.meet(out, third.address, None, now.mono_ns + 10**10, now))
    with pytest.raises(NotAllowedError):
        first.result(out)
    allow(None, first, second)
    again = third.operation()
    third.tell(
        lambda now: third.machine.meet(again, first.address, None, now.mono_ns + 10**10, now)
    )
    third.result(again)
    net.run(5)
    assert all(
        knows(a, b) for a in (first, second, third) for b in (first, second, third) if a != b
    )


def test_a_client_is_somebody_too(net: Net) -> None:
    """Whoever was expelled would else come back as a client, and read and write all."""
    nodes = net.swarm(3)
    client = net.client()
    client.store("key", b"value")
    allow(AllowList(ids(*nodes)), *nodes)
    net.run(1)
    assert not client.links
    with pytest.raises(NotAllowedError):
        net.client()
    allow(AllowList(ids(*nodes), any_client=True), *nodes)
    assert net.client().retrieve("key") == b"value"
    with pytest.raises(NotAllowedError):
        net.node(bootstrap=[nodes[0].address])  # which says that it is a node


def test_others_who_do_not_know_yet_bring_nobody_back(net: Net) -> None:
    """A list is read by one node after the other: those that still know somebody tell of him."""
    nodes = net.swarm(6)
    expelled, first = nodes[-1], nodes[0]
    allow(AllowList(ids(*nodes[:-1])), first)
    for _ in range(5):
        first.tell(lambda now: first.machine._membership._look_around(now))
        net.run(2)
        assert not knows(first, expelled)
    assert all(knows(node, expelled) for node in nodes[1:-1])


def test_candidates_and_lost_contacts_are_forgotten(net: Net) -> None:
    node = net.swarm(1, replication_factor=1)[0]
    table, lost = node.machine.table, node.machine.lost
    strangers = [Contact.of(bytes([0x80 | n]) * 32, f"10.9.0.{n}:1") for n in range(30)]
    for contact in strangers:
        table.heard_from(contact)
    assert table.size == 20
    lost.add(strangers[29], node.now)
    allow(AllowList(frozenset([strangers[0].node_id])), node)
    assert [contact.node_id for contact in table.contacts()] == [strangers[0].node_id]
    assert len(lost) == 0


def test_same_seed_same_trace(net: Net) -> None:
    def play() -> Any:
        world = Net(3)
        world.trace = []
        nodes = world.swarm(5)
        allow(AllowList(ids(*nodes[:4])), *nodes[:4])
        world.run(10)
        return world.trace

    assert play() == play()


@pytest.mark.parametrize("count", [3, 4, 6])
def test_one_wrong_list_costs_one_node(net: Net, count: int) -> None:
    """It expels everybody else at once; they compare what they hold, and go on without it."""
    nodes = net.swarm(count)
    for number in range(20):
        net.client(bootstrap=[nodes[1].address]).store(f"key {number}", b"value")
    wrong, rest = nodes[0], nodes[1:]
    allow(AllowList(ids(wrong)), wrong)
    net.run(10)
    assert not wrong.machine.links.by_id
    client = net.client(bootstrap=[node.address for node in rest])
    for number in range(20):
        assert client.retrieve(f"key {number}") == b"value"
        client.store(f"key {number}", b"newer")
    assert all(node.machine.ownership.settled for node in rest)
