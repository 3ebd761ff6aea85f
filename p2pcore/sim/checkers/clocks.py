"""Versions that a node makes are newer than all that it made before, also after a restart.

For nodes with disks, *clock*: a process begins with a clock no earlier than what the disk says, and
than any reading of the process before it, if it has the same identity.
"""

from p2pcore.ids import NodeId
from p2pcore.replication.journal import CLOCK_KEY
from p2pcore.sim.promise import Breach, BrokenPromiseError
from p2pcore.sim.world import World
from p2pcore.versions import wall_ms_of

__all__ = ["NodeClocks"]


class NodeClocks:
    """Watches the hybrid clocks of all nodes of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._seen: dict[NodeId, tuple[int, int, int]] = {}  # life, reading and disk's in ms

    def look(self) -> None:
        """Compare with the look before."""
        for node in self._world.nodes:
            if node.disk is None or not node.alive:
                continue
            reading_ms = wall_ms_of(node.machine.clock.last)
            kept_ms = wall_ms_of(node.disk.version(CLOCK_KEY) or bytes(8))
            life, before_ms, kept_before_ms = self._seen.get(node.node_id, (node.lives, 0, 0))
            if life != node.lives and reading_ms < max(before_ms, kept_before_ms):
                text = f"{node} reached {before_ms} ms, {kept_before_ms} ms on disk"
                raise BrokenPromiseError(
                    Breach.CLOCK, f"{text}, and begins again at {reading_ms} ms"
                )
            self._seen[node.node_id] = node.lives, reading_ms, kept_ms
