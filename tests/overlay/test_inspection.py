"""Asking one node for its state, and meeting one at an address, over a network in virtual time."""

from collections.abc import Iterator
from typing import Any

import pytest

from p2pcore.errors import (
    AuthenticationError,
    DeadlineError,
    IncompatibleError,
    ProtocolError,
    RefusedError,
    UnreachableError,
    UsageError,
)
from p2pcore.overlay.crawl import PeerContact
from p2pcore.overlay.inspection import NodeInfo
from p2pcore.version import __version__
from p2pcore.wire.messages import Failed, Inspect, Inspected, Message, Pong, Reason, Unknown
from tests.net import DROP, PASS, Net, Peer


@pytest.fixture
def net() -> Iterator[Net]:
    net = Net()
    yield net
    net.judge = lambda *_: PASS
    net.check()


def inspect(
    peer: Peer, *, address: str | None = None, node_id: Any = None, timeout_s: float = 5
) -> Any:
    number, due_ns = peer.operation(), peer.net.mono_ns + round(timeout_s * 1e9)
    peer.tell(lambda now: peer.machine.inspect(number, (address, node_id), due_ns, now))
    return peer.result(number)


def meet(peer: Peer, address: str, node_id: Any = None, timeout_s: float = 5) -> Any:
    number, due_ns = peer.operation(), peer.net.mono_ns + round(timeout_s * 1e9)
    peer.tell(lambda now: peer.machine.meet(number, address, node_id, due_ns, now))
    return peer.result(number)


def test_a_node_tells_its_state(net: Net) -> None:
    first, second, third = net.swarm(3)
    client = net.client(bootstrap=[first.address])
    client.store("key", b"x" * 1000)
    client.retrieve("key")
    net.run(7)
    info = inspect(client, address=second.address)
    machine = second.machine
    assert info == NodeInfo(
        node_id=machine.node_id,
        address=second.address,
        version=__version__,
        uptime_s=info.uptime_s,
        ready=True,
        known_nodes=2,
        links=len(second.links),
        stored_records=1,
        stored_bytes=1400,
        capacity_bytes=1 << 30,
        counters=info.counters,
        peers=info.peers,
    )
    assert {peer.address for peer in info.peers} == {first.address, third.address}
    assert 7 < info.uptime_s < 12
    assert info.counters["stores"] == 1
    assert sum(inspect(client, address=p.address).counters["fetches"] for p in net.nodes) == 2
    assert info.counters.keys() == set(machine.counters.__struct_fields__)
    assert inspect(second, node_id=machine.node_id).stored_records == 1  # of itself
    assert inspect(second, address=second.address).node_id == machine.node_id
    assert inspect(client).node_id == first.machine.node_id  # whom it is connected to
    assert inspect(client, address=third.address, node_id=third.machine.node_id).ready
    assert inspect(first, node_id=third.machine.node_id).address == third.address


def test_uptime_and_readiness_are_those_of_the_moment(net: Net) -> None:
    net.swarm(3)
    client = net.client()
    late = net.node()
    before = inspect(client, address=late.address)
    net.run(20)
    after = inspect(client, address=late.address)
    assert after.uptime_s - before.uptime_s == pytest.approx(20, abs=0.1)
    assert after.ready
    assert before.uptime_s < 1


def test_an_id_is_looked_up_in_a_large_network(net: Net) -> None:
    nodes = net.swarm(40)
    client = net.client()
    for peer in (nodes[3], nodes[29], nodes[39]):
        info = inspect(client, node_id=peer.machine.node_id)
        assert (info.node_id, info.address) == (peer.machine.node_id, peer.address)
    with pytest.raises(UnreachableError, match=f"no node {'07' * 32}"):
        inspect(client, node_id=b"\x07" * 32)


