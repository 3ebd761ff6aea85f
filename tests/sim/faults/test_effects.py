"""Each fault has its effect."""

from typing import Any

import pytest

from p2pcore.errors import P2PError
from p2pcore.sim import (
    Churn,
    ClockJump,
    Crash,
    Distance,
    Drift,
    Exhaustion,
    FlashCrowd,
    Partition,
    Pause,
    SimClient,
    Slowness,
    Stutter,
    World,
)
from tests.sim.faults.support import crowd


def test_a_partition_splits_and_heals() -> None:
    world = crowd(6)
    client = world.client(bootstrap=[world.nodes[0].address])
    world.apply(Partition(side=("n1", "n2", "n3", client.name), for_s=60))
    world.run(30)
    for node in world.nodes[:3]:
        assert node.machine.table.size == 2
    client.store("key", b"value")
    world.run(120)
    for node in world.nodes:
        assert node.machine.table.size == 5
    assert all(node.holds("key") for node in world.replicas("key"))
    world.check()


def test_one_way_partition_stops_both_at_last() -> None:
    world = crowd(4)
    world.apply(Partition(side=("n1",), one_way=True))
    world.run(30)
    assert world.nodes[0].machine.table.size == 0
    assert all(node.machine.table.size == 2 for node in world.nodes[1:])


def test_a_crash_is_forever_or_a_while() -> None:
    world = crowd()
    old = world.nodes[1].node_id
    world.apply(Crash(nodes=("n1",)))
    world.apply(Crash(nodes=("n2",), for_s=5))
    world.apply(Crash(nodes=("n3",), for_s=5, disk=True, power=True))
    kept = world.nodes[2].node_id
    world.run(3)
    assert [node.alive for node in world.nodes] == [False, False, False, True, True]
    world.run(60)
    assert [node.alive for node in world.nodes] == [False, True, True, True, True]
    assert world.nodes[1].node_id != old
    assert world.nodes[2].node_id == kept
    assert all(node.machine.table.size == 3 for node in world.nodes[1:])
    assert all(node.is_ready for node in world.nodes[1:])
    world.check()


def test_who_is_back_from_a_loss_of_power_is_asked_where_it_is_now() -> None:
    """Nothing has told the others that their old connections lead nowhere."""
    world = World(seed=6)
    world.swarm(8)
    world.run(20)
    node = world.nodes[3]
    world.apply(Crash(nodes=(node.name,), for_s=2, disk=True, power=True))
    world.run(3)
    for other in world.nodes:
        if other is not node:
            link = other.machine.links.pool.by_node[node.node_id]
            assert not other.ends[link.id].far.closed, f"{other} asks on a dead connection"


def test_records_do_not_survive_a_restart() -> None:
    world = crowd(3)
    client = world.client(bootstrap=[node.address for node in world.nodes])
    client.store("key", b"value")
    world.run(1)
    node = world.nodes[1]
    assert node.holds("key")
    node.crash()
    restart = node.restart(disk=True)
    assert not node.holds("key")
    restart.wait()
    node.start_ready().wait()
    assert node.holds("key")  # from the others
    assert client.retrieve("key") == b"value"


def test_a_pause_is_caught_up_with() -> None:
    world = crowd(3)
    world.apply(Pause(nodes=("n1",), for_s=1.5))
    world.run(0.1)
    counters = world.nodes[0].machine.counters
    before = counters.messages_in
    client = world.client(bootstrap=[world.nodes[1].address], timeout_s=5)
    client.store("key", b"value")
    assert counters.messages_in == before
    assert world.now_ns < 1_600_000_000 * 2
    world.run(5)
    assert counters.messages_in > before
    assert world.nodes[0].machine.table.size == 2


def test_a_slow_node_takes_longer() -> None:
    took = []
    for times in (1, 2000):
        world = crowd(1, faults=[])
        node = world.nodes[0]
        node.boot(node.config.__class__(replication_factor=1, write_quorum=1, read_quorum=1))
        node.start_join().wait()
        client = world.client()
        world.apply(Slowness(nodes=("n1",), times=times, for_s=5))
        world.run(0.1)
        operation = client.start_store("key", b"value")
        operation.wait()
        took.append(operation.latency_ns)
        world.run(10)
        assert node.slowness == 1
    assert took[1] > 20 * took[0]


