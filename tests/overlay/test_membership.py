"""Joining, staying and leaving, with whole nodes in virtual time."""

from collections.abc import Iterator
from typing import Any

import pytest

from p2pcore.effects import LinkId
from p2pcore.errors import AuthenticationError, IncompatibleError, UnreachableError
from p2pcore.session.links import GREETING_NS
from p2pcore.wire.messages import Goodbye, Message
from tests.net import DROP, PASS, Net, Peer


@pytest.fixture
def net() -> Iterator[Net]:
    net = Net()
    yield net
    net.judge = lambda *_: PASS
    net.check()


def knows(peer: Peer) -> set[str]:
    return {contact.address for contact in peer.machine.table.contacts()}


def everybody_but(net: Net, peer: Peer) -> set[str]:
    return {node.address for node in net.nodes if node.alive and node is not peer}


def assert_complete(net: Net) -> None:
    for node in net.nodes:
        if node.alive:
            assert knows(node) == everybody_but(net, node)


def test_a_first_node_needs_nobody(net: Net) -> None:
    net.node()
    assert net.sent == 0


@pytest.mark.parametrize("through", [0, 3, 6])
def test_joining_through_any_member_makes_everybody_known_to_everybody(
    net: Net, through: int
) -> None:
    nodes = net.swarm(7)
    net.node(bootstrap=[nodes[through].address])
    net.run(1)
    assert_complete(net)


def test_many_join_at_once(net: Net) -> None:
    first = net.node()
    late = [net.node(join=False, bootstrap=[first.address]) for _ in range(14)]
    numbers = [(peer, peer.join()) for peer in late]
    for peer, number in numbers:
        assert peer.result(number) is None
    net.run(1)
    assert_complete(net)


def test_joining_before_the_seed_is_up_waits_for_it(net: Net) -> None:
    early = net.node(join=False, bootstrap=["10.0.0.2:7000"])
    number = early.join()
    net.run(3)
    assert number not in early.results
    net.node()
    assert early.result(number) is None
    assert_complete(net)


def test_joining_gives_up_at_its_timeout_and_says_why(net: Net) -> None:
    alone = net.node(join=False, bootstrap=["10.0.0.9:7000"], join_timeout_s=3)
    number, begun_ns = alone.join(), net.mono_ns
    with pytest.raises(UnreachableError, match=r"10\.0\.0\.9:7000: connection refused"):
        alone.result(number)
    assert net.mono_ns - begun_ns < 3_500_000_000


def test_joining_through_a_silent_seed_ends_too(net: Net) -> None:
    net.node().silent = True
    late = net.node(join=False, join_timeout_s=3, bootstrap=[net.nodes[0].address])
    with pytest.raises(UnreachableError):
        late.result(late.join())


def test_one_dead_bootstrap_address_does_not_matter(net: Net) -> None:
    nodes = net.swarm(3)
    net.node(bootstrap=["10.9.9.9:1", nodes[1].address, "10.9.9.8:1"])
    net.run(1)
    assert_complete(net)


def test_other_settings_are_refused(net: Net) -> None:
    first = net.node()
    other = net.node(join=False, write_quorum=3, bootstrap=[first.address])
    with pytest.raises(IncompatibleError, match="N=3 W=3 R=2 here, N=3 W=2 R=2 there"):
        other.result(other.join())
    net.run(0.1)
    assert first.machine.table.size == 0
    assert any("replication settings differ" in text for text in first.notices)


def test_a_wrong_id_is_refused(net: Net) -> None:
    first = net.node()
    late = net.node(join=False, bootstrap=[f"{first.address}#{'ab' * 32}"])
    with pytest.raises(AuthenticationError, match="somebody else"):
        late.result(late.join())
    right = net.node(bootstrap=[f"{first.address}#{first.machine.node_id.hex()}"])
    assert right.address in knows(first)


def test_a_node_that_is_its_own_bootstrap_says_so(net: Net) -> None:
    node = net.node(join=False, bootstrap=["10.0.0.1:7000"], join_timeout_s=1)
    with pytest.raises(UnreachableError, match="this node itself"):
        node.result(node.join())


def test_its_own_address_among_others_does_no_harm(net: Net) -> None:
    net.node()
    node = net.node(bootstrap=["10.0.0.1:7000", "10.0.0.2:7000"])
    net.run(1)
    assert_complete(net)
    assert node.machine.node_id not in node.machine.table


