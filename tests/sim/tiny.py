"""A frozen tiny node for golden traces: what it does never changes, whatever becomes of the core.

Each of a ring of them greets the next; whoever is greeted answers, and every TICK_NS it greets
again. It uses the boundary of the core (effects and instants) and a message of its own.
"""

from typing import Any

from msgspec import Struct

from p2pcore.effects import Close, Connect, Effect, Instant, LinkId, Send
from p2pcore.errors import P2PError
from p2pcore.ids import NodeId
from p2pcore.session.link import Counters

TICK_NS = 100_000_000


class Hello(Struct, array_like=True, frozen=True, tag=900):
    number: int
    text: str


class TinyNode:
    def __init__(self, number: int, next_address: str, rng: Any) -> None:
        self.node_id = NodeId(number.to_bytes(32))
        self.counters = Counters()
        self.heard: list[int] = []
        self.lost: list[LinkId] = []
        self.failed = 0
        self._rng = rng
        self._next_address = next_address
        self._effects: list[Effect] = []
        self._out: LinkId | None = None
        self._said = 0
        self._due_ns: int | None = None

    def begin(self, now: Instant) -> None:
        self._effects.append(Connect(self._next_address, None))
        self._due_ns = now.mono_ns + TICK_NS

    def connected(
        self, link_id: LinkId, peer_id: NodeId, address: str, *, incoming: bool, now: Instant
    ) -> None:
        if not incoming:
            self._out = link_id
            self._hello(link_id)

    def receive(self, link_id: LinkId, message: Any, now: Instant) -> None:
        self.heard.append(message.number)
        if link_id != self._out:
            self._hello(link_id)

    def disconnected(self, link_id: LinkId, error: P2PError | None, now: Instant) -> None:
        self.lost.append(link_id)
        if link_id == self._out:
            self._out = None

    def connect_failed(
        self, address: str, node_id: NodeId | None, error: P2PError, now: Instant
    ) -> None:
        self.failed += 1

    def hang_up(self, now: Instant) -> None:
        assert self._out is not None
        self._effects.append(Close(self._out, "enough"))
        self._out = None

    def next_deadline(self) -> int | None:
        return self._due_ns

    def handle_timer(self, now: Instant) -> None:
        self._due_ns = now.mono_ns + TICK_NS + self._rng.below(TICK_NS)
        if self._out is not None:
            self._hello(self._out)

    def drain(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects

    def _hello(self, link_id: LinkId) -> None:
        self._said += 1
        text = "x" * self._rng.below(3000)
        self._effects.append(Send((link_id,), Hello(self._said, text)))  # type: ignore[arg-type]


def ring(world: Any, count: int, **settings: Any) -> list[Any]:
    """So many of them in a world, started."""
    processes = []
    for number in range(1, count + 1):
        following = number % count + 1
        machine = TinyNode(number, f"10.201.0.{following}:7000", world.stream(f"tiny {number}"))
        processes.append(world.adopt(machine, name=f"t{number}", **settings))
    for process in processes:
        process.tell(process.machine.begin)
    return processes
