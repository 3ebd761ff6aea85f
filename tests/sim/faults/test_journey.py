"""Links that lose segments, and nodes that move about."""

import pytest

from p2pcore.errors import ConfigError
from p2pcore.sim import MOBILE, LinkProfile, Loss, Mobile, World, fault_from

QUIET = LinkProfile(latency_us=100)


def slow_ms(world: World, source: int, target: int) -> float:
    """The longest of 40 ways from one node to another, as pings take them there alone."""
    nodes, rng = world.nodes, world.stream("ways")
    path = world.network.path(nodes[source], nodes[target])
    return max(path.carry(0, 10, rng, nodes[source].uplink)[0] for _ in range(40)) / 1e6


def test_segments_are_lost_in_both_directions_or_in_one() -> None:
    world = World(seed=1, link=QUIET)
    world.swarm(3)
    assert slow_ms(world, 0, 1) < 1
    world.apply(Loss(nodes=("n1",), loss_ppm=500_000, for_s=1))
    world.apply(Loss(nodes=("n2",), loss_ppm=500_000, one_way=True, for_s=1))
    world.run(0.5)
    assert slow_ms(world, 0, 2) > 200
    assert slow_ms(world, 2, 0) > 200
    assert slow_ms(world, 1, 2) > 200
    assert slow_ms(world, 2, 1) < 1, "what is sent to it arrives"
    world.run(1)
    assert [node.link for node in world.nodes] == [QUIET] * 3
    world.check()


def test_a_telephone_sleeps_and_wakes_elsewhere() -> None:
    world = World(seed=2, link=QUIET)
    nodes = world.swarm(5)
    client = world.client(bootstrap=[nodes[0].address])
    client.store("key", b"value")
    world.run(5)
    mobile, before = nodes[3], nodes[3].address
    world.apply(Mobile(nodes=(mobile.name,), sleep_ms=1000, every_ms=5000, moves=2, for_s=28))
    world.run(4)
    assert mobile.link == MOBILE
    world.run(16)
    assert mobile.address != before
    assert mobile.alive
    world.run(40)
    assert mobile.link == QUIET
    for node in nodes:
        contacts = {c.node_id: c.address for c in node.machine.table.contacts()}
        assert node is mobile or contacts[mobile.node_id] == mobile.address
    assert client.retrieve("key") == b"value"
    world.check()


def test_bad_values_are_refused() -> None:
    for table in (
        {"fault": "loss", "loss_ppm": 1_000_000},
        {"fault": "loss", "loss_ppm": 0},
        {"fault": "mobile", "sleep_ms": 5, "every_ms": 5},
        {"fault": "mobile", "moves": -1},
    ):
        with pytest.raises(ConfigError):
            fault_from(table)
