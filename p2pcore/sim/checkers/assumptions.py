"""The assumptions of the promise about records (design.md, section 3, point 5), as code.

Theory of operation. Per key, a *change* is a member coming into, or going out of, its N closest
members. It opens a *window*, which is closed when the change is repaired: all members are ready,
agree on who the replicas are, and each replica holds what was acknowledged. A change takes at most
W-1 holders. A member that goes while a window is open, or one of more than W-1 that go at once, is
*outside the assumptions*: what was acknowledged of the key so far is not promised any more. (One
that comes takes nothing from anybody, and is inside them, though the letter of the contract has it
otherwise.) The promise begins anew when the key has been repaired.

In a partition, a long pause or an exhaustion nobody is lost, but somebody may be *forgotten*: a
member that is there is in another's table no more. Views of the membership differ then, which is a
change, too, and a window. Nothing that was acknowledged may get lost in it, but reads need not find
it: they are *excused* until all is repaired. As long as nobody is forgotten, all is as promised. A
partition longer than the tombstone grace, and a member that lies, end the promise for the rest of
the run.

Rule: looks from outside, by brute force, at who is there and what each holds; asks no machine what
it believes, except whether it is ready and whom it knows.
"""

from collections.abc import Iterable

from p2pcore.contact import point_of
from p2pcore.overlay.table import BUCKET_SIZE
from p2pcore.replication.ownership import Standing
from p2pcore.sim.checkers.history import KeyHistory
from p2pcore.sim.hosts.applications import SimNode
from p2pcore.sim.world import World

__all__ = ["LYING", "Assumptions"]

LYING = ("amnesia", "liar", "eclipse")
"""Behaviours that the promise is not given for. The others do not answer, or refuse."""

SLUGGISH_NS = 100_000_000  # a question of a lookup is waited for 0.4 s
SLUGGISH_QUEUE = 20  # messages that wait; no more than a few do unless a node is overloaded
AFTERMATH_NS = 6_000_000_000  # a call is given up after 5 s, or a link that lost it is dialled anew
LONG_PAUSE_NS = 2_000_000_000  # who answers a ping 2.2 s late is given up
LOSSY_PPM = 20_000  # of segments; a member behind such a link may be taken for silent
WENT = " went"  # whoever is named before it

Life = tuple[SimNode, int]  # a node, and which of its processes


