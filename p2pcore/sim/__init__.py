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

from p2pcore.sim.applications import LookupReport, Operation, SimClient, SimNode
from p2pcore.sim.books import Books
from p2pcore.sim.engine import StillError
from p2pcore.sim.faults import (
    FAULTS,
    Churn,
    ClockJump,
    Crash,
    Drift,
    Exhaustion,
    Fault,
    FlashCrowd,
    Misbehaviour,
    Partition,
    Pause,
    Slowness,
    fault_from,
    table_of,
)
from p2pcore.sim.links import IDEAL, LAN, MOBILE, PROFILES, WAN, Link
from p2pcore.sim.peers import Peer, Service
from p2pcore.sim.plans import draw_faults
from p2pcore.sim.regions import REGIONS
from p2pcore.sim.world import SIM_VERSION, World

__all__ = [
    "FAULTS", "IDEAL", "LAN", "MOBILE", "PROFILES", "REGIONS", "SIM_VERSION", "WAN", "Books",
    "Churn", "ClockJump", "Crash", "Drift", "Exhaustion", "Fault", "FlashCrowd", "Link",
    "LookupReport", "Misbehaviour", "Operation", "Partition", "Pause", "Peer", "Service",
    "SimClient", "SimNode", "Slowness", "StillError", "World", "draw_faults",
    "fault_from", "table_of",
]  # fmt: skip