def test_a_node_of_an_older_version(net: Net) -> None:
    """Its codec turns the request into `Unknown`, as tests/wire shows; this is what follows."""
    old = net.swarm(1, replication_factor=1, write_quorum=1, read_quorum=1)[0]
    links = old.machine.links

    def refuse(link: Any, request: Inspect, now: Any) -> None:
        links.handlers[Unknown](link, Unknown(request.id, 29), now)

    links.handlers[Inspect] = refuse
    with pytest.raises(IncompatibleError, match=f"{old.address} is of an older version"):
        inspect(net.client())


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (lambda n: Failed(n, Reason.BUSY, "no time"), RefusedError),
        (lambda n: Failed(n, 99), RefusedError),
        (lambda n: Pong(n), ProtocolError),
    ],
)
def test_answers_of_other_kinds(net: Net, reply: Any, error: type[Exception]) -> None:
    node = net.swarm(1)[0]
    links = node.machine.links
    links.handlers[Inspect] = lambda link, request, now: links.reply(link, reply(request.id))
    with pytest.raises(error, match=node.address):
        inspect(net.client())


def test_nobody_there(net: Net) -> None:
    nodes = net.swarm(3)
    client = net.client(bootstrap=[nodes[0].address])
    with pytest.raises(UnreachableError, match="refused"):
        inspect(client, address="10.9.9.9:1")
    with pytest.raises(AuthenticationError):
        inspect(client, address=nodes[1].address, node_id=b"\x01" * 32)
    net.black_holes.append("10.9.9.9:2")
    with pytest.raises(DeadlineError, match=r"10\.9\.9\.9:2 has not greeted us in time"):
        meet(client, "10.9.9.9:2", timeout_s=0.5)
    net.judge = lambda s, t, message: DROP if isinstance(message, Inspected) else PASS
    with pytest.raises(DeadlineError, match=f"{nodes[2].address} has not told its state"):
        inspect(client, address=nodes[2].address, timeout_s=0.5)
    net.run(3)


def test_a_link_that_breaks_under_the_question(net: Net) -> None:
    node = net.swarm(1, replication_factor=1, write_quorum=1, read_quorum=1)[0]
    client = net.client()

    def judge(source: Peer, target: Peer, message: Message) -> str:
        if isinstance(message, Inspect):
            net.kill(node)
        return PASS

    net.judge = judge
    with pytest.raises(UnreachableError):
        inspect(client)
    with pytest.raises(UnreachableError, match="no way into the network"):
        inspect(client)


def test_meeting_by_address(net: Net) -> None:
    first, second, _ = net.swarm(3)
    client = net.client(bootstrap=[first.address])
    expected = PeerContact(second.machine.node_id, second.address)
    assert meet(client, second.address) == expected
    links = len(client.links)
    assert meet(client, second.address) == expected
    assert meet(client, second.address, second.machine.node_id) == expected
    assert len(client.links) == links  # one that is open will do
    with pytest.raises(UsageError, match="is this node itself"):
        meet(first, first.address)
    with pytest.raises(AuthenticationError):
        meet(client, second.address, b"\x01" * 32)


def test_meeting_joins_two_networks(net: Net) -> None:
    ones = net.swarm(2)
    other = net.node(bootstrap=[])
    assert meet(other, ones[0].address).node_id == ones[0].machine.node_id
    net.run_until(lambda: all(p.machine.table.size == 2 for p in net.nodes), limit_s=2)


def test_other_settings_and_full_nodes(net: Net) -> None:
    node = net.swarm(1, max_connections=1)[0]
    with pytest.raises(IncompatibleError, match="N=5 W=3 R=3"):
        meet(net.node(join=False, replication_factor=5), node.address)
    net.client()
    late = net.client(connect=False)
    with pytest.raises(RefusedError, match="1 connections are open"):
        meet(late, node.address)


def test_cancelled_in_between(net: Net) -> None:
    nodes = net.swarm(3)
    client = net.client(bootstrap=[nodes[0].address])
    for target in ((nodes[1].address, None), (None, nodes[2].machine.node_id)):
        number = client.operation()
        client.tell(lambda now, n=number, t=target: client.machine.inspect(n, t, 10**11, now))
        assert client.machine.links.calls
        client.tell(lambda now, n=number: client.machine.cancel(n))
        net.run(1)
        assert not client.machine.links.calls
        assert number not in client.results
