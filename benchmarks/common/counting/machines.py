"""The core's state machines joined in memory: real frames, no sockets, no waiting.

Theory of operation. A frame that a machine sends is handed to the other end's parser in the order
in which all frames were sent. The clock stands still while frames are handed over; to settle, it
jumps from one deadline of the machines to the next. So a measured operation is the machines' and
the codec's own work, and each run of it is the same.

Rule: p2pcore only through `subject`; nothing here measures.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from hashlib import sha256
from random import Random
from typing import Any

from benchmarks.common import subject

__all__ = ["MachineNet", "MachinePeer"]

EPOCH_MS = 1_700_000_000_000
SETTLED_WITHIN_NS = 60_000_000_000  # virtual: joins take a second or two each
DEADLINE_NS = 5_000_000_000  # of an operation, the default of clients


class MachinePeer:
    """One machine, its links, and what its operations came to."""

    def __init__(self, machine: Any, address: str) -> None:
        self.machine = machine
        self.address = address
        self.links: dict[
            Any, tuple[MachinePeer, Any, Any]
        ] = {}  # other end, its link id, our parser
        self.results: dict[int, Any] = {}
        self._operations = 0

    def operation(self) -> int:
        """A number for an operation."""
        self._operations += 1
        return self._operations


class MachineNet:
    """Nodes that have joined each other, and a client of theirs.

    Raises:
        NotImplementedError: this commit's p2pcore has no such machines, or none that has a `disk`.
    """

    def __init__(
        self, *, nodes: int, replicas: int = 3, quorum: int = 2, disk: bool = False
    ) -> None:
        handlers: dict[str, Callable[[MachinePeer, Any], None]] = {
            "Send": self._send,
            "Connect": self._connect,
            "Close": self._close,
            "Complete": self._complete,
            "Notice": lambda peer, effect: None,
        }
        if disk:
            subject.require("durability")
            handlers["Persist"] = self._persist
        self._disk: dict[str, bool] = {"disk": True} if disk else {}
        self._effects = {subject.part("effects", name): do for name, do in handlers.items()}
        self._instant = subject.part("effects", "Instant")
        self._encode_frame = subject.part("wire.codec", "encode_frame")
        self._key_of = subject.part("ids", "key_of")
        self._frame_parser = subject.part("wire.codec", "FrameParser")
        self._mono_ns = 1_000_000_000
        self._tick()
        self._frames: deque[tuple[MachinePeer, Any, bytes]] = deque()
        self._links = 0
        self.nodes: list[MachinePeer] = []
        for _ in range(nodes):
            self._add_node(replicas, quorum)
        self.client = self._add_client()

    def _add_node(self, replicas: int, quorum: int) -> None:
        config = subject.part("config", "CoordinatorConfig")(
            bootstrap=[node.address for node in self.nodes[:1]],
            replication_factor=replicas,
            write_quorum=quorum,
            read_quorum=quorum,
        )
        number = len(self.nodes)
        identity = _identity(f"node {number}")
        machine = subject.part("node", "Node")(config, *identity, **self._disk)
        if self._disk:
            machine.journal.open(self.now)
        peer = MachinePeer(machine, f"10.0.0.{number + 1}:4100")
        machine.open(peer.address)
        self.nodes.append(peer)
        self._wait_for(peer, machine.join)
        if hasattr(machine, "wait_ready"):  # commits before it count every replica at once
            self._wait_for(peer, machine.wait_ready)

    def _add_client(self) -> MachinePeer:
        config = subject.part("config", "ClientConfig")(bootstrap=[self.nodes[0].address])
        machine = subject.part("client", "Client")(config, *_identity("client"))
        peer = self.client = MachinePeer(machine, "10.1.0.1:9")
        self._wait_for(peer, machine.connect)
        return peer

    # Operations

    def start_write(self, name: str, value: bytes) -> int:
        """The client begins to store; returns the operation's number."""
        client, key = self.client, self._key_of(name)
        number, deadline_ns = client.operation(), self._mono_ns + DEADLINE_NS
        client.machine.write(number, key, value, None, deadline_ns, self.now)
        return number

    def start_write_many(self, items: dict[str, bytes]) -> int:
        """The client begins to store a batch; returns the operation's number."""
        client, placed = self.client, [(self._key_of(name), value) for name, value in items.items()]
        number, deadline_ns = client.operation(), self._mono_ns + DEADLINE_NS
        client.machine.write_many(number, placed, None, deadline_ns, self.now)
        return number

    def start_read(self, name: str) -> int:
        """The client begins to retrieve; returns the operation's number."""
        client, key = self.client, self._key_of(name)
        number, deadline_ns = client.operation(), self._mono_ns + DEADLINE_NS
        client.machine.read(number, key, name, deadline_ns, self.now)
        return number

    def run(self) -> None:
        """Hand over frames until nobody has anything to say."""
        self.pump(self.client)
        self._hand_over()

    def pump(self, peer: MachinePeer) -> None:
        """Carry out what one machine wants done."""
        for effect in peer.machine.drain():
            self._effects[type(effect)](peer, effect)

    def settle(self) -> None:
        """Let time pass until questions and timers of now are over and done."""
        self._pass_time(2_000_000_000, lambda: False)

    def _hand_over(self) -> None:
        frames, now = self._frames, self.now
        while frames:
            peer, link_id, frame = frames.popleft()
            if link_id not in peer.links:
                continue  # closed while it was on its way
            for message in peer.links[link_id][2].feed(frame):
                peer.machine.receive(link_id, message, now)
            self.pump(peer)

    # Effects

    def _send(self, peer: MachinePeer, effect: Any) -> None:
        frame = self._encode_frame(effect.message)
        for link_id in effect.links:
            other, far_id, _ = peer.links[link_id]
            self._frames.append((other, far_id, frame))

    def _connect(self, peer: MachinePeer, effect: Any) -> None:
        other = next(node for node in self.nodes if node.address == effect.address)
        self._links += 2
        near, far = self._links - 1, self._links
        peer.links[near] = (other, far, self._frame_parser())
        other.links[far] = (peer, near, self._frame_parser())
        for end, link_id, met, incoming in ((peer, near, other, False), (other, far, peer, True)):
            end.machine.connected(
                link_id, met.machine.node_id, met.address, incoming=incoming, now=self.now
            )
        self.pump(other)

    def _close(self, peer: MachinePeer, effect: Any) -> None:
        if effect.link in peer.links:
            other, far_id, _ = peer.links.pop(effect.link)
            if other.links.pop(far_id, None) is not None:
                other.machine.disconnected(far_id, None, self.now)
                self.pump(other)

    def _persist(self, peer: MachinePeer, effect: Any) -> None:
        """A disk that syncs at once; what it has to say thereby, it says the next time."""
        peer.machine.journal.persisted(effect.number, self.now)

    def _complete(self, peer: MachinePeer, effect: Any) -> None:
        peer.results[effect.operation] = effect.result

    # Time

    def _tick(self) -> None:
        self.now = self._instant(self._mono_ns, EPOCH_MS + self._mono_ns // 1_000_000)

    def _wait_for(self, peer: MachinePeer, begin: Callable[[int, Any], object]) -> None:
        """Begin something that completes with None, and see it complete."""
        number = peer.operation()
        begin(number, self.now)
        self._pass_time(SETTLED_WITHIN_NS, lambda: number in peer.results)
        result = peer.results.pop(number, f"nothing within {SETTLED_WITHIN_NS / 1e9:g} s")
        if result is not None:
            raise AssertionError(f"{begin} came to {result}")

    def _pass_time(self, within_ns: int, over: Callable[[], bool]) -> None:
        peers = [*self.nodes, *([self.client] if hasattr(self, "client") else [])]
        until_ns = self._mono_ns + within_ns
        while True:
            for peer in peers:
                self.pump(peer)
            self._hand_over()
            deadlines = [d for peer in peers if (d := peer.machine.next_deadline()) is not None]
            if over() or not deadlines or min(deadlines) > until_ns:
                return
            self._mono_ns = max(self._mono_ns, min(deadlines))
            self._tick()
            for peer in peers:
                peer.machine.handle_timer(self.now)


def _identity(name: str) -> tuple[bytes, Callable[[str], Random]]:
    """An id, and the random stream of each purpose; always the same for a name."""
    return sha256(name.encode()).digest(), lambda purpose: Random(f"{name}/{purpose}")
