"""The registry in simulated networks: minutes of virtual time, faults at any moment, no sockets.

    pytest examples/test_service_registry.py

A test of your own application looks like this: write it against the few calls that it needs, hand
it a simulated client, and let things go wrong.
"""

import pytest
from service_registry import PLACES, RENEW_S, TTL_S, Registry

from p2pcore.sim import Crash, Partition, World

SEEDS = range(5)


def test_an_instance_that_is_silent_is_forgotten() -> None:
    world = World(seed=1)
    world.swarm(5)
    registry = Registry(world.client())
    registry.register("mail", 0, "10.0.0.1:25")
    registry.register("mail", 3, "10.0.0.2:25")
    assert registry.instances("mail") == {0: "10.0.0.1:25", 3: "10.0.0.2:25"}
    world.run(TTL_S - 1)
    registry.register("mail", 3, "10.0.0.2:25")
    world.run(1.5)
    assert registry.instances("mail") == {3: "10.0.0.2:25"}
    registry.leave("mail", 3)
    assert registry.instances("mail") == {}


@pytest.mark.parametrize("seed", SEEDS)
def test_it_outlives_the_loss_of_any_node(seed: int) -> None:
    world = World(seed=seed)
    world.swarm(6)
    here, there = Registry(world.client()), Registry(world.client())
    for number in range(PLACES):
        here.register("mail", number, f"10.0.0.{number}:25")
    world.apply(Crash(count=1, for_s=20))
    for _ in range(8):  # renewals go on meanwhile
        world.run(RENEW_S)
        for number in range(PLACES):
            here.register("mail", number, f"10.0.0.{number}:25")
        assert len(there.instances("mail")) == PLACES


@pytest.mark.parametrize("seed", SEEDS)
def test_both_sides_agree_once_a_partition_has_healed(seed: int) -> None:
    world = World(seed=seed)
    world.swarm(8)
    registry = Registry(world.client())
    registry.register("mail", 0, "old")
    world.apply(Partition(share=0.25, for_s=5))
    world.run(65)
    registry.register("mail", 0, "new")
    assert Registry(world.client()).instances("mail") == {0: "new"}


def test_a_number_that_there_is_no_place_for() -> None:
    world = World(seed=1)
    world.swarm(3)
    registry = Registry(world.client())
    with pytest.raises(ValueError, match="0 to 7, not 8"):
        registry.register("mail", PLACES, "h:1")
