"""Who leaves in good order takes no copy away."""

import pytest

from p2pcore.sim import Crash, World
from p2pcore.sim.checkers import BrokenPromiseError, Checkers
from tests.sim.broken import broken


def watched() -> tuple[World, Checkers]:
    """Six nodes, and a key that is on three of them."""
    world = World(seed=8)
    world.swarm(6)
    checkers = Checkers(world, ["key"], quorums=(3, 2, 2))
    world.client().store("key", b"value")
    world.run(3)
    return world, checkers


def test_a_departure_in_good_order_is_judged() -> None:
    world, checkers = watched()
    world.replicas("key")[0].leave()
    assert checkers.farewells.judged == 1
    assert all(node.holds("key") for node in world.replicas("key"))
    world.run(10)


def test_what_is_not_handed_over_is_noticed() -> None:
    with broken("gone before hand-over"):
        world, _ = watched()
        with pytest.raises(BrokenPromiseError, match=r"copies: key: 0.000 s after n\d has left"):
            world.replicas("key")[0].leave()


def test_amid_other_losses_it_is_not() -> None:
    world, checkers = watched()
    world.apply(Crash(nodes=(world.replicas("key")[1].name,)))
    world.run(0.1)
    world.replicas("key")[0].leave()
    assert checkers.farewells.judged == 0
