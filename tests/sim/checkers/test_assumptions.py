"""When the promise is given, seen from outside."""

from p2pcore.sim import Partition, World
from p2pcore.sim.checkers import Checkers


def cut(for_s: float) -> tuple[World, Checkers]:
    world = World(seed=4)
    world.swarm(6)
    checkers = Checkers(world, ["key"], quorums=(3, 2, 2))
    world.apply(Partition(side=("n1", "n2"), for_s=for_s))
    return world, checkers


def test_as_long_as_nobody_is_forgotten_reads_are_as_promised() -> None:
    world, checkers = cut(2)
    for _ in range(20):
        world.run(1)
        assert all(node.machine.table.size == 5 for node in world.nodes)
        history = checkers.histories["key"]
        assert history.window is history.lenient is None
    checkers.finish(world.client())


def test_who_is_forgotten_excuses_reads_until_all_is_repaired() -> None:
    world, checkers = cut(40)
    history = checkers.histories["key"]
    world.run(39)
    assert all(node.machine.table.size < 5 for node in world.nodes)
    assert history.lenient == "the network is partitioned"
    assert history.window is not None
    assert not checkers.assumptions.breaches
    checkers.finish(world.client())
    assert history.window is history.lenient is None
