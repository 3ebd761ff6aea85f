"""Signs of life: silent links are asked, and those that stay silent are given up."""

from collections.abc import Iterator

import pytest

from p2pcore.overlay.liveness import PATIENCE_NS, QUIET_NS, TRIES
from p2pcore.session.switchboard import SWEEP_NS
from p2pcore.wire.messages import Message, Ping
from tests.net import DROP, PASS, Net, Peer

# Asked at the second look at the latest, and noticed at the sweep after the last try.
NOTICED_S = (2 * QUIET_NS + TRIES * (PATIENCE_NS + SWEEP_NS)) / 1e9


@pytest.fixture
def net() -> Iterator[Net]:
    net = Net()
    yield net
    net.judge = lambda *_: PASS
    net.check()


def pings(net: Net) -> list[tuple[Peer, Peer]]:
    """Notes every ping from now on, as (who asked, who was asked)."""
    seen: list[tuple[Peer, Peer]] = []

    def judge(source: Peer, target: Peer, message: Message) -> str:
        if isinstance(message, Ping):
            seen.append((source, target))
        return PASS

    net.judge = judge
    return seen


def test_idle_links_are_asked_and_live(net: Net) -> None:
    one, two = net.swarm(2)
    client = net.client(bootstrap=[one.address])
    seen = pings(net)
    net.run(60)
    assert (one, two) in seen
    assert (client, one) in seen, "a client notices as well that a node is gone"
    assert one.machine.board.is_linked(two.machine.node_id)
    assert one.machine.counters.timeouts == two.machine.counters.timeouts == 0


def test_links_in_use_are_not_asked(net: Net) -> None:
    nodes = net.swarm(3)
    client = net.client()
    seen = pings(net)
    for _ in range(30):
        client.store("key", b"value")
        net.run(1)
    assert all(source is not client for source, _ in seen)
    assert all(node.alive for node in nodes)


def test_a_silent_node_is_forgotten(net: Net) -> None:
    nodes = net.swarm(4)
    nodes[1].silent = True
    net.run(NOTICED_S + 3)
    for node in nodes:
        if node is not nodes[1]:
            assert nodes[1].machine.node_id not in node.machine.table
            assert not node.machine.board.is_linked(nodes[1].machine.node_id)


def test_one_lost_ping_is_no_death(net: Net) -> None:
    one, two = net.swarm(2)
    lost = [0]

    def judge(source: Peer, target: Peer, message: Message) -> str:
        if isinstance(message, Ping) and source is one:
            lost[0] += 1
            return DROP if lost[0] % TRIES else PASS
        return PASS

    net.judge = judge
    net.run(60)
    assert lost[0] >= TRIES
    assert one.machine.board.is_linked(two.machine.node_id)
    assert one.machine.counters.links_broken == 0


def test_who_was_silent_for_a_while_comes_back(net: Net) -> None:
    nodes = net.swarm(3)
    nodes[1].silent = True
    net.run(NOTICED_S + 10)
    nodes[1].silent = False
    net.run(70)
    for node in nodes:
        assert node.machine.table.size == 2


def test_a_silent_bucket_member_makes_room_for_a_newcomer(net: Net) -> None:
    """The replacement of Kademlia: the stalest is asked, and only its silence costs its place."""
    nodes = [net.node(node_id=bytes([1]) + bytes(31))]
    nodes += [net.node(node_id=bytes([128, n]) + bytes(30)) for n in range(20)]
    table = nodes[0].machine.table
    assert table.size == 20
    newcomer = net.node(node_id=bytes([129]) + bytes(31))
    net.run(3)
    assert newcomer.machine.node_id not in table, "all members answered"
    nodes[5].silent = True
    net.run(NOTICED_S + 3)
    assert nodes[5].machine.node_id not in table
    assert newcomer.machine.node_id in table
