"""The overlay: one for all, free of the dead, and found by lookups.

- After healing, whoever is there can be reached from everybody, by contact tables (*one overlay*).
- Every lookup ends in time; in a settled network that loses no segments, it finds the closest
  there are (*lookups*). A question whose segment is lost is not waited for.
- A member that is there, and answers, keeps its place in a bucket (*buckets*).
"""

from p2pcore.contact import point_of
from p2pcore.effects import Instant
from p2pcore.ids import NodeId
from p2pcore.overlay.lookup import Lookup
from p2pcore.sim.checkers.assumptions import Assumptions
from p2pcore.sim.hosts.applications import SimNode
from p2pcore.sim.promise import Breach, BrokenPromiseError
from p2pcore.sim.streams import Stream
from p2pcore.sim.world import World

__all__ = ["Overlay"]

LOOKUP_NS = 30_000_000_000  # rounds of 0.4 s for some dead contacts, dials of 5 s, and an overload
CALM_NS = 30_000_000_000  # after a fault, links to those who are there may still break
LINKS_NS = (
    15_000_000_000  # a link to a machine that lost its power is asked on until it is given up
)
WIDTH = 3  # of the lookups: as wide as the replicas that they look for


class Overlay:
    """Watches contact tables, and looks things up now and then.

    Args:
        world: the network.
        assumptions: who is a member.
        rng: draws who looks up what.
    """

    def __init__(self, world: World, assumptions: Assumptions, rng: Stream) -> None:
        self._world = world
        self._assumptions = assumptions
        self._rng = rng
        self._tables: dict[tuple[SimNode, int], dict[NodeId, None]] = {}
        self._disturbed_ns = self._sluggish_ns = 0
        self.lookups = 0

    # Contact tables

    def look(self) -> None:
        """Look at every contact table."""
        assumptions, now_ns = self._assumptions, self._world.now_ns
        if assumptions.sluggish:
            self._sluggish_ns = now_ns
        if assumptions.disturbance() is not None or assumptions.sluggish:
            self._disturbed_ns = now_ns
        members = {node.node_id: node for node in assumptions.members()}
        calm = self._calm()
        tables = {}
        for node in assumptions.members():
            life = node, node.lives
            tables[life] = {contact.node_id: None for contact in node.machine.table.contacts()}
            if calm:
                for gone in self._tables.get(life, {}).keys() - tables[life].keys():
                    self._judge_removal(node, members.get(gone))
        self._tables = tables

    def _calm(self) -> bool:
        return self._world.now_ns - self._disturbed_ns > CALM_NS

    def _judge_removal(self, node: SimNode, gone: SimNode | None) -> None:
        if gone is not None and (gone, gone.lives) in self._tables:
            text = f"{node} has put {gone} out of its table, which is there and answers"
            raise BrokenPromiseError(Breach.BUCKETS, text)

    def apart(self) -> str | None:
        """Who cannot be reached from the first member, going from contact to contact."""
        members = {node.node_id: node for node in self._assumptions.members()}
        if not members:
            return None
        first = next(iter(members))
        reached, frontier = {first: None}, [first]
        while frontier:
            for contact in members[frontier.pop()].machine.table.contacts():
                if contact.node_id in members and contact.node_id not in reached:
                    reached[contact.node_id] = None
                    frontier.append(contact.node_id)
        missing = [node.name for node_id, node in members.items() if node_id not in reached]
        return f"{', '.join(missing)} cannot be reached from {members[first]}" if missing else None

    # Lookups

    def look_up(self) -> None:
        """Somebody looks up a random point; the result is judged when it is there."""
        members = self._assumptions.members()
        if len(members) < 2:
            return
        node, target = self._rng.choice(members), int.from_bytes(self._rng.randbytes(32))
        settled = self._calm() and self._assumptions.unsettled() is None
        start_ns = self._world.now_ns
        life, found = node.lives, []

        def finish(lookup: Lookup, now: Instant) -> None:
            found.append(lookup)
            self.lookups += 1
            self._assumptions.look()
            unchanged = self._assumptions.changed_ns < start_ns - LINKS_NS
            lossy = any(each.link.loss_ppm for each in self._world.nodes)
            if settled and unchanged and not lossy and self._calm():
                self._judge_result(node, lookup)

        def end(*_: object) -> None:
            lively = node.alive and node.lives == life and self._sluggish_ns < start_ns
            if not found and lively:
                limit_s = LOOKUP_NS / 1e9
                raise BrokenPromiseError(
                    Breach.LOOKUPS, f"one of {node} has not ended in {limit_s:g} s"
                )

        directory = node.machine.directory
        node.tell(lambda now: directory.search(target, now, finish, width=WIDTH))
        self._world.engine.at(self._world.now_ns + LOOKUP_NS, end)

    def _judge_result(self, node: SimNode, lookup: Lookup) -> None:
        others = [each for each in self._assumptions.members() if each is not node]
        others.sort(key=lambda each: point_of(each.node_id) ^ lookup.target)
        expected = [each.node_id for each in others[:WIDTH]]
        result = [contact.node_id for contact in lookup.closest(WIDTH)]
        if result != expected:
            names = {each.node_id: each.name for each in others}
            words = [names.get(node_id, "somebody else") for node_id in result]
            text = f"{node} looks up {lookup.target:064x} and finds {', '.join(words) or 'nobody'}"
            raise BrokenPromiseError(Breach.LOOKUPS, f"{text}; the closest are {others[:WIDTH]}")
