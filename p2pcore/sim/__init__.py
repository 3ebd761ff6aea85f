"""p2pcore in virtual time: test an application, or the core itself, on a simulated network.

    from p2pcore.sim import Partition, World

    world = World(seed=1)
    world.swarm(8)
    client = world.client()
    client.store("greeting", b"hello")
    world.apply(Partition(share=0.25, for_s=30))
    world.run(60)
    assert client.retrieve("greeting") == b"hello"

See docs/simulation.md.
"""

from p2pcore.sim.engine import StillError
from p2pcore.sim.faults.kinds import *  # noqa: F403
from p2pcore.sim.faults.kinds import __all__ as _kinds
from p2pcore.sim.hosts.applications import LookupReport, SimClient, SimNode
from p2pcore.sim.hosts.disk import DiskProfile
from p2pcore.sim.hosts.operations import SimOperation
from p2pcore.sim.hosts.process import Process, Service
from p2pcore.sim.network.accounting import Accounting
from p2pcore.sim.network.links import IDEAL, LAN, MOBILE, PROFILES, WAN, LinkProfile
from p2pcore.sim.network.regions import REGIONS
from p2pcore.sim.world import SIM_VERSION, World

__all__ = [
    "IDEAL", "LAN", "MOBILE", "PROFILES", "REGIONS", "SIM_VERSION", "WAN", "Accounting",
    "DiskProfile", "LinkProfile", "LookupReport", "Process", "Service", "SimClient", "SimNode",
    "SimOperation", "StillError", "World", *_kinds,
]  # fmt: skip
