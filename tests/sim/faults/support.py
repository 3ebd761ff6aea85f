"""What tests of faults begin with."""

from typing import Any

from p2pcore.sim import World

__all__ = ["crowd"]


def crowd(count: int = 5, **options: Any) -> World:
    """A world with so many nodes, joined and ready."""
    world = World(seed=7, **options)
    world.swarm(count)
    return world
