"""What there is of a connection: its two ends, and before that the attempt to open it.

Rule: remembers; `tcp.py` moves messages.
"""

from collections import deque
from typing import Any, Protocol

from p2pcore.effects import Connect, LinkId
from p2pcore.errors import P2PError
from p2pcore.ids import NodeId
from p2pcore.machine import Machine
from p2pcore.sim.engine import Action
from p2pcore.sim.network.links import LinkProfile, Path, Uplink
from p2pcore.sim.streams import Stream
from p2pcore.wire.codec import FrameParser, Incoming
from p2pcore.wire.limits import HEADER_BYTES, MAX_UNREAD_BYTES
from p2pcore.wire.messages import REPLIES, Role

__all__ = ["TAG_AT", "ConnectionAttempt", "End", "EndOwner", "RawFrame", "is_answer"]

_REPLIES = frozenset(REPLIES)
_TAGS = frozenset(kind.__struct_config__.tag for kind in _REPLIES)
TAG_AT = HEADER_BYTES + 1  # where a frame has its tag: behind the mark of a short array


class EndOwner(Protocol):
    """What TCP needs of a process: `hosts.process.Process` has the meaning of each."""

    name: str
    index: int
    address: str
    region: str
    link: LinkProfile
    rng: Stream
    uplink: Uplink
    ends: dict[LinkId, "End"]
    alive: bool
    silent: bool
    accepts: bool
    dial_timeout_ns: int
    busy_until_ns: int

    @property
    def machine(self) -> Machine: ...

    @property
    def node_id(self) -> NodeId: ...

    @property
    def is_busy(self) -> bool: ...

    @property
    def queue_is_full(self) -> bool: ...

    def runs(self, machine: Machine) -> bool: ...

    def receive(self, link_id: LinkId, message: Incoming, size: int) -> None: ...

    def connected(self, end: "End", address: str, *, incoming: bool) -> None: ...

    def connect_failed(self, effect: Connect, error: P2PError) -> None: ...

    def disconnected(self, link_id: LinkId, error: P2PError | None) -> None: ...

    def enqueue(self, action: Action, a: Any, b: Any = None, c: Any = None) -> None: ...

    def count_waiting(self, actions: tuple[Action, ...]) -> int: ...


class End:
    """One process's end of a connection."""

    __slots__ = (
        "accepted", "closed", "dark_since_ns", "far", "held", "last_due_ns", "link_id", "owner",
        "parser", "path", "said_end", "unread_bytes", "unserved",
    )  # fmt: skip

    far: "End"

    def __init__(self, owner: EndOwner, link_id: LinkId, path: Path) -> None:
        self.owner = owner
        self.link_id = link_id
        self.path = path  # from here to the far end
        self.last_due_ns = 0  # when the last that was sent arrives
        self.accepted = True  # False on the far side until it has heard of the connection
        self.closed = False
        self.said_end = False  # whether the far end is told, or was
        self.held: list[tuple[int, Action, Any, int]] | None = None  # while the way is blocked
        self.dark_since_ns: int | None = None  # since when the way there or back is blocked
        self.parser: FrameParser | None = None  # only where bytes are parsed
        self.unread_bytes = 0  # of answers sent from here, that the far process has not handled
        self.unserved: deque[tuple[Any, int]] = deque()  # came, and waits for them to be read

    def count_held(self, actions: tuple[Action, ...]) -> int:
        """How many of these are held here."""
        return sum(1 for _, action, _, _ in self.held or () if action in actions)

    @property
    def must_wait(self) -> bool:
        """Whether nothing is read here until the far side has read (`aio/intake.py`)."""
        if self.unread_bytes <= MAX_UNREAD_BYTES:
            return False
        return self._far_is_client or self.unread_bytes > 2 * MAX_UNREAD_BYTES

    @property
    def _far_is_client(self) -> bool:
        link = self.owner.machine.links.by_id.get(self.link_id)
        return link is not None and link.role is Role.CLIENT


class RawFrame:
    """Bytes that a byzantine node sends in place of a message."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


def is_answer(payload: Any) -> bool:
    """Whether a message, or its frame, answers something."""
    if type(payload) is bytes:
        return len(payload) > TAG_AT and payload[TAG_AT] in _TAGS
    return type(payload) in _REPLIES


class ConnectionAttempt:
    """A process calls an address, until its time is over."""

    __slots__ = ("deadline_ns", "effect", "machine", "process", "target")

    def __init__(self, process: EndOwner, effect: Connect, deadline_ns: int) -> None:
        self.process = process
        self.machine = process.machine
        self.effect = effect
        self.deadline_ns = deadline_ns
        self.target: EndOwner | None = None
