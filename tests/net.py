"""A network for the sans-IO machines that a test holds in its hand: virtual time, no sockets.

Every message goes through the codec. Links deliver in order, each message `LATENCY_NS` after it was
sent. A test may kill machines, cut pairs of them apart and let a `judge` drop or hold back single
messages. The accounts balance: what was sent was delivered, dropped, held back, or is in flight.
"""

from collections.abc import Callable
from functools import partial
from hashlib import sha256
from heapq import heappop, heappush
from random import Random
from typing import Any

from p2pcore.client import Client
from p2pcore.config import ClientConfig, CoordinatorConfig
from p2pcore.effects import (
    Close,
    Complete,
    Connect,
    Effect,
    Instant,
    LinkId,
    Notice,
    Persist,
    Recall,
    Send,
)
from p2pcore.errors import AuthenticationError, P2PError, UnreachableError
from p2pcore.ids import NodeId, key_of
from p2pcore.node import Node
from p2pcore.wire.codec import FrameParser, encode_frame
from p2pcore.wire.messages import Message
from tests.saved import bring_back, read_back

__all__ = ["DROP", "HOLD", "PASS", "Net", "Peer"]

LATENCY_NS = 1_000_000
SYNC_NS = 3_000_000
DIAL_TIMEOUT_NS = 2_000_000_000
EPOCH_MS = 1_700_000_000_000
PASS, DROP, HOLD = "pass", "drop", "hold"

Judge = Callable[["Peer", "Peer", Message], str]
Machine = Node | Client


