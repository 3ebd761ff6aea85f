"""What a process keeps is bounded: calls in flight, connections, contacts, those that it has lost
and looks for, what it does for others, and what waits for it.

The limits are what the core states, or follow from how many processes there are. Calls are counted
most strictly when nothing is asked any more: then a few remain for upkeep.
"""

from p2pcore.overlay.lost import MAX_LOST
from p2pcore.overlay.table import BUCKET_SIZE
from p2pcore.replication.coordinating import MAX_COORDINATED, MAX_COORDINATED_IN_ALL
from p2pcore.sim.hosts.applications import SimClient, SimNode
from p2pcore.sim.hosts.process import Process
from p2pcore.sim.promise import Breach, BrokenPromiseError
from p2pcore.sim.world import World

__all__ = ["Bounds"]

LINKS_PER_PROCESS = 4  # both may dial at once, and one that is dead is not noticed at once
CALLS_PER_OPERATION = 4  # itself, a delegation, and what a coordinator does for it
IDLE_CALLS_PER_PROCESS = 4  # ping, survey, confirm, and a lookup's question
SPARE = 16


class Bounds:
    """Looks at how much every process keeps."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._most = 0  # operations in flight at a time, so far

    def look(self, in_flight: int, *, idle: bool = False) -> None:
        """At any time; `in_flight` operations have begun and are not over, all items counted.
        `idle`: nor has any of late. (What clients have given up may wait for a connection, and be
        worked on by a coordinator once a partition is over.)"""
        self._most = max(self._most, in_flight)
        processes = len(self._world.processes)
        operations = 0 if idle else self._most
        calls = CALLS_PER_OPERATION * operations + IDLE_CALLS_PER_PROCESS * processes + SPARE
        for process in self._world.processes:
            if process.alive and isinstance(process, SimNode | SimClient):
                links = process.machine.links
                self._hold(process, "calls in flight", len(links.calls), calls)
                self._hold(process, "connections", len(links.by_id), LINKS_PER_PROCESS * processes)
                contacts = max(processes, BUCKET_SIZE)
                self._hold(process, "contacts", process.machine.table.size, contacts)
                self._hold(process, "queue", process.queue_length, process.service.queue_limit)
                if isinstance(process, SimNode):
                    self._hold_lost(process)
                    self._hold_coordinated(process, idle=idle)

    def _hold_lost(self, node: SimNode) -> None:
        """Lost contacts are those that the node has known, and does not know now."""
        lost, lives = node.machine.lost, sum(each.lives for each in self._world.nodes)
        self._hold(node, "lost contacts", len(lost), min(MAX_LOST, lives))
        known = [contact for contact in node.machine.table.contacts() if contact.node_id in lost]
        self._hold(node, "lost contacts that it knows", len(known), 0)

    def _hold_coordinated(self, node: SimNode, *, idle: bool) -> None:
        """What it does for peers; nothing, when none has asked of late."""
        counts = node.machine.coordinating.by_peer.values()
        most, in_all = (0, 0) if idle else (MAX_COORDINATED, MAX_COORDINATED_IN_ALL)
        self._hold(node, "operations for one peer", max(counts, default=0), most)
        self._hold(node, "operations for peers", sum(counts), in_all)

    def _hold(self, process: Process, what: str, count: int, limit: int) -> None:
        if count > limit:
            text = f"{process} has {count} {what} at {self._world.now_ns / 1e9:.3f} s"
            raise BrokenPromiseError(Breach.BOUNDS, f"{text}, the limit is {limit}")
