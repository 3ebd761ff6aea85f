"""Counting a whole network: against the truth, which the test holds in its hand."""

from collections.abc import Iterator
from typing import Any

import pytest

from p2pcore.errors import DeadlineError, IncompatibleError, UnreachableError
from p2pcore.overlay.crawl import PARALLEL, NetworkFigure
from p2pcore.wire.messages import Failed, FindNode, Inspect, Message, Reason
from tests.net import DROP, PASS, Net, Peer


@pytest.fixture
def net() -> Iterator[Net]:
    net = Net()
    yield net
    net.judge = lambda *_: PASS
    net.check()


def crawl(peer: Peer, *, max_nodes: int = 256, timeout_s: float = 5) -> Any:
    number, due_ns = peer.operation(), peer.net.mono_ns + round(timeout_s * 1e9)
    peer.tell(lambda now: peer.machine.crawl(number, max_nodes, due_ns, now))
    return peer.result(number)


def ids(peers: list[Peer]) -> list[bytes]:
    return sorted(peer.machine.node_id for peer in peers)


def test_a_small_network(net: Net) -> None:
    nodes = net.swarm(5)
    client = net.client()
    for number in range(30):
        client.store(f"key {number}", b"v" * 100)
    net.run(1)
    stats = crawl(client)
    assert [node.node_id for node in stats.nodes] == ids(nodes)
    assert stats.unanswered == ()
    assert (stats.known_nodes, stats.estimated_nodes, stats.covered) == (5, 5, 1.0)
    settings = stats.replication_factor, stats.write_quorum, stats.read_quorum
    assert settings == (3, 2, 2)
    assert stats.ready_nodes == NetworkFigure(5, 5)
    assert stats.record_copies == NetworkFigure(90, 5)
    assert stats.stored_bytes == NetworkFigure(90 * 500, 5)
    assert stats.counters["stores"] == NetworkFigure(90, 5)
    assert crawl(nodes[2]).record_copies == stats.record_copies  # a node counts itself


def test_a_network_of_one(net: Net) -> None:
    (node,) = net.swarm(1)
    for peer in (node, net.client()):
        stats = crawl(peer)
        assert (stats.known_nodes, stats.covered) == (1, 1.0)
        assert stats.nodes[0].node_id == node.machine.node_id


@pytest.mark.parametrize("size", [19, 20, 21, 22, 75])
def test_every_node_is_found_and_none_is_guessed(net: Net, size: int) -> None:
    nodes = net.swarm(size)
    for peer in (net.client(), nodes[size // 2]):
        stats = crawl(peer, timeout_s=30)
        assert [node.node_id for node in stats.nodes] == ids(nodes)
        assert (stats.covered, stats.estimated_nodes) == (1.0, size)


def test_at_most_so_many_are_asked(net: Net) -> None:
    net.swarm(75)
    asked = set()

    def judge(source: Peer, target: Peer, message: Message) -> str:
        if isinstance(message, Inspect):
            asked.add(target.name)
        return PASS

    net.judge = judge
    stats = crawl(net.client(), max_nodes=30)
    assert len(stats.nodes) == len(asked) == 30
    assert stats.unasked == stats.known_nodes - 30 > 0
    assert 0.2 < stats.covered < 1
    assert 40 < stats.estimated_nodes < 150
    assert stats.estimated_nodes >= stats.known_nodes


def test_few_questions_are_open_at_a_time(net: Net) -> None:
    net.swarm(75)
    client = net.client()
    open_at_once = []

    def judge(source: Peer, target: Peer, message: Message) -> str:
        if source is client:
            calls = client.machine.links.calls.values()
            open_at_once.append(max((len(call.outstanding) for call in calls), default=0))
        return PASS

    net.judge = judge
    assert len(crawl(client).nodes) == 75
    assert max(open_at_once) <= PARALLEL


def test_who_does_not_answer_is_named(net: Net) -> None:
    nodes = net.swarm(6)
    client = net.client(bootstrap=[nodes[0].address])
    mute, old, dead = nodes[3:]
    links = old.machine.links
    links.handlers[Inspect] = lambda link, request, now: links.reply(
        link, Failed(request.id, Reason.UNKNOWN_MESSAGE)
    )

    def judge(source: Peer, target: Peer, message: Message) -> str:
        if isinstance(message, Inspect):
            if target is dead and dead.alive:
                net.kill(dead)
            return DROP if target is mute else PASS
        return PASS

    net.judge = judge
    stats = crawl(client, timeout_s=2)
    assert [node.node_id for node in stats.nodes] == ids(nodes[:3])
    kinds = {contact.address: type(error) for contact, error in stats.unanswered}
    assert kinds == {
        mute.address: DeadlineError,
        old.address: IncompatibleError,
        dead.address: UnreachableError,
    }
    assert (stats.known_nodes, stats.ready_nodes) == (6, NetworkFigure(3, 3))


def test_who_does_not_even_answer_a_lookup_is_named(net: Net) -> None:
    nodes = net.swarm(4)
    client = net.client(bootstrap=[nodes[0].address])
    net.judge = lambda s, target, m: DROP if target is nodes[2] and type(m) is FindNode else PASS
    stats = crawl(client, timeout_s=2)
    assert [node.node_id for node in stats.nodes] == ids([nodes[0], nodes[1], nodes[3]])
    ((contact, error),) = stats.unanswered
    assert (contact.address, type(error)) == (nodes[2].address, UnreachableError)
    assert (stats.known_nodes, stats.estimated_nodes, stats.covered) == (4, 4, 1.0)


def test_nobody_answers(net: Net) -> None:
    (node,) = net.swarm(1, replication_factor=1, write_quorum=1, read_quorum=1)
    client = net.client()
    net.judge = lambda s, t, message: DROP if isinstance(message, Inspect) else PASS
    with pytest.raises(DeadlineError):
        crawl(client, timeout_s=1)
    net.kill(node)
    with pytest.raises(UnreachableError):
        crawl(client)


def test_cancelled_in_between(net: Net) -> None:
    net.swarm(30)
    client = net.client()
    number, due_ns = client.operation(), net.mono_ns + 10**10
    client.tell(lambda now: client.machine.crawl(number, 256, due_ns, now))
    net.run(0.02)
    client.tell(lambda now: client.machine.cancel(number))
    net.run(5)
    assert not client.machine.links.calls
    assert not client.results