def test_a_goodbye_forgets_at_once(net: Net) -> None:
    nodes = net.swarm(5)
    net.leave(nodes[2])
    net.run(0.002)
    assert_complete(net)


def test_a_crash_is_noticed_at_once(net: Net) -> None:
    nodes = net.swarm(5)
    net.kill(nodes[2])
    net.run(0.01)
    assert_complete(net)


def test_a_link_that_breaks_is_opened_again(net: Net) -> None:
    one, two, *_ = net.swarm(4)
    for link_id, (peer, _, _) in list(one.links.items()):
        if peer is two:
            net.break_link(one, link_id)
    assert not one.machine.links.is_linked(two.machine.node_id)
    net.run(0.01)
    assert one.machine.links.is_linked(two.machine.node_id)
    assert two.machine.links.is_linked(one.machine.node_id)
    assert_complete(net)


def test_who_was_alone_comes_back(net: Net) -> None:
    """A node that lost everybody tries its bootstrap addresses until somebody is there."""
    seed, other, lonely = net.swarm(3)
    net.cut(lonely, seed)
    net.cut(lonely, other)
    net.run(1)
    assert knows(lonely) == set()
    net.run(30)
    net.heal()
    net.run(4)
    assert_complete(net)


def test_a_dial_elsewhere_does_not_keep_us_from_the_bootstrap_address(net: Net) -> None:
    """The node answers at its bootstrap address; the one that it advertises swallows everything."""
    settings: dict[str, Any] = {"replication_factor": 1, "write_quorum": 1, "read_quorum": 1}
    seed = net.node(advertise="10.0.0.1:7999", **settings)
    net.black_holes.append("10.0.0.1:7999")
    client = net.client(bootstrap=[f"{seed.address}#{seed.machine.node_id.hex()}"])
    client.store("key", b"value")
    net.run(2)
    net.break_link(client, next(iter(client.links)))
    assert client.retrieve("key", timeout_s=20) == b"value"


def test_a_client_finds_its_way_back_too(net: Net) -> None:
    nodes = net.swarm(3)
    client = net.client()
    for node in nodes:
        net.cut(client, node)
    number = client.write("key", b"value", timeout_s=20)
    net.run(5)
    net.heal()
    assert client.result(number).acks == 2


def test_who_never_greets_is_turned_away(net: Net) -> None:
    seed = net.node()
    mute = net.node(
        join=False, bootstrap=[seed.address], join_timeout_s=1, give_up_after_s=60
    )  # it hears us, and waits for answers that will not come
    goodbyes: list[Message] = []

    def judge(source: Peer, target: Peer, message: Message) -> str:
        if isinstance(message, Goodbye):
            goodbyes.append(message)
        return DROP if source is mute else PASS

    net.judge = judge
    number = mute.join()
    net.run(GREETING_NS / 1e9 + 0.1)
    assert [message.text for message in goodbyes] == ["no greeting in time"] * len(goodbyes)
    assert goodbyes
    assert seed.machine.counters.links_refused == len(goodbyes)
    net.run(10)
    assert mute.results.pop(number) is not None


def test_a_node_that_was_missed_is_found_when_they_look_around(net: Net) -> None:
    """Two nodes that could not reach each other when they joined."""
    seed = net.node()
    one = net.node()
    two = net.node(join=False, bootstrap=[seed.address])
    net.cut(one, two)
    two.result(two.join())
    net.run(1)
    assert one.address not in knows(two)
    net.heal()
    net.run(80)
    assert_complete(net)


@pytest.mark.slow
def test_sixty_nodes_all_know_whom_they_need(net: Net) -> None:
    """Every bucket holds all who belong there, or is full; and a lookup finds any node."""
    nodes = net.swarm(60)
    net.run(130)
    for node in nodes:
        table = node.machine.table
        ranked = sorted(
            (other for other in nodes if other is not node),
            key=lambda other: other.machine.table.point ^ table.point,
        )
        nearest = [contact.address for contact in table.closest(table.point, 10)]
        assert nearest == [other.address for other in ranked[:10]]
    assert LinkId(0) not in nodes[0].links


def test_churn_settles(net: Net) -> None:
    """Nodes come, leave and crash; who remains knows exactly who remains."""
    net.swarm(8)
    for number in range(8):
        seed = next(node for node in net.nodes if node.alive)
        net.node(bootstrap=[seed.address])
        leaver = [node for node in net.nodes if node.alive][1 + number % 5]
        (net.kill if number % 2 else net.leave)(leaver)
        net.run(0.3)
    net.run(70)
    assert_complete(net)
