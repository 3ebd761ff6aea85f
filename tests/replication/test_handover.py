"""Giving records up: never before those who are to have them do, and all before leaving."""

from collections.abc import Iterator

import pytest

from p2pcore.ids import key_of
from p2pcore.replication.handover import STEP_RECORDS, SWEEP_NS
from p2pcore.storage.memory import Record
from p2pcore.versions import Version
from p2pcore.wire.messages import Confirm, Confirmed, Leaving, Message, StoreMany
from tests.net import DROP, PASS, Net, Peer

NAMES = [f"key {number}" for number in range(60)]


@pytest.fixture
def net() -> Iterator[Net]:
    net = Net()
    yield net
    net.judge = lambda *_: PASS
    net.release()
    net.check()


def holders(net: Net, name: str) -> list[Peer]:
    alive = [node for node in net.nodes if node.alive]
    return [node for node in alive if node.machine.store.version(key_of(name)) is not None]


def filled(net: Net, count: int, **settings: float) -> Peer:
    """A swarm with records; the client that has stored them."""
    net.swarm(count, **settings)
    client = net.client()
    for name in NAMES:
        client.store(name, name.encode())
    net.run(0.5)
    return client


def test_what_a_newcomer_takes_over_is_dropped_by_who_had_it(net: Net) -> None:
    filled(net, 5)
    net.node()
    net.run(5)
    for name in NAMES:
        assert sorted(map(str, holders(net, name))) == sorted(map(str, net.replicas(name)))
    assert sum(node.machine.counters.records_dropped for node in net.nodes) > 10


def test_nothing_is_dropped_while_one_has_not_confirmed_it(net: Net) -> None:
    filled(net, 5)
    silent = net.nodes[2]
    net.judge = lambda source, target, message: (
        DROP if source is silent and isinstance(message, Confirmed) else PASS
    )
    net.node()
    net.run(40)
    for name in NAMES:
        if silent in net.replicas(name):
            assert len(holders(net, name)) >= 3
    held = sum(len(holders(net, name)) for name in NAMES)
    assert held > 3 * len(NAMES)
    net.judge = lambda *_: PASS
    net.run(45)
    assert sum(len(holders(net, name)) for name in NAMES) == 3 * len(NAMES)


def test_what_others_lack_is_sent_to_them_before_it_is_dropped(net: Net) -> None:
    client = filled(net, 6)
    owners = net.replicas("key 3")
    stranger = next(node for node in net.nodes if node not in owners)
    record = owners[0].holds("key 3")
    stranger.machine.store.put(key_of("key 3"), record, stranger.now.wall_ms)
    for owner in owners:
        owner.machine.store.drop(key_of("key 3"), record.version)
    net.run(45)
    assert sorted(map(str, holders(net, "key 3"))) == sorted(map(str, owners))
    assert client.retrieve("key 3") == b"key 3"


@pytest.mark.parametrize("count", [2, 3, 5])
def test_who_leaves_hands_everything_over(net: Net, count: int) -> None:
    """One after the other, until one is left: nothing is lost, and it takes no time-out."""
    filled(net, count)
    for left in range(count - 1, 0, -1):
        begun_ns = net.mono_ns
        net.leave(net.nodes[left])
        assert net.mono_ns - begun_ns < 500_000_000
        net.run(3)
        for name in NAMES:
            assert len(holders(net, name)) == min(left, 3)
    net.leave(net.nodes[0])


def test_who_has_nothing_leaves_at_once(net: Net) -> None:
    nodes = net.swarm(3)
    begun_ns = net.mono_ns
    net.leave(nodes[2])
    assert net.mono_ns == begun_ns


@pytest.mark.parametrize("timeout_s", [0, 2])
def test_leaving_is_bounded_in_time(net: Net, timeout_s: float) -> None:
    filled(net, 5, leave_timeout_s=timeout_s)
    net.judge = lambda source, target, message: (
        DROP if isinstance(message, Confirm | StoreMany) else PASS
    )
    begun_ns = net.mono_ns
    net.leave(net.nodes[4])
    assert round((net.mono_ns - begun_ns) / 1e9, 1) == timeout_s
    net.judge = lambda *_: PASS
    net.run(5)
    for name in NAMES:
        assert len(holders(net, name)) >= 3, "the others copy from each other"


def test_operations_go_on_while_a_node_leaves(net: Net) -> None:
    client = filled(net, 5)
    told: list[Message] = []

    def judge(source: Peer, target: Peer, message: Message) -> str:
        if isinstance(message, Leaving):
            told.append(message)
        return DROP if isinstance(message, Confirm) else PASS

    net.judge = judge
    leaver = net.replicas("key 0")[0]
    number = leaver.operation()
    leaver.tell(lambda now: leaver.machine.hand_over(number, now))
    net.run(0.01)
    assert len(told) == 4
    assert client.store("key 0", b"newer").acks == 2
    assert client.retrieve("key 0") == b"newer"
    assert leaver.holds("key 0").value == b"key 0", "it is no replica any more"
    leaver.result(number)
    net.say_goodbye(leaver)


def test_looking_through_nothing_takes_one_step(net: Net) -> None:
    """Most slots of most nodes are empty, and an idle node has nothing to do."""
    (node,) = net.swarm(1, replication_factor=1, write_quorum=1, read_quorum=1)
    handover = node.machine._handover
    net.run((handover.wake_at_ns - net.mono_ns) / 1e9 + 0.001)
    assert handover.wake_at_ns - net.mono_ns > 0.7 * SWEEP_NS


def test_the_last_one_leaves_at_once(net: Net) -> None:
    """There is nobody to hand records to, and nobody to wait for."""
    filled(net, 3)
    begun_ns = net.mono_ns
    for node in net.nodes:
        net.leave(node)
    assert net.mono_ns - begun_ns < 1_000_000_000


def test_the_last_one_leaves_whatever_it_holds() -> None:
    """Steps that had nobody to ask ended within each other: 60,000 records, RecursionError."""
    net = Net()
    (node,) = net.swarm(1, replication_factor=1, write_quorum=1, read_quorum=1)
    hold(node, 80_000)
    begun_ns = net.mono_ns
    net.leave(node)
    assert net.mono_ns == begun_ns


def test_who_leaves_asks_in_steps_of_their_own_turn() -> None:
    """Also where every step is over at once, since nobody can be reached any more."""
    net = Net()
    nodes = net.swarm(2, replication_factor=2, write_quorum=1, read_quorum=2)
    hold(nodes[0], 5000)
    sweeps: list[int] = []
    net.judge = lambda source, target, message: (
        (sweeps.append(len(message.entries)), PASS)[1] if isinstance(message, Confirm) else PASS
    )
    net.leave(nodes[0])
    assert len(nodes[1].machine.store) == 5000
    assert max(sweeps) <= STEP_RECORDS


def hold(node: Peer, count: int) -> None:
    """So many records, as if they had been stored there."""
    for number in range(count):
        record = Record(Version(number.to_bytes(16)), b"v", 0)
        node.machine.store.put(key_of(f"held {number}"), record, node.now.wall_ms)
