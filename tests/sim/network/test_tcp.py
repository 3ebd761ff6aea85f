"""Connections have the manners of TCP."""

from typing import Any

import pytest

from p2pcore.effects import Connect
from p2pcore.errors import ConfigError
from p2pcore.ids import NodeId
from p2pcore.sim import IDEAL, LinkProfile, Partition, Service, World
from p2pcore.sim.network.links import Path
from p2pcore.sim.network.tcp import GIVE_UP_NS, KEEP_ALIVE_NS, KEEP_IDLE_NS
from tests.sim.tiny import ring

FLAT = LinkProfile(latency_us=10_000)  # a round trip between two takes 40 ms


def pair(**options: Any) -> tuple[World, Any, Any]:
    world = World(link=FLAT, **{"service": Service(message_us=0), **options})
    one, other = ring(world, 2)
    return world, one, other


def test_opening_takes_two_round_trips() -> None:
    world, one, _other = pair()
    world.run(0.0799)
    assert not one.ends
    world.run(0.0002)
    assert len(one.ends) == 2  # its own, and the other's that came in
    assert not one.machine.heard
    world.run(0.02)
    assert one.machine.heard == [1]


def test_messages_arrive_in_order_whatever_the_jitter() -> None:
    link = LinkProfile(latency_us=100, jitter_us=500_000, loss_ppm=100_000, reorder_ppm=100_000)
    world = World(link=link)
    heard_by: dict[Any, dict[Any, list[int]]] = {}
    for process in ring(world, 2):
        heard = heard_by[process] = {}
        receive = process.machine.receive

        def listen(
            link_id: Any, message: Any, now: Any, heard: Any = heard, receive: Any = receive
        ) -> None:
            heard.setdefault(link_id, []).append(message.number)
            receive(link_id, message, now)

        process.machine.receive = listen
    world.run(120)
    world.check()
    for process in world.processes:
        assert len(heard_by[process]) == 2
        for numbers in heard_by[process].values():
            assert len(numbers) > 100
            assert numbers == sorted(numbers)
    assert world.accounting.dropped == 0


def test_each_end_notices_when_the_other_closes() -> None:
    world, one, other = pair()
    world.run(1)
    one.tell(one.machine.hang_up)
    assert len(one.ends) == 1
    world.run(0.0199)
    assert not other.machine.lost
    world.run(0.0002)
    assert len(other.machine.lost) == 1
    assert not one.machine.lost


def test_a_dead_process_breaks_its_connections() -> None:
    world, one, other = pair()
    world.run(1)
    one.stop()
    world.run(0.1)
    assert len(other.machine.lost) == 2
    other.tell(other.machine.begin)
    world.run(0.05)
    assert other.machine.failed == 1  # refused, after one round trip


def test_nobody_there_is_a_time_out() -> None:
    world, one, _ = pair()
    world.run(1)
    one.machine._effects.append(Connect("10.9.9.9:7000", None))
    one.pump()
    world.run(4.9)
    assert one.machine.failed == 0
    world.run(0.2)
    assert one.machine.failed == 1


def test_somebody_else_there_is_told() -> None:
    world, one, other = pair()
    one.machine._effects.append(Connect(other.address, NodeId(bytes(32))))
    one.pump()
    world.run(0.1)
    assert one.machine.failed == 1


def test_a_short_partition_delays() -> None:
    world, one, _ = pair()
    world.apply(Partition(at_s=1, for_s=3, side=("t1",)))
    world.run(1.05)
    before = len(one.machine.heard)
    world.run(2.9)
    assert len(one.machine.heard) == before
    world.run(10)
    assert len(one.machine.heard) > before + 20
    assert not one.machine.lost
    assert world.accounting.dropped == 0
    world.check()


def test_what_a_partition_held_holds_up_no_other_connection() -> None:
    """It is sent again seconds after the way is open; the link is free for others until then."""
    world = World(link=LinkProfile(latency_us=10_000, up_kbps=1000, down_kbps=1000))
    one, other, third = ring(world, 3)
    world.run(1)
    world.network.walls |= {1: (frozenset((0,)), frozenset((1,)))}
    world.network.ways_changed()
    world.run(10)
    world.network.walls.clear()
    world.network.ways_changed()
    waiting = [len(end.held or ()) for end in one.ends.values() if end.far.owner is other]
    assert max(waiting) > 20
    for _ in range(4):  # the next retransmission is due 1.6 to 2.8 s after healing
        before = len(third.machine.heard)
        world.run(0.5)
        assert len(third.machine.heard) > before
    world.check()
    world.run(1)
    assert not any(end.held for end in one.ends.values())


def test_what_comes_from_far_holds_up_nothing_near() -> None:
    world = World(link=LinkProfile(latency_us=10_000, down_kbps=1000))
    one, _near, far = ring(world, 3)
    world.run(1)
    out = far.machine._out
    far.ends[out].path = Path(LinkProfile(latency_us=5_000_000), "", one.link, "")
    far.machine._hello(out)
    far.pump()
    before = len(one.machine.heard)
    world.run(1)
    assert len(one.machine.heard) > before + 4  # its neighbour's answers, every 100 to 200 ms


def test_one_way_lets_the_other_way_pass() -> None:
    world, one, other = pair()
    world.run(0.5)
    world.apply(Partition(side=("t1",), one_way=True))
    world.run(0.1)
    heard = len(one.machine.heard), len(other.machine.heard)
    world.run(5)
    assert len(one.machine.heard) > heard[0] + 20
    assert len(other.machine.heard) == heard[1]
    other.tell(other.machine.begin)  # its call arrives, and no answer comes back
    world.run(6)
    assert other.machine.failed == 1


