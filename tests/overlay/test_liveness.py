"""Signs of life: silent links are asked, and those that stay silent are given up."""

from collections.abc import Iterator
from random import Random

import pytest

from p2pcore.contact import Contact
from p2pcore.overlay.health import LATE_NS
from p2pcore.overlay.liveness import FAR_NS, GIVE_UP_NS, MAX_LATE, QUIET_NS
from p2pcore.session.round_trip import LONGEST_ANSWER_NS
from p2pcore.wire.messages import Get, Message, Ping, Pong, Put
from tests.net import DROP, HOLD, PASS, Net, Peer

# A client is the last to ask; then it waits for the answer, and for a pause to end.
NOTICED_S = (2 * QUIET_NS + GIVE_UP_NS + LONGEST_ANSWER_NS) / 1e9
TRIES = 2


@pytest.fixture
def net() -> Iterator[Net]:
    net = Net()
    yield net
    net.judge = lambda *_: PASS
    net.check()


def contact_of(peer: Peer) -> Contact:
    return Contact.of(peer.machine.node_id, peer.address)


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
    assert one.machine.links.is_linked(two.machine.node_id)
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
            assert not node.machine.links.is_linked(nodes[1].machine.node_id)


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
    assert one.machine.links.is_linked(two.machine.node_id)
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


def test_a_member_that_has_just_spoken_is_not_asked_for_its_place(net: Net) -> None:
    nodes = [net.node(node_id=bytes([1]) + bytes(31))]
    nodes += [net.node(node_id=bytes([128, n]) + bytes(30)) for n in range(20)]
    seen = pings(net)
    net.node(node_id=bytes([129, 0]) + bytes(30))
    assert not seen
    stalest = nodes[0].machine.table.contacts()[0].node_id
    nodes[0].machine.links.pool.by_node[stalest].heard_ns = net.mono_ns - QUIET_NS
    net.node(node_id=bytes([129, 1]) + bytes(30))
    assert [(one, two.machine.node_id) for one, two in seen] == [(nodes[0], stalest)]


# Nodes that we know and are not linked to: there are more of them than the pool holds


def knowing(net: Net, peer: Peer) -> list[Peer]:
    """Those alive whose table holds this node."""
    alive = [node for node in net.nodes if node.alive]
    return [node for node in alive if node.machine.table.get(peer.machine.node_id)]


def linked(net: Net, peer: Peer) -> list[Peer]:
    alive = [node for node in net.nodes if node.alive]
    return [node for node in alive if node.machine.links.is_linked(peer.machine.node_id)]


def test_a_crash_that_breaks_no_link_is_found(net: Net) -> None:
    nodes = net.swarm(12, pool_size=2)
    net.run(1)
    lost = min(nodes, key=lambda node: len(linked(net, node)))
    unlinked = [node for node in knowing(net, lost) if node not in linked(net, lost)]
    assert len(unlinked) > 5
    net.kill(lost)
    net.run(0.1)
    assert knowing(net, lost), "nobody has told them"
    net.run(QUIET_NS / 1e9 + 0.1)
    assert not knowing(net, lost)


def test_far_nodes_are_asked_now_and_then(net: Net) -> None:
    """More nodes than a bucket: those beyond the 20 nearest are not asked at every look."""
    nodes = net.swarm(32, pool_size=20)
    net.run(2)
    one = nodes[0].machine
    far = [n for n in nodes[1:] if n.machine.node_id not in one.links.pool.favoured()]
    lost = next(
        n
        for n in far
        if not one.links.is_linked(n.machine.node_id) and n.machine.node_id in one.table
    )
    net.kill(lost)
    net.run_until(lambda: lost.machine.node_id not in one.table, (FAR_NS + 2 * QUIET_NS) / 1e9)


def test_giving_links_up_changes_nothing_else(net: Net) -> None:
    """Whoever is there stays known and is not synced with anew, and no more links stay open than
    the pools hold."""
    nodes = net.swarm(12, pool_size=4)
    client = net.client(pool_size=4)
    net.run(40)
    epochs = [node.machine.ownership.epoch for node in nodes]
    for number in range(100):
        client.store(f"key {number}", b"value")
        assert client.retrieve(f"key {number}") == b"value"
    net.run(40.2)
    assert epochs == [node.machine.ownership.epoch for node in nodes]
    assert all(node.machine.table.size == 11 for node in nodes)
    assert all(node.machine.ownership.settled for node in nodes)
    for peer in [*nodes, client]:
        links = peer.machine.links
        assert links.counters.links_evicted > 0
        assert links.counters.links_broken == links.counters.timeouts == 0
        assert sum(not link.incoming for link in links.by_id.values()) <= 4
    assert client.machine.counters.pool_misses < client.machine.counters.pool_hits


