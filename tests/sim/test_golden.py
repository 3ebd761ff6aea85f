"""The engine, links and TCP model give the same run as ever, for machines that never change.

A hash that differs is a new SIM_VERSION: raise it, and say in the commit what changed.
"""

from p2pcore.sim import LAN, MOBILE, SIM_VERSION, WAN, Partition, World
from tests.sim.tiny import ring

GOLDEN = {
    "lan": "76e022edd125611d1a2508ee6548a854",
    "wan": "e116474486daaca506ee6a211b05aa3e",
    "mobile": "1de29c6e01adae25dac388f566931c67",
    "partition": "52db0a65740762de596764c7b8e6a7a0",
}


def test_version() -> None:
    assert SIM_VERSION == 3


def test_links() -> None:
    for name, link in (("lan", LAN), ("wan", WAN), ("mobile", MOBILE)):
        world = World(seed=5, link=link)
        ring(world, 5)
        world.run(10)
        world.check()
        assert world.trace_hash == GOLDEN[name], name


def test_faults() -> None:
    world = World(seed=6, link=WAN)
    processes = ring(world, 6)
    world.apply(Partition(at_s=1, for_s=5, side=("t1", "t2")))
    world.after(3, lambda: processes[3].tell(processes[3].machine.hang_up))
    world.after(4, lambda: processes[4].pause_until(world.now_ns + 2_000_000_000))
    world.run(20)
    world.check()
    assert world.trace_hash == GOLDEN["partition"]
