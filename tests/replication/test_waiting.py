"""Who is lost is waited for before its records are copied again, unless too few copies are left."""

from collections.abc import Iterator
from typing import Any

import pytest

from p2pcore.ids import key_of
from p2pcore.replication.ownership import SETTLE_NS, Standing
from p2pcore.wire.messages import Fetch, Message
from tests.net import PASS, Net, Peer

KEYS = [f"key {number}" for number in range(40)]
AT_ONCE_S = SETTLE_NS / 1e9 + 0.5
COPY_S = 20


@pytest.fixture
def net() -> Iterator[Net]:
    net = Net()
    yield net
    net.check()


def stored(net: Net, nodes: int, **settings: Any) -> Peer:
    """A client of a network with records, all of which are on all their replicas."""
    net.swarm(nodes, **settings)
    client = net.client()
    for name in KEYS:
        client.store(name, b"value")
    net.run(5)
    return client


def pulled(net: Net) -> int:
    return sum(node.machine.counters.records_pulled for node in net.nodes)


def copies(net: Net, name: str) -> int:
    return sum(node.holds(name) is not None for node in net.nodes if node.alive)


def all_ready(net: Net) -> bool:
    return all(node.machine.ownership.settled for node in net.nodes if node.alive)


def test_who_is_back_in_time_costs_no_copying(net: Net) -> None:
    client = stored(net, 6)
    before, lost = pulled(net), net.nodes[2]
    lost.silent = True
    net.run(10)
    assert lost.machine.node_id not in net.nodes[0].machine.table, "it is not asked"
    assert pulled(net) == before, "nor is anything copied"
    client.store("new", b"value")
    others = pulled(net) - lost.machine.counters.records_pulled
    lost.silent = False
    net.run(20)
    assert all_ready(net)
    assert pulled(net) - lost.machine.counters.records_pulled == others
    assert all(copies(net, name) == 3 for name in [*KEYS, "new"])


def test_who_stays_away_is_replaced_after_a_while(net: Net) -> None:
    client = stored(net, 6)
    net.kill(net.nodes[2])
    net.run(COPY_S - 3)
    assert not all_ready(net), "copies are missing: another node must not be stopped now"
    assert all(client.retrieve(name) == b"value" for name in KEYS)
    net.run(5)
    assert all_ready(net)
    assert all(copies(net, name) == 3 for name in KEYS)


def test_a_second_loss_makes_copies_at_once(net: Net) -> None:
    """Of some keys one copy is left: fewer than W."""
    client = stored(net, 6)
    net.kill(net.nodes[1])
    net.run(3)
    net.kill(net.nodes[2])
    net.run(AT_ONCE_S)
    assert all_ready(net)
    assert all(copies(net, name) == 3 for name in KEYS)
    assert all(client.retrieve(name) == b"value" for name in KEYS)


@pytest.mark.parametrize(
    "quorums", [(1, 1, 1), (2, 1, 2), (2, 2, 1), (3, 3, 1), (3, 2, 3)], ids=str
)
def test_where_one_loss_is_too_many_copies_are_made_at_once(
    net: Net, quorums: tuple[int, int, int]
) -> None:
    names = ("replication_factor", "write_quorum", "read_quorum")
    stored(net, 5, **dict(zip(names, quorums, strict=True)))
    net.kill(net.nodes[1])
    net.run(AT_ONCE_S)
    assert all_ready(net)


@pytest.mark.parametrize("nodes", [2, 3])
def test_where_nobody_could_take_its_place_nobody_waits(net: Net, nodes: int) -> None:
    stored(net, nodes)
    net.kill(net.nodes[1])
    net.run(AT_ONCE_S)
    assert all_ready(net)


def test_a_graceful_leave_waits_for_nothing(net: Net) -> None:
    stored(net, 6)
    net.leave(net.nodes[2])
    net.run(AT_ONCE_S + 0.5)
    assert all_ready(net)
    assert all(copies(net, name) == 3 for name in KEYS)


def test_losses_one_after_the_other_do_not_put_copying_off(net: Net) -> None:
    """Who comes, or goes elsewhere, begins no new wait."""
    stored(net, 7)
    net.kill(net.nodes[2])
    for _ in range(4):
        net.run(8)
        net.node()
    net.run(3)
    assert all_ready(net)
    assert all(copies(net, name) == 3 for name in KEYS)


def test_without_waiting_copies_are_made_at_once(net: Net) -> None:
    stored(net, 6, copy_after_s=0)
    net.kill(net.nodes[2])
    net.run(AT_ONCE_S)
    assert all_ready(net)
    assert all(copies(net, name) == 3 for name in KEYS)


def test_what_comes_meanwhile_has_its_copies(net: Net) -> None:
    """Who is to take the place keeps what it is sent, and does not count."""
    client = stored(net, 6)
    net.kill(net.nodes[2])
    net.run(1)
    for name in KEYS:  # the client has found out
        client.store(name, b"value")
    for number in range(20):
        assert client.store(f"new {number}", b"value").acks == 2
    net.run(0.1)
    assert all(copies(net, f"new {number}") == 3 for number in range(20))
    unready = [
        node.machine.ownership.standing(int.from_bytes(key_of(f"new {number}")))
        for number in range(20)
        for node in net.replicas(f"new {number}")
    ]
    assert 0 < unready.count(Standing.PENDING) < 20


def test_who_is_not_ready_yet_is_asked_last(net: Net) -> None:
    """Two requests for each read, as ever, though one of three replicas says that it is not."""
    client = stored(net, 6)
    net.kill(net.nodes[2])
    net.run(1)
    client.retrieve(KEYS[0])
    fetches = [0]

    def count(source: Peer, target: Peer, message: Message) -> str:
        fetches[0] += isinstance(message, Fetch)
        return PASS

    net.judge = count
    for name in KEYS:
        assert client.retrieve(name) == b"value"
    assert fetches[0] == 2 * len(KEYS)
    assert client.machine.counters.retries == 0