class Assumptions:
    """Watches whether the promise applies, and to what.

    Args:
        world: what is watched.
        keys: the histories of the workload's keys.
        replicas, writes: N and W.
        grace_s: how long tombstones are remembered.
        durable: who goes comes back with all that it held.
        clocks_s: how far clocks may be off; so much earlier tombstones may be gone.
    """

    def __init__(
        self, world: World, keys: Iterable[KeyHistory], *, replicas: int, writes: int,
        grace_s: float, clocks_s: float = 0.0, durable: bool = False,
    ) -> None:  # fmt: skip
        self._world = world
        self._keys = list(keys)
        self._replicas = replicas
        self._writes = writes
        self.grace_ns = round((grace_s - clocks_s) * 1e9)
        self._members: dict[Life, None] = {}
        self._still_until_ns = 0  # a long pause lasts
        self._aftermath = ""  # of which disturbance
        self._aftermath_until_ns = 0
        self._apart_since_ns: int | None = None
        self._durable = durable
        self._void: str | None = None  # why nothing is promised for the rest of the run
        self.breaches: list[str] = []
        """By which events keys got outside the assumptions, in order."""
        self.changed_ns = 0  # when the membership last changed
        self._members = dict.fromkeys(self._lives())

    # What is seen

    def members(self) -> list[SimNode]:
        """Who takes part: alive, in the overlay, not leaving."""
        return [node for node, _ in self._members]

    def replicas(self, key: KeyHistory) -> list[SimNode]:
        """The members closest to a key, by brute force."""
        return self._closest(self.members(), key)

    @property
    def promised(self) -> bool:
        """True if anything is, for the rest of the run."""
        return self._void is None

    def disturbance(self) -> str | None:
        """Why members may see different networks at this moment, nobody being lost. Calls that
        began in a disturbance may still fail in its aftermath, and who was called is forgotten."""
        now_ns, reason = self._world.now_ns, self._present_disturbance()
        if reason is not None:
            self._aftermath = f"{reason}, or was just now"
            self._aftermath_until_ns = now_ns + AFTERMATH_NS
        elif now_ns < self._aftermath_until_ns:
            reason = self._aftermath
        return reason

    def _present_disturbance(self) -> str | None:
        world = self._world
        if world.network.walls:
            return "the network is partitioned"
        now_ns = world.now_ns
        for node in world.nodes:
            if node.alive and node.busy_until_ns - now_ns > LONG_PAUSE_NS:
                self._still_until_ns = max(self._still_until_ns, node.busy_until_ns)
            if node.alive and not node.accepts:
                return f"{node} accepts no connections"
            if node.alive and max(node.link.loss_ppm, node.link.up_loss_ppm) >= LOSSY_PPM:
                return f"the link of {node} loses segments"
            if node.alive and node.byzantine:
                return f"{node} misbehaves ({node.byzantine})"
        return "a process stands still" if now_ns < self._still_until_ns else None

    @property
    def sluggish(self) -> bool:
        """True if an answer may take longer than others wait."""
        now_ns = self._world.now_ns
        return any(
            node.alive
            and (
                node.slowness > 1
                or node.busy_until_ns - now_ns > SLUGGISH_NS
                or node.queue_length > SLUGGISH_QUEUE
            )
            for node in self._world.nodes
        )

    def look(self) -> None:
        """Notice what has changed since the last look."""
        now = dict.fromkeys(self._lives())
        if now != self._members:
            self._change(now)
        for node in self._world.nodes:
            if node.byzantine in LYING and self._void is None:
                self._end(f"{node} lies ({node.byzantine})")

    def look_closely(self) -> None:
        """`look`, and open and close windows and excuses. To be called regularly."""
        self.look()
        self._time_partition()
        reason = self.disturbance()
        if reason is not None and self._forgotten():
            self._excuse(reason)
        elif self._void is None and any(key.window or key.lenient for key in self._keys):
            self._close()

    # Changes

    def _lives(self) -> Iterable[Life]:
        for node in self._world.nodes:
            if node.alive:
                ownership = node.machine.ownership
                if not ownership.leaving and (ownership.joined or node.machine.table.size):
                    yield node, node.lives

    def _change(self, now: dict[Life, None]) -> None:
        before = self.members()
        gone = [life for life in self._members if life not in now]
        come = [life for life in now if life not in self._members]
        self._members = now
        self.changed_ns = self._world.now_ns
        after = self.members()
        for key in self._keys:
            replicas = self._closest(before, key)
            lost = [node for node, _ in gone if node in replicas]
            if lost:
                self._lose(key, lost)
            newcomers = [node for node, _ in come if node in self._closest(after, key)]
            if newcomers:
                text = f"{_names(newcomers)} came"
                key.tell(self._world.now_ns, text)
                key.window = key.window or f"{text} at {self._world.now_ns / 1e9:.3f} s"

    def _lose(self, key: KeyHistory, lost: list[SimNode]) -> None:
        now_ns = self._world.now_ns
        text = f"{_names(lost)}{WENT}"
        key.tell(now_ns, text)
        if self._durable:
            key.excuse(text)
        elif key.window is not None:
            self._breach(key, f"{text} before this was repaired: {key.window}")
        elif len(lost) > self._writes - 1:
            self._breach(key, f"{text} at once, W-1 is {self._writes - 1}")
        key.window = f"{text} at {now_ns / 1e9:.3f} s"

    def _breach(self, key: KeyHistory, text: str) -> None:
        now_ns = self._world.now_ns
        self.breaches.append(f"{now_ns / 1e9:.3f} s, {key.name}: {text}")
        key.tell(now_ns, f"outside the assumptions: {text}")
        key.forget_floor()
        key.excuse("outside the assumptions")

    def _end(self, reason: str) -> None:
        self._void = reason
        for key in self._keys:
            self._breach(key, reason)

    def _excuse(self, reason: str) -> None:
        now_ns = self._world.now_ns
        for key in self._keys:
            if key.lenient is None:
                key.tell(now_ns, reason)
            key.excuse(reason)
            key.window = key.window or f"{reason} at {now_ns / 1e9:.3f} s"

    def _time_partition(self) -> None:
        now_ns = self._world.now_ns
        if not self._world.network.walls:
            self._apart_since_ns = None
        else:
            since_ns = self._apart_since_ns = self._apart_since_ns or now_ns
            if now_ns - since_ns > self.grace_ns and self._void is None:
                self._end("a partition longer than the tombstone grace")

    def _forgotten(self) -> bool:
        """True if somebody has forgotten a member. In large networks nobody knows all of them."""
        most = len(self._members) - 1
        return most >= BUCKET_SIZE or any(n.machine.table.size < most for n in self.members())

    # Repair

    def unsettled(self) -> str | None:
        """Why the membership has not settled: who is not ready, or knows not whom it should."""
        members = self.members()
        ids = {node.node_id: node for node in members}
        for node in self._world.nodes:
            if node.alive and (node, node.lives) not in self._members:
                return f"{node} is still joining or leaving"
        small = len(members) <= BUCKET_SIZE
        for node in members:
            if not node.machine.ownership.settled:
                return f"{node} is not ready"
            table = node.machine.table
            if small and table.size < len(members) - 1:
                missing = [each for each in members if each.node_id not in table]
                return f"{node} does not know {_names(n for n in missing if n is not node)}"
            for contact in table.contacts():
                if contact.node_id not in ids:
                    return f"{node} still counts on {contact.address}, where nobody is"
        return None

    def unrepaired(self, key: KeyHistory) -> str | None:
        """Why a key is not yet as it should be: who of its replicas is none, or lacks what was
        acknowledged."""
        replicas = self.replicas(key)
        floor = key.held_floor(self._world.now_ns, self.grace_ns)
        for node in replicas:
            if node.machine.ownership.standing(key.point) is not Standing.READY:
                return f"{node} is a replica of {key.name} and not ready"
            view = node.machine.directory.closest_known(key.point, self._replicas)
            if [contact.node_id for contact in view] != [each.node_id for each in replicas]:
                return f"{node} has another view of the replicas of {key.name}"
            if (node.machine.store.version(key.key) or b"") < floor:
                return f"{node} lacks what was acknowledged of {key.name}"
        return None

    def _close(self) -> None:
        if self.unsettled() is not None:
            return
        now_ns = self._world.now_ns
        for key in self._keys:
            change = key.window or key.lenient
            if change and self._may_close(key) and self.unrepaired(key) is None:
                key.tell(now_ns, "all is repaired")
                key.window = key.lenient = None

    def _may_close(self, key: KeyHistory) -> bool:
        """Where nobody is left, all is on disks as it was: repaired, unless views differed before,
        as after a cut: who comes back first may know of few others."""
        return bool(self._members) or key.lenient is None or key.lenient.endswith(WENT)

    def _closest(self, members: list[SimNode], key: KeyHistory) -> list[SimNode]:
        ranked = sorted(members, key=lambda node: point_of(node.node_id) ^ key.point)
        return ranked[: self._replicas]


def _names(nodes: Iterable[SimNode]) -> str:
    return ", ".join(node.name for node in nodes)