def test_what_is_never_answered_is_given_up() -> None:
    world, one, _ = pair()
    world.run(1)
    world.apply(Partition(side=("t1",)))
    world.run(KEEP_ALIVE_NS / 1e9 + 1)
    assert one.machine._out is not None  # there is something under way, which TCP repeats for long
    world.run(GIVE_UP_NS / 1e9)
    assert one.machine._out is None
    assert len(one.machine.lost) == 2
    world.check()


def test_an_idle_connection_is_given_up_sooner() -> None:
    world, one, other = pair()
    for process in (one, other):
        process.machine.handle_timer = lambda now, process=process: setattr(
            process.machine, "_due_ns", None
        )
    world.run(1)
    world.apply(Partition(side=("t1",)))
    world.run(KEEP_ALIVE_NS / 1e9 - 1)
    assert not one.machine.lost
    world.run(2)
    assert len(one.machine.lost) == 2


def test_power_fails_without_a_word_and_a_reset_follows() -> None:
    world, one, other = pair()
    world.run(1)
    one.stop(power=True)
    world.run(5)
    assert not other.machine.lost
    one.silent, one.alive = False, True
    world.network.ways_changed()
    world.run(10)
    assert other.machine._out is None  # its retransmission met a process that knows nothing
    assert len(other.machine.lost) == 1
    world.run(KEEP_IDLE_NS / 1e9)
    assert len(other.machine.lost) == 2  # as did a probe of the other connection
    world.check()


def flood(world: World, source: Any, count: int) -> None:
    """So many messages in one go, on the connection that the source has opened."""
    world.run(1)
    for _ in range(count):
        source.machine._hello(source.machine._out)
    source.pump()


def test_a_busy_process_answers_late() -> None:
    world = World(link=IDEAL, service=Service(message_us=1000))
    one, other = ring(world, 2)
    flood(world, one, 100)
    before = len(other.machine.heard)
    world.run(0.05)
    assert 20 < len(other.machine.heard) - before < 30  # 2 ms to read and to answer each
    world.run(0.06)
    assert other.queue_length > 30  # one took only 1 ms to send each
    world.check()
    world.run(0.2)
    assert len(other.machine.heard) - before >= 100
    assert other.queue_length < 5


def test_a_kind_of_message_has_times_of_its_own() -> None:
    world = World(link=IDEAL, service=Service(message_us=0))
    one, other = ring(world, 2)
    world.run(0.05)
    read_ns, send_ns = 3_000_000, 1_000_000
    one.service = other.service = Service(message_us=7, kinds={"Hello": (read_ns, send_ns)})
    other.slowness = 2
    began_ns = max(one.busy_until_ns, world.now_ns)
    one.machine._hello(one.machine._out)
    one.pump()
    assert one.busy_until_ns - began_ns == send_ns
    world.run(0.05)
    # the other reads and answers, twice as slowly, and this one reads what comes back
    assert other.busy_until_ns - began_ns >= send_ns + 2 * (read_ns + send_ns)
    with pytest.raises(ConfigError, match=r"kinds\['Ping'\] must be two times from 0 on"):
        Service(kinds={"Ping": (1, -1)})


def test_a_full_queue_ends_the_connection_and_is_counted() -> None:
    world = World(link=IDEAL, service=Service(message_us=1000, queue_limit=20))
    one, other = ring(world, 2)
    flood(world, one, 100)
    world.run(1)
    assert len(one.machine.lost) == len(other.machine.lost) == 1
    assert world.accounting.dropped > 30
    world.check()


@pytest.mark.parametrize("in_turn", [False, True])
def test_of_each_connection_one_message_in_turn_if_so_said(in_turn: bool) -> None:
    world = World(link=FLAT, service=Service(message_us=0))
    one, *_ = ring(world, 3)
    world.run(0.1)
    some, other = one.ends.values()
    done: list[tuple[Any, int]] = []
    one.pause_until(world.now_ns + 1_000_000)
    for end, number in [(some, 1), (some, 2), (some, 3), (other, 1), (other, 2), (None, 1)]:
        one.enqueue(lambda end, number, _: done.append((end, number)), end, number)
    one.service = Service(in_turn=in_turn)  # what waits goes on waiting
    assert one.queue_length == 6
    world.run(0.002)
    in_order = [(some, 1), (some, 2), (some, 3), (other, 1), (other, 2), (None, 1)]
    turns = [(some, 1), (other, 1), (None, 1), (some, 2), (other, 2), (some, 3)]
    assert done == (turns if in_turn else in_order)
    assert not one.queue_length


@pytest.mark.parametrize("codec", ["frozen", "full"])
def test_bytes_are_counted_in_either_mode(codec: str) -> None:
    world = World(seed=4, codec=codec)
    world.swarm(3)
    client = world.client()
    client.store("key", bytes(1000))
    assert client.retrieve("key") == bytes(1000)
    world.run(20)
    sent = sum(process.machine.counters.bytes_out for process in world.processes)
    got = sum(process.machine.counters.bytes_in for process in world.processes)
    assert sent == world.accounting.bytes_sent
    assert 0 <= sent - got < 1000
    assert world.trace_hash == plain_world(4).trace_hash


def plain_world(seed: int) -> World:
    world = World(seed=seed)
    world.swarm(3)
    client = world.client()
    client.store("key", bytes(1000))
    client.retrieve("key")
    world.run(20)
    return world
