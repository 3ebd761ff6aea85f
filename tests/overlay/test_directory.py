"""The directory: where keys belong, against all nodes sorted by distance."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest

from p2pcore.contact import Contact, point_of
from p2pcore.effects import Effect, Instant
from p2pcore.errors import P2PError, UnreachableError
from p2pcore.overlay.directory import MAX_SEARCHES, REGION_FRESH_NS
from p2pcore.overlay.table import BUCKET_SIZE
from p2pcore.replication.ownership import Standing
from p2pcore.wire.messages import Contacts, FindNode, Message
from tests.net import DROP, HOLD, PASS, Net, Peer

SIZE = 60


def spot(number: int) -> int:
    return point_of(sha256(f"spot {number}".encode()).digest())


def true_closest(net: Net, point: int, count: int) -> list[str]:
    alive = [peer for peer in net.nodes if peer.alive]
    ranked = sorted(alive, key=lambda peer: peer.machine.table.point ^ point)
    return [peer.address for peer in ranked[:count]]


def locate(net: Net, peer: Peer, point: int, count: int = 3) -> list[str] | P2PError:
    """As an operation does: from what is known, or by a lookup."""
    directory = peer.machine.directory
    found: list[list[Contact] | P2PError] = []

    def ask(now: Instant) -> None:
        known = directory.replicas(point, count, now)
        if known:
            found.append(known)
        else:
            directory.locate(point, count, now, lambda result, _: found.append(result))

    peer.tell(ask)
    net.run_until(lambda: bool(found))
    (result,) = found
    return result if isinstance(result, P2PError) else [c.address for c in result]


class Queries:
    """Counts the questions of lookups from now on."""

    def __init__(self, net: Net) -> None:
        self.count = 0
        net.judge = self.judge

    def judge(self, source: Peer, target: Peer, message: Message) -> str:
        self.count += isinstance(message, FindNode)
        return PASS


@pytest.fixture(scope="module")
def big() -> Net:
    """Sixty nodes that have settled. Shared: tests here only read, or clean up."""
    net = Net()
    net.swarm(SIZE)
    net.run(5)
    return net


@pytest.fixture
def net() -> Iterator[Net]:
    net = Net()
    yield net
    net.judge = lambda *_: PASS
    net.check()


@pytest.mark.parametrize("count", [1, 3, 5, 20])
def test_a_client_finds_the_closest_by_lookup_and_from_its_regions(big: Net, count: int) -> None:
    client = big.client()
    queries = Queries(big)
    for number in range(400):
        point = spot(number)
        assert locate(big, client, point, count) == true_closest(big, point, count)
        if number == 200:
            half = queries.count
    if count <= 5:
        assert queries.count - half < half / 4, "most keys are placed without asking anybody"


def test_every_node_finds_the_closest(big: Net) -> None:
    for index, node in enumerate(big.nodes):
        for number in range(3):
            point = spot(1000 + 10 * index + number)
            assert locate(big, node, point) == true_closest(big, point, 3)


def test_exactly_the_replicas_take_a_key_for_theirs(big: Net) -> None:
    for number in range(100):
        point = spot(2000 + number)
        standings = {peer.address: peer.machine.ownership.standing(point) for peer in big.nodes}
        mine = [place for place, standing in standings.items() if standing is Standing.READY]
        assert sorted(mine) == sorted(true_closest(big, point, 3))


def test_any_entry_leads_to_the_same_place(big: Net) -> None:
    point = spot(3000)
    for node in big.nodes[::7]:
        client = big.client(bootstrap=[node.address])
        assert locate(big, client, point) == true_closest(big, point, 3)


def test_keys_beside_a_node_id_are_placed_right(big: Net) -> None:
    """Where region borders would go wrong by one."""
    client = big.client()
    for node in big.nodes:
        for flip in (0, 1, 1 << 128, 1 << 250):
            point = node.machine.table.point ^ flip
            assert locate(big, client, point) == true_closest(big, point, 3)


def test_a_small_network_is_one_region(net: Net) -> None:
    net.swarm(8)
    client = net.client()
    locate(net, client, spot(0))
    queries = Queries(net)
    for number in range(50):
        assert locate(net, client, spot(number)) == true_closest(net, spot(number), 3)
    assert queries.count == 0


def test_who_is_forgotten_is_placed_nowhere(net: Net) -> None:
    net.swarm(8)
    client = net.client()
    locate(net, client, spot(0))
    for node in list(net.nodes):
        if node.address == true_closest(net, spot(1), 1)[0]:
            net.kill(node)
            client.tell(lambda now, n=node: client.machine.directory.forget(n.machine.node_id))
    assert locate(net, client, spot(1)) == true_closest(net, spot(1), 3)


def test_a_region_that_is_old_still_serves_while_it_is_looked_up_again(net: Net) -> None:
    net.swarm(5)
    client = net.client()
    locate(net, client, spot(0))
    before = true_closest(net, spot(0), 3)
    net.run(REGION_FRESH_NS / 1e9)
    for _ in range(10):
        net.node()
    assert true_closest(net, spot(0), 3) != before
    assert locate(net, client, spot(0)) == before, "the old answer, at once"
    net.run(0.1)
    assert locate(net, client, spot(0)) == true_closest(net, spot(0), 3)


def test_doubt_makes_a_new_lookup_but_not_more_than_one_a_second(net: Net) -> None:
    net.swarm(5)
    client = net.client()
    locate(net, client, spot(0))
    queries = Queries(net)
    client.machine.directory.invalidate(spot(0), client.now)
    locate(net, client, spot(0))
    assert queries.count == 0
    net.run(1)
    client.machine.directory.invalidate(spot(0), client.now)
    locate(net, client, spot(0))
    assert queries.count > 0


def test_lookups_at_a_time_are_bounded_and_all_are_answered(big: Net) -> None:
    client = big.client()
    found: list[tuple[Any, Any]] = []
    busiest = 0
    for number in range(200):
        point = spot(4000 + number)
        client.tell(
            lambda now, p=point: client.machine.directory.locate(
                p, 3, now, lambda result, _, p=p: found.append((p, result))
            )
        )
    while len(found) < 200:
        big._step()
        busiest = max(busiest, client.machine.directory._searching)
    assert busiest <= MAX_SEARCHES
    for point, result in found:  # type: ignore[misc]
        assert [c.address for c in result] == true_closest(big, point, 3)
    assert not client.machine.links.calls


def test_nobody_reachable_is_an_error(net: Net) -> None:
    net.swarm(2)
    client = net.client()
    for node in net.nodes:
        node.silent = True
    assert isinstance(locate(net, client, spot(0)), UnreachableError)
    assert not client.machine.links.calls


def test_a_node_that_does_not_answer_is_left_out(net: Net) -> None:
    net.swarm(6)
    client = net.client()
    net.run(0.1)
    mute = next(p for p in net.nodes if p.address == true_closest(net, spot(0), 1)[0])
    net.judge = lambda source, target, message: (
        DROP if source is mute and isinstance(message, Contacts) else PASS
    )
    assert locate(net, client, spot(0)) == true_closest(net, spot(0), 4)[1:]


def test_a_lookup_ends_once(big: Net) -> None:
    """Also when somebody who turned out not to be among the closest answers afterwards."""
    client = big.client()
    answers = 0

    def hold_the_second(source: Peer, target: Peer, message: Message) -> str:
        nonlocal answers
        if target is not client or not isinstance(message, Contacts):
            return PASS
        answers += 1
        return HOLD if answers == 2 else PASS

    big.judge = hold_the_second
    for number in range(20):
        answers, ends = 0, []
        client.tell(
            lambda now, n=number, ends=ends: client.machine.directory.search(
                spot(n), now, lambda lookup, _: ends.append(lookup), width=3
            )
        )
        big.run_until(lambda ends=ends: bool(ends))
        big.release()
        big.run(0.1)
        assert len(ends) == 1
    big.judge = lambda *_: PASS


def test_answers_name_the_node_itself_among_the_closest(big: Net) -> None:
    node = big.nodes[7]
    closest = node.machine.directory.closest_known(node.machine.table.point, BUCKET_SIZE)
    assert closest[0].address == node.address
    assert len(closest) == BUCKET_SIZE


def test_thousands_that_waited_for_one_lookup_go_on_in_slices() -> None:
    """With N = 1 they may all be about one region, and each asks somebody when it goes on."""
    net = Net()
    net.swarm(30)
    peer = net.client()
    directory = peer.machine.directory
    placed: list[int] = []

    def ask(now: Instant) -> None:
        directory._regions.clear()
        directory._depths.clear()
        for _ in range(1000):
            directory.locate(spot(1), 1, now, lambda result, at: placed.append(1))

    turn_over = peer.machine.drain
    most: list[int] = [0]

    def drain() -> list[Effect]:
        most[0] = max(most[0], len(placed))
        placed_in_all.append(len(placed))
        placed.clear()
        return turn_over()

    placed_in_all: list[int] = []
    peer.machine.drain = drain  # type: ignore[method-assign]
    peer.tell(ask)
    net.run_until(lambda: sum(placed_in_all) + len(placed) == 1000)
    assert 0 < most[0] <= 1 + 64
