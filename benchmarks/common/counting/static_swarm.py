"""A swarm without sockets for exact counts: the core's own machines, in virtual time.

Theory of operation. Nodes and clients are the sans-IO machines of the commit that is measured.
Whatever one sends is encoded by its own codec, counted as a frame of so many bytes, and delivered
after LATENCY_NS to the other's own frame parser; nothing is lost. Ids, latency and random streams
are fixed, so a run depends on nothing but the program. Every call into the core goes through a
meter (`common.counting.meters`), which may count what happens inside.

An operation is on its own: while anything is under way, time-outs and background work wait, and
time passes only when nothing else can happen (`operate`). What the background costs is seen by
letting time pass (`run`).

Rule: independent of the core's simulator, so that the ruler does not move with the subject. Simple
enough to be read in one sitting: one latency, no loss, no faults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from heapq import heappop, heappush
from random import Random
from typing import Any

from benchmarks.common import subject
from benchmarks.common.counting.meters import CountMeter

__all__ = ["EPOCH_MS", "StaticMember", "StaticSwarm", "TrafficCount"]

LATENCY_NS = (
    50_000  # one way; ten operations last a few ms, in which nothing in the background is due
)
BEGIN_NS = 1_000_000_000
EPOCH_MS = 1_700_000_000_000
DEADLINE_NS = 60_000_000_000  # of an operation; far beyond what any should need
SETTLE_NS = 5_000_000_000  # after the last join, until nodes count for what is theirs


class StaticMember:
    """One machine, and the far ends of its links."""

    def __init__(self, swarm: StaticSwarm, number: int, address: str, machine: Any) -> None:
        self.swarm = swarm
        self.number = number
        self.address = address
        self.machine = machine
        self.gone = False
        self.sent = 0  # frames
        self.is_deaf = False  # what is sent to it does not arrive, and nobody notices
        self.links: dict[int, tuple[StaticMember, int, Any]] = {}  # far end, its link, our parser
        self.results: dict[int, object] = {}
        self.wake_at_ns: int | None = None
        self._operations = 0

    def tell(self, event: Callable[..., object], *arguments: Any, **named: Any) -> None:
        """Something happens to the machine now; its effects are carried out."""
        if self.gone:
            return
        swarm = self.swarm
        meter = swarm.meter
        if named:
            meter(event, *arguments, **named, now=swarm.now())
        else:
            meter(event, *arguments, swarm.now())
        self.pump()

    def pump(self) -> None:
        """Carry out the effects in order, as the edge of sockets does."""
        swarm = self.swarm
        meter, core = swarm.meter, swarm.core
        written = 0
        for effect in meter(self.machine.drain):
            kind = type(effect)
            if kind is core.send:
                frame = meter(core.encode_frame, effect.message)
                for link in effect.links:
                    swarm.send(self, link, frame)
            elif kind is core.persist:
                written = effect.number
            elif kind is core.complete:
                self.results[effect.operation] = effect.result
            elif kind is core.connect:
                swarm.after_latency(swarm.dialled, self, effect.address, effect.node_id)
            elif kind is core.close:
                swarm.close(self, effect.link)
        due_ns = meter(self.machine.next_deadline)
        if due_ns is not None and (self.wake_at_ns is None or due_ns < self.wake_at_ns):
            self.wake_at_ns = due_ns
            swarm.wake_later(self, due_ns)
        if written:
            swarm.after_latency(self.tell, self.machine.journal.persisted, written)

    def begin(self, start: Callable[..., object], *arguments: Any) -> int:
        """Start an operation of the application; returns its number."""
        self._operations += 1
        self.tell(start, self._operations, *arguments)
        return self._operations

    def operate(self, start: Callable[..., object], *arguments: Any) -> Any:
        """An operation from its start until everything that it set off is over; its result, or
        the error that the application would see."""
        number = self.begin(start, *arguments)
        self.swarm.finish(self, lambda: number in self.results)
        result = self.results.pop(number)
        if isinstance(result, Exception):
            raise result
        return result


class TrafficCount:
    """Frames that were sent, their bytes as they leave the codec (no TLS, no TCP), and dials."""

    def __init__(self) -> None:
        self.messages = 0
        self.bytes = 0
        self.dials = 0


class StaticSwarm:
    """Nodes that have joined one after the other and settled.

    Args:
        nodes: how many.
        network: the settings of replication; its key has no use here.
        seed: of the machines' random streams.
        disk: nodes have one each, which has synced what it is given after LATENCY_NS; requires the
            feature "durability".
        rows: what is on each disk at the start, as a journal takes it back.
        settings: further ones of the nodes.
    """

    def __init__(
        self,
        nodes: int,
        network: subject.NetworkSettings,
        seed: int = 0,
        *,
        disk: bool = False,
        rows: Sequence[Any] = (),
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        if disk:
            subject.require("durability")
        self._has_disk = disk
        self._more = ({"disk": True} if disk else {}) | ({"settings": settings} if settings else {})
        self.rows = rows
        self.core = subject.machines()
        self.meter = CountMeter()
        self.traffic = TrafficCount()
        self.nodes: list[StaticMember] = []
        self._network = network
        self._seed = seed
        self._members: dict[str, StaticMember] = {}
        self._made = 0
        self._links = 0
        self._mono_ns = BEGIN_NS
        self._sequence = 0
        self._under_way: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._timers: list[tuple[int, int, StaticMember]] = []
        for _ in range(nodes):
            self.join(self.make_node())
        self.run(SETTLE_NS)

    # Members

    def make_node(self, number: int | None = None) -> StaticMember:
        """Another node, or one of an earlier number again, which has not joined yet; it will
        through the first one."""
        number, address, streams = self._next("node", number)
        bootstrap = [self.nodes[0].address] if self.nodes else []
        node_id = _id("node", number)
        machine = self.core.node(self._network, bootstrap, node_id, streams, **self._more)
        if self._has_disk:
            machine.journal.take_back(self.rows)
            machine.journal.taken_back(len(self.rows))
            machine.journal.open(self.now())
        machine.open(address)
        node = self._members[address] = StaticMember(self, number, address, machine)
        return node

    def join(self, node: StaticMember) -> None:
        """Let a node join, and wait until it counts for the keys that are its, if nodes of this
        commit can tell."""
        node.operate(node.machine.join)
        if subject.supports("ready"):
            node.operate(node.machine.wait_ready)
        self.nodes.append(node)

    def client(self, number: int | None = None) -> StaticMember:
        """A client that has not connected yet and knows the first three nodes: another one, or
        one of an earlier number again, as it was made."""
        number, address, streams = self._next("client", number)
        bootstrap = [node.address for node in self.nodes[:3]]
        machine = self.core.client(bootstrap, _id("client", number), streams)
        member = self._members[address] = StaticMember(self, number, address, machine)
        return member

    def leave(self, member: StaticMember) -> None:
        """A member hands over what it holds, says goodbye, and is gone."""
        if member in self.nodes:
            self.nodes.remove(member)
            if subject.supports("ready"):
                member.operate(member.machine.hand_over)
        self.meter(member.machine.leave)
        member.pump()
        member.gone = True
        self.finish(member, lambda: True)

    def lose(self, node: StaticMember) -> None:
        """A node's process dies: its links end, and nobody is there who could be dialled."""
        self.nodes.remove(node)
        node.gone = True
        for link in list(node.links):
            self.close(node, link)

    def _next(
        self, kind: str, number: int | None = None
    ) -> tuple[int, str, Callable[[str], Random]]:
        if number is None:
            self._made += 1
            number = self._made
        seed = self._seed
        address = f"10.{kind == 'client':d}.{number >> 8}.{number & 255}:7000"
        return number, address, lambda purpose: Random(f"{seed}/{number}/{purpose}")

    # Time

    def now(self) -> Any:
        """This moment, as the machines are told it."""
        return self.core.instant(self._mono_ns, EPOCH_MS + self._mono_ns // 1_000_000)

    @property
    def deadline_ns(self) -> int:
        """Of an operation that begins now."""
        return self._mono_ns + DEADLINE_NS

    def after_latency(self, event: Callable[..., None], *arguments: Any) -> None:
        self._sequence += 1
        due_ns = self._mono_ns + LATENCY_NS
        heappush(self._under_way, (due_ns, self._sequence, event, arguments))

    def wake_later(self, member: StaticMember, due_ns: int) -> None:
        self._sequence += 1
        heappush(self._timers, (due_ns, self._sequence, member))

    def finish(self, member: StaticMember, condition: Callable[[], bool]) -> None:
        """Until the condition holds and nothing is under way. Time passes for want of that only,
        and only to when this member wants to be woken: what others do in the background waits."""
        end_ns = self._mono_ns + DEADLINE_NS
        while True:
            while self._under_way:
                self._deliver()
            if condition():
                return
            if member.wake_at_ns is None or member.wake_at_ns > end_ns:
                raise AssertionError("an operation does not come to an end")
            self._wake(member, member.wake_at_ns)

    def run(self, duration_ns: int) -> None:
        """Let so much time pass."""
        end_ns = self._mono_ns + duration_ns
        while self._next_ns() <= end_ns:
            self._step()
        self._mono_ns = end_ns

    def _next_ns(self) -> float:
        return min(
            self._under_way[0][0] if self._under_way else float("inf"),
            self._timers[0][0] if self._timers else float("inf"),
        )

    def _step(self) -> None:
        if not self._under_way or (self._timers and self._timers[0][0] < self._under_way[0][0]):
            due_ns, _, member = heappop(self._timers)
            if member.wake_at_ns == due_ns:  # else it was woken, or asked for an earlier time
                self._wake(member, due_ns)
        else:
            self._deliver()

    def _deliver(self) -> None:
        due_ns, _, event, arguments = heappop(self._under_way)
        self._mono_ns = max(self._mono_ns, due_ns)
        event(*arguments)

    def _wake(self, member: StaticMember, due_ns: int) -> None:
        self._mono_ns = max(self._mono_ns, due_ns)
        member.wake_at_ns = None
        member.tell(member.machine.handle_timer)

    # Links

    def send(self, source: StaticMember, link: int, frame: bytes) -> None:
        """A frame is on its way."""
        source.sent += 1
        self.traffic.messages += 1
        self.traffic.bytes += len(frame)
        target, far_link, _ = source.links[link]
        self.after_latency(self._arrived, target, far_link, frame)

    def _arrived(self, target: StaticMember, link: int, frame: bytes) -> None:
        if link in target.links and not (target.gone or target.is_deaf):
            for message in self.meter(target.links[link][2].feed, frame):
                target.tell(target.machine.receive, link, message)

    def dialled(self, source: StaticMember, address: str, node_id: Any) -> None:
        """What a member dialled answers, or there is nobody."""
        self.traffic.dials += 1
        target = self._members.get(address)
        if target is None or target.gone:
            source.tell(source.machine.connect_failed, address, node_id, self.core.nobody_there)
            return
        near, far = self._links + 1, self._links + 2
        self._links = far
        source.links[near] = target, far, self.core.frame_parser()
        target.links[far] = source, near, self.core.frame_parser()
        for member, link, peer, known_as, incoming in (
            (source, near, target, address, False),
            (target, far, source, source.address, True),
        ):
            if link in member.links:
                peer_id = peer.machine.node_id
                member.tell(member.machine.connected, link, peer_id, known_as, incoming=incoming)

    def close(self, source: StaticMember, link: int) -> None:
        """One side closes; the other hears of it after what was sent before."""
        if link in source.links:
            target, far_link, _ = source.links.pop(link)
            self.after_latency(self._closed, target, far_link)

    def _closed(self, target: StaticMember, link: int) -> None:
        if target.links.pop(link, None) is not None:
            target.tell(target.machine.disconnected, link, None)


def _id(kind: str, number: int) -> bytes:
    return sha256(f"{kind} {number}".encode()).digest()