def test_a_node_that_is_full_is_not_forgotten(net: Net) -> None:
    """It refuses those who dial it to see whether it is there, and so it is."""
    nodes = net.swarm(12, pool_size=2)
    net.run(1)
    full = nodes[3]
    full.machine.links._max_links = 0
    refused = full.machine.counters.links_refused
    epochs = [node.machine.ownership.epoch for node in nodes]
    net.run(60)
    assert full.machine.counters.links_refused > refused + 20
    assert epochs == [node.machine.ownership.epoch for node in nodes]
    assert len(knowing(net, full)) == 11


def test_networks_that_fit_have_one_link_for_each_pair(net: Net) -> None:
    first = net.node()
    late = [net.node(join=False, bootstrap=[first.address]) for _ in range(9)]
    for peer, number in [(peer, peer.join()) for peer in late]:
        peer.result(number)
    net.run(12)
    for node in net.nodes:
        assert sorted(map(repr, linked(net, node))) == sorted(
            repr(other) for other in net.nodes if other is not node
        )
        assert len(node.machine.links.by_id) == 9
        assert node.machine.counters.links_evicted == 0


def test_no_question_is_lost_with_a_link_that_is_given_up() -> None:
    """Both sides of every pair ask and give up links all the time; nothing is asked twice."""
    net = Net()
    nodes = net.swarm(8, pool_size=1)
    clients = [net.client(pool_size=1) for _ in range(3)]
    rng = Random(1)
    net.run(0.5)
    seen = [0]

    def judge(source: Peer, target: Peer, message: Message) -> str:
        seen[0] += isinstance(message, Put | Get)  # a second round goes through a coordinator
        return PASS

    net.judge = judge
    begun: list[tuple[Peer, int]] = []
    for number in range(400):
        client, name = rng.choice(clients), f"key {number % 50}"
        write = number < 50 or rng.random() < 0.5
        begun.append((client, client.write(name, b"value") if write else client.read(name)))
        net.run(rng.choice([0, 0.001, 0.01, 0.03]))
        if number % 7 == 0:
            client, cancelled = begun.pop(rng.randrange(len(begun)))
            client.tell(lambda _, client=client, n=cancelled: client.machine.cancel(n))
            client.results.pop(cancelled, None)
    for client, operation in begun:
        client.result(operation)
    counters = [peer.machine.counters for peer in [*nodes, *clients]]
    assert sum(each.links_evicted for each in counters) > 300
    assert sum(each.links_broken + each.timeouts for each in counters) == seen[0] == 0
    net.check()


def test_a_pong_that_waits_behind_other_messages_is_not_missed(net: Net) -> None:
    """The one who answers is busy sending: its questions prove that it is there."""
    one, two = net.swarm(2)
    net.judge = lambda source, target, message: DROP if isinstance(message, Pong) else PASS
    for _ in range(20):
        net.run(1)
        two.tell(lambda now: two.machine.liveness.probe(contact_of(one), now))
        one.tell(lambda now: one.machine.liveness.probe(contact_of(two), now))
    assert one.machine.links.is_linked(two.machine.node_id)
    assert one.machine.counters.links_broken == two.machine.counters.links_broken == 0


def test_a_machine_that_stood_still_blames_nobody(net: Net) -> None:
    """Its timers may come before the answers that have long been there."""
    one, two = net.node(), net.node(give_up_after_s=60)  # a pause as long as one has in all
    net.run_until(lambda: two.machine.ownership.settled)
    net.judge = lambda source, target, message: HOLD if target is one else PASS
    for _ in range(MAX_LATE):
        one.tell(lambda now: one.machine.liveness.probe(contact_of(two), now))
        one.alive = False
        net.run((GIVE_UP_NS + LATE_NS) / 1e9 + 0.1)
        one.alive = True
        one.tell(one.machine.handle_timer)
    assert one.machine.links.is_linked(two.machine.node_id)
    net.release()
    net.run(0.01)
    assert one.machine.counters.links_broken == two.machine.counters.links_broken == 0