def test_exhaustion_keeps_newcomers_out_and_serves_the_others() -> None:
    world = crowd(3)
    world.apply(Exhaustion(nodes=("n1", "n2", "n3"), for_s=8))
    world.run(0.1)
    operation = world.client(connect=False).start_connect()
    with pytest.raises(P2PError, match="no answer in 5 s"):
        operation.wait()
    assert all(node.machine.table.size == 2 for node in world.nodes)
    world.run(10)
    world.client().store("key", b"value")


def test_a_clock_jumps_and_back() -> None:
    world = crowd(3)
    node = world.nodes[0]
    before = node.now
    world.apply(ClockJump(nodes=("n1",), jump_ms=-3_600_000, for_s=2))
    world.run(1)
    assert node.now.wall_ms == before.wall_ms + 1000 - 3_600_000
    assert node.now.mono_ns == before.mono_ns + 10**9
    world.run(2)
    assert node.now.wall_ms == before.wall_ms + 3000


def test_a_clock_drifts() -> None:
    world = crowd(3)
    node = world.nodes[0]
    world.apply(Drift(nodes=("n1",), drift_ppm=10_000, for_s=10))
    world.run(20)
    world.run(10)
    ahead_ns = node.now.mono_ns - world.now_ns
    assert ahead_ns == 100_000_000


def test_churn_replaces_nodes_and_keeps_their_number() -> None:
    world = crowd(20)
    world.apply(Churn(session_s=60, keep=("n1",), for_s=60))
    world.run(70)
    gone = [node for node in world.nodes if not node.alive]
    came = world.nodes[20:]
    assert 6 < len(gone) < 25
    assert 10 < len(came) < 30
    assert world.nodes[0].alive
    events = len(world.nodes)
    world.run(60)
    assert len(world.nodes) == events  # it is over
    world.check()


def test_a_flash_crowd_comes_and_is_served() -> None:
    world = crowd(4)
    world.apply(FlashCrowd(count=10, for_s=2))
    world.apply(FlashCrowd(count=10, for_s=2, clients=True))
    world.run(20)
    assert len(world.nodes) == 14
    assert all(node.is_ready for node in world.nodes)
    assert sum(bool(process.machine.links.linked_nodes()) for process in world.processes) == 24


def test_a_process_that_cannot_join_is_started_again() -> None:
    world = crowd(4)
    world.apply(Partition(side=("n1", "n2", "n3"), for_s=30))
    world.apply(Crash(nodes=("n4",), for_s=1))
    world.run(25)
    assert world.nodes[3].lives > 2
    world.run(20)
    assert all(node.machine.table.size == 3 for node in world.nodes)


def test_targets_are_drawn_from_the_living() -> None:
    world = crowd(5)
    world.apply(Crash(count=3))
    world.apply(Crash(at_s=1, count=9))
    world.run(0.5)
    assert sum(node.alive for node in world.nodes) == 2
    world.run(1)
    assert not any(node.alive for node in world.nodes)


def _read_ms(world: World, client: SimClient) -> list[float]:
    """How long 100 reads took that began 20 ms apart; N = R = 3, so that all are waited for."""
    reads = []
    for _ in range(100):
        reads.append(client.start_retrieve("key"))
        world.run(0.02)
    world.run(1)
    return [read.latency_ns / 1e6 for read in reads]


def test_who_stutters_is_late_now_and_then_and_who_is_further_away_always() -> None:
    world = World(seed=7)
    quorums: dict[str, Any] = {"replication_factor": 3, "write_quorum": 3, "read_quorum": 3}
    world.swarm(3, **quorums)
    client = world.client()
    client.store("key", b"value")
    healthy = _read_ms(world, client)
    assert max(healthy) < 5
    world.apply(Stutter(nodes=("n1",), for_s=2))
    late = [ms for ms in _read_ms(world, client) if ms > 5]
    assert 8 <= len(late) <= 12, "100 ms of each second"
    assert max(late) < 105
    world.apply(Distance(nodes=("n1",), for_s=3))
    world.run(0.02)
    further = _read_ms(world, client)
    assert 20 < min(further) < max(further) < 25
    assert max(_read_ms(world, client)) < 5, "it has come back"
    world.check()
