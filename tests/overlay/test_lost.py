"""Lost contacts are looked for, and found again."""

from random import Random

import pytest

from p2pcore.contact import Contact
from p2pcore.effects import Instant
from p2pcore.errors import KeyNotFoundError
from p2pcore.overlay.lost import KEPT_NS, LONGEST_NS, MAX_LOST, LostContacts
from tests.net import Net, Peer
from tests.promise import World

CONTACT = Contact.of(b"\1" * 32, "10.0.0.1:1")


def at(mono_ns: int) -> Instant:
    return Instant(mono_ns, 0)


def looks(lost: LostContacts, until_ns: int) -> list[int]:
    """When the only lost contact is looked for."""
    times = []
    while lost.wake_at_ns is not None and lost.wake_at_ns < until_ns:
        now = at(lost.wake_at_ns)
        if lost.due(now):
            times.append(now.mono_ns)
    return times


def test_it_looks_less_and_less_often_and_ends() -> None:
    lost = LostContacts(Random(1))
    lost.add(CONTACT, at(0))
    times = looks(lost, 2 * KEPT_NS)
    gaps = [after - before for before, after in zip([0, *times], times, strict=False)]
    for number, gap in enumerate(gaps):
        expected = min(LONGEST_NS, 1_000_000_000 << number)
        assert 0.75 * expected <= gap <= 1.25 * expected
    assert KEPT_NS - 2 * LONGEST_NS < times[-1] < KEPT_NS
    assert len(lost) == 0
    assert lost.wake_at_ns is None


def test_who_is_lost_again_is_not_looked_for_anew() -> None:
    """A failed look reports the contact as lost once more; that changes nothing."""
    lost, once = LostContacts(Random(1)), LostContacts(Random(1))
    lost.add(CONTACT, at(0))
    once.add(CONTACT, at(0))
    for _ in range(5):
        assert lost.wake_at_ns == once.wake_at_ns
        assert lost.wake_at_ns is not None
        now = at(lost.wake_at_ns)
        assert lost.due(now) == once.due(now) == [CONTACT]
        lost.add(CONTACT, now)


def test_it_is_bounded_and_forgets_the_oldest() -> None:
    lost = LostContacts(Random(1))
    contacts = [Contact.of(bytes([n]) * 32, "10.0.0.1:1") for n in range(MAX_LOST + 3)]
    for contact in contacts:
        lost.add(contact, at(0))
    assert len(lost) == MAX_LOST
    assert contacts[2].node_id not in lost
    assert contacts[3].node_id in lost
    for contact in contacts:
        lost.remove(contact.node_id)
    assert lost.wake_at_ns is None


def split(net: Net, size: int) -> tuple[list[Peer], list[Peer]]:
    """Cut so many nodes, and the clients with the others, off from the rest."""
    one, other = net.nodes[:-size], net.nodes[-size:]
    for a in [peer for peer in net.peers if peer not in other]:
        for b in other:
            net.cut(a, b)
    return one, other


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("size", [1, 2])
def test_two_sides_find_each_other_again_and_nothing_is_lost(seed: int, size: int) -> None:
    """A minute of partition, 5 nodes into 3 + 2 or 4 + 1, writes on the larger side."""
    world = World(seed)
    net = world.net
    world.traffic(30)
    _, other = split(net, size)
    world.traffic(60, gap_s=1)
    assert all(node.machine.table.size == size - 1 for node in other)
    net.heal()
    net.run_until(world.settled, 75)
    net.run(1)  # until the sides have told each other what they missed
    world.traffic(20)
    world.finish(dropped_by_s=120)
    assert world.acked > 40


def test_both_sides_write_and_the_newest_wins() -> None:
    world = World(1, read_quorum=2, write_quorum=2)
    net = world.net
    net.run(1)
    inside = net.client(bootstrap=[net.nodes[-1].address])
    _, other = split(net, 2)
    for node in other:
        net._cut = [pair for pair in net._cut if inside not in pair or node not in pair]
    net.run(3)
    world.clients[0].store("key", b"first")
    receipt = inside.store("key", b"second", timeout_s=20)
    net.heal()
    net.run_until(world.settled, 75)
    net.run(70)
    assert {node.holds("key").version for node in net.replicas("key")} == {receipt.version}
    assert world.clients[0].retrieve("key") == inside.retrieve("key") == b"second"
    with pytest.raises(KeyNotFoundError):
        inside.retrieve("never stored")
    net.check()


def test_who_said_goodbye_is_not_looked_for() -> None:
    net = Net()
    nodes = net.swarm(4)
    net.leave(nodes[1])
    net.kill(nodes[2])
    net.run(1)
    for node in (nodes[0], nodes[3]):
        assert nodes[1].machine.node_id not in node.machine._membership.lost
        assert nodes[2].machine.node_id in node.machine._membership.lost
    net.check()