class Peer:
    """One machine in the network, and what it has told its application."""

    def __init__(self, net: "Net", name: str, address: str, machine: Machine) -> None:
        self.net = net
        self.name = name
        self.address = address
        self.machine: Any = machine
        self.alive = True
        self.silent = False  # takes part in nothing, and no connection ends: a pulled plug
        self.wall_offset_ms = 0
        self.links: dict[LinkId, tuple[Peer, LinkId, FrameParser]] = {}
        self.results: dict[int, object] = {}
        self.notices: list[str] = []
        self.unsynced: list[Persist] = []  # for its disk: see `Net.node`
        self.unread: list[Recall] = []
        self.disk: list[Persist] = []  # what is on it, in the order in which it was written
        self.syncs = True  # by itself, SYNC_NS later
        self._operations = 0
        self._wake_at_ns: int | None = None

    def __repr__(self) -> str:
        return self.name

    @property
    def now(self) -> Instant:
        net = self.net
        return Instant(net.mono_ns, EPOCH_MS + net.mono_ns // 1_000_000 + self.wall_offset_ms)

    def tell(self, event: Callable[[Instant], object]) -> None:
        """Something happens to the machine; its effects are carried out."""
        if self.alive:
            event(self.now)
            self.pump()

    def pump(self) -> None:
        for effect in self.machine.drain():
            self.net.carry_out(self, effect)
        deadline_ns = self.machine.next_deadline()
        if deadline_ns is not None and (self._wake_at_ns is None or deadline_ns < self._wake_at_ns):
            self._wake_at_ns = deadline_ns
            self.net.at(max(deadline_ns, self.net.mono_ns), lambda: self._wake(deadline_ns))

    def _wake(self, due_ns: int) -> None:
        if self._wake_at_ns == due_ns:
            self._wake_at_ns = None
            self.tell(self.machine.handle_timer)

    # What an application does; each returns the number of its operation

    def operation(self) -> int:
        self._operations += 1
        return self._operations

    def join(self) -> int:
        number = self.operation()
        self.tell(lambda now: self.machine.join(number, now))
        return number

    def write(
        self, name: str, value: bytes | None, *, ttl_ms: int | None = None, timeout_s: float = 5
    ) -> int:
        number, deadline_ns = self.operation(), self.net.mono_ns + round(timeout_s * 1e9)
        key, machine = key_of(name), self.machine
        self.tell(lambda now: machine.write(number, key, value, ttl_ms, deadline_ns, now))
        return number

    def read(self, name: str, *, timeout_s: float = 5) -> int:
        number, deadline_ns = self.operation(), self.net.mono_ns + round(timeout_s * 1e9)
        key, machine = key_of(name), self.machine
        self.tell(lambda now: machine.read(number, key, name, deadline_ns, now))
        return number

    # The same, waited for: the result, or the error as it would be raised

    def result(self, number: int) -> Any:
        self.net.run_until(lambda: number in self.results)
        result = self.results.pop(number)
        if isinstance(result, Exception):
            raise result
        return result

    def store(self, name: str, value: bytes | None, **options: Any) -> Any:
        return self.result(self.write(name, value, **options))

    def retrieve(self, name: str, **options: Any) -> Any:
        return self.result(self.read(name, **options))

    def sync(self) -> None:
        """What waits for the disk is on it, and what was to be read is there."""
        written, self.unsynced = self.unsynced, []
        self.disk += written
        if written:
            self.tell(lambda now: self.machine.journal.persisted(written[-1].number, now))
        read_back(self)

    def holds(self, name: str) -> Any:
        """The record in this node's own store."""
        return self.machine.store.get(key_of(name), self.now.wall_ms)


class Net:
    """Everybody, and the messages between them."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.mono_ns = 1_000_000_000
        self.peers: list[Peer] = []
        self.judge: Judge = lambda source, target, message: PASS
        self.trace: list[str] | None = None
        self.sent = self.delivered = self.dropped = self.in_flight = 0
        self.held: list[tuple[Peer, LinkId, bytes]] = []
        self.black_holes: list[str] = []  # addresses that swallow whatever is sent there
        self._cut: list[tuple[Peer, Peer]] = []
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = 0
        self._links = 0

    # Who is there

    def node(
        self, *, node_id: bytes | None = None, join: bool = True, disk: bool = False,
        back: Peer | None = None, **settings: Any,
    ) -> Peer:  # fmt: skip
        """Another node; by default it joins through the first one, and is waited for. With a
        `disk`, it may be one that comes `back` with what was on its disk."""
        number = len(self.peers) + 1
        address = f"10.0.{number >> 8}.{number & 255}:7000"
        if join and self.nodes and "bootstrap" not in settings:
            settings["bootstrap"] = [self.nodes[0].address]
        config = CoordinatorConfig(**settings)
        chosen = NodeId(node_id or sha256(f"node {number}".encode()).digest())
        disk, chosen = (disk, chosen) if back is None else (True, back.machine.node_id)
        machine = Node(config, chosen, self._streams(number), disk=disk)
        machine.open(config.advertise or address)
        peer = Peer(self, f"n{number}", address, machine)
        if machine.journal is not None:
            peer.disk = list(back.disk) if back is not None else []
            peer.tell(partial(bring_back, peer))
        self.peers.append(peer)
        if join:
            peer.result(peer.join())
        return peer

    def swarm(self, count: int, **settings: Any) -> list[Peer]:
        """So many nodes, joined one after the other, and settled."""
        nodes = [self.node(**settings) for _ in range(count)]
        self.run_until(lambda: all(node.machine.ownership.settled for node in nodes))
        self.run(0.1)
        return nodes

    def client(self, *, connect: bool = True, **settings: Any) -> Peer:
        number = len(self.peers) + 1
        settings.setdefault("bootstrap", [node.address for node in self.nodes[:3]])
        node_id = NodeId(sha256(f"client {number}".encode()).digest())
        machine = Client(ClientConfig(**settings), node_id, self._streams(number))
        peer = Peer(self, f"c{number}", f"10.1.0.{number}:9", machine)
        self.peers.append(peer)
        if connect:
            operation = peer.operation()
            peer.tell(lambda now: machine.connect(operation, now))
            peer.result(operation)
        return peer

    @property
    def nodes(self) -> list[Peer]:
        return [peer for peer in self.peers if isinstance(peer.machine, Node)]

    def replicas(self, name: str, count: int = 3) -> list[Peer]:
        """Who should hold a key, by brute force: the closest of those alive, nearest first."""
        point = int.from_bytes(key_of(name))
        alive = [peer for peer in self.nodes if peer.alive]
        return sorted(alive, key=lambda peer: peer.machine.table.point ^ point)[:count]

    def _streams(self, number: int) -> Callable[[str], Random]:
        return lambda purpose: Random(f"{self.seed}/{number}/{purpose}")

    # What happens to them

    def kill(self, peer: Peer) -> None:
        """The process ends without a word: its connections break."""
        peer.alive, links = False, list(peer.links)
        for link_id in links:
            self._break(peer, link_id)

    def leave(self, peer: Peer) -> None:
        """A graceful end: the peer hands over what it holds, and says goodbye."""
        number = peer.operation()
        peer.tell(lambda now: peer.machine.hand_over(number, now))
        peer.result(number)
        self.say_goodbye(peer)

    def say_goodbye(self, peer: Peer) -> None:
        """A hasty end: a goodbye, and nothing handed over."""
        peer.machine.leave()
        peer.pump()
        peer.alive = False

    def cut(self, one: Peer, other: Peer) -> None:
        """The two can't reach each other any more."""
        self._cut += [(one, other), (other, one)]
        for link_id, (peer, _, _) in list(one.links.items()):
            if peer is other:
                self.break_link(one, link_id)

    def heal(self) -> None:
        self._cut.clear()

    def break_link(self, peer: Peer, link_id: LinkId) -> None:
        """A connection breaks; both sides notice."""
        self._break(peer, link_id)
        peer.tell(lambda now: peer.machine.disconnected(link_id, None, now))

    def release(self) -> None:
        """What was held back is on its way."""
        held, self.held = self.held, []
        for target, link_id, frame in held:
            self._deliver_later(target, link_id, frame)

    # Time

    def at(self, due_ns: int, event: Callable[[], None]) -> None:
        self._sequence += 1
        heappush(self._events, (due_ns, self._sequence, event))

    def run(self, seconds: float) -> None:
        """Let so much time pass."""
        end_ns = self.mono_ns + round(seconds * 1e9)
        while self._events and self._events[0][0] <= end_ns:
            self._step()
        self.mono_ns = end_ns

    def run_until(self, condition: Callable[[], bool], limit_s: float = 120) -> None:
        end_ns = self.mono_ns + round(limit_s * 1e9)
        while not condition():
            assert self._events, "nothing will happen any more"
            assert self._events[0][0] <= end_ns, f"did not happen within {limit_s} s"
            self._step()

    def _step(self) -> None:
        self.mono_ns, _, event = heappop(self._events)
        event()

    def check(self) -> None:
        """The accounts balance, and nothing is left of operations that are over."""
        assert self.sent == self.delivered + self.dropped + self.in_flight + len(self.held)
        self.run(12)  # more than the longest time-out of anything that runs in the background
        live = [peer for peer in self.peers if peer.alive and not peer.silent]
        self.run_until(lambda: not any(peer.machine.links.calls for peer in live), 1)
        for peer in self.peers:
            if peer.alive and not peer.silent:
                assert not peer.results, f"{peer} has results that nobody waited for"
                assert not peer.machine.links.calls, f"{peer} has calls left"
                assert all(link.coordinating == 0 for link in peer.machine.links.by_id.values())

    # Effects

    def carry_out(self, peer: Peer, effect: Effect) -> None:
        if self.trace is not None:
            self.trace.append(f"{self.mono_ns} {peer.name} {effect!r}")
        if isinstance(effect, Send):
            frame = encode_frame(effect.message)
            for link_id in effect.links:
                self._send(peer, link_id, frame, effect.message)
        elif isinstance(effect, Connect):
            self._connect(peer, effect)
        elif isinstance(effect, Close):
            self._break(peer, effect.link)
        elif isinstance(effect, Complete):
            assert effect.operation not in peer.results, "an operation completes once"
            peer.results[effect.operation] = effect.result
        elif isinstance(effect, Persist | Recall):
            if not (peer.unsynced or peer.unread) and peer.syncs:
                self.at(self.mono_ns + SYNC_NS, lambda: peer.sync() if peer.syncs else None)
            waits: list[Any] = peer.unsynced if isinstance(effect, Persist) else peer.unread
            waits.append(effect)
        elif isinstance(effect, Notice):
            peer.notices.append(effect.text)

    def _send(self, peer: Peer, link_id: LinkId, frame: bytes, message: Message) -> None:
        assert link_id in peer.links, f"{peer} sends {message} on a link that is closed"
        target, far_id, _ = peer.links[link_id]
        self.sent += 1
        verdict = self.judge(peer, target, message)
        if verdict == DROP or peer.silent or target.silent:
            self.dropped += 1
        elif verdict == HOLD:
            self.held.append((target, far_id, frame))
        else:
            self._deliver_later(target, far_id, frame)

    def _deliver_later(self, target: Peer, link_id: LinkId, frame: bytes) -> None:
        self.in_flight += 1
        self.at(self.mono_ns + LATENCY_NS, lambda: self._deliver(target, link_id, frame))

    def _deliver(self, target: Peer, link_id: LinkId, frame: bytes) -> None:
        self.in_flight -= 1
        if link_id not in target.links or not target.alive or target.silent:
            self.dropped += 1
            return
        self.delivered += 1
        for message in target.links[link_id][2].feed(frame):
            target.tell(lambda now, m=message: target.machine.receive(link_id, m, now))

    def _connect(self, peer: Peer, effect: Connect) -> None:
        target = next((p for p in self.peers if p.address == effect.address), None)
        lost = peer.silent or effect.address in self.black_holes
        if lost or (target is not None and target.silent):
            error: P2PError = UnreachableError("no answer")
            self.at(self.mono_ns + DIAL_TIMEOUT_NS, lambda: self._refuse(peer, effect, error))
        else:
            self.at(self.mono_ns + LATENCY_NS, lambda: self._dialled(peer, target, effect))

    def _dialled(self, peer: Peer, target: Peer | None, effect: Connect) -> None:
        if not peer.alive:
            return
        if target is None or not target.alive or (peer, target) in self._cut:
            self._refuse(peer, effect, UnreachableError("connection refused"))
        elif effect.node_id not in (None, target.machine.node_id):
            self._refuse(peer, effect, AuthenticationError("somebody else answers there"))
        else:
            self._links += 2
            near, far = LinkId(self._links - 1), LinkId(self._links)
            peer.links[near] = (target, far, FrameParser())
            target.links[far] = (peer, near, FrameParser())
            self._report(peer, near, effect.address, incoming=False)
            self._report(target, far, peer.address, incoming=True)

    def _report(self, peer: Peer, link_id: LinkId, address: str, *, incoming: bool) -> None:
        if link_id in peer.links:
            peer_id = peer.links[link_id][0].machine.node_id
            peer.tell(
                lambda now: peer.machine.connected(
                    link_id, peer_id, address, incoming=incoming, now=now
                )
            )

    def _refuse(self, peer: Peer, effect: Connect, error: P2PError) -> None:
        peer.tell(
            lambda now: peer.machine.connect_failed(effect.address, effect.node_id, error, now)
        )

    def _break(self, peer: Peer, link_id: LinkId) -> None:
        """Our end is gone; the other side notices once what is on its way has arrived."""
        if link_id in peer.links:
            target, far_id, _ = peer.links.pop(link_id)
            if not peer.silent:
                self.at(self.mono_ns + LATENCY_NS, lambda: self._broken(target, far_id))

    def _broken(self, target: Peer, link_id: LinkId) -> None:
        if link_id in target.links and not target.silent:
            del target.links[link_id]
            target.tell(lambda now: target.machine.disconnected(link_id, None, now))
