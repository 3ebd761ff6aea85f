"""What there is of a connection: its two ends, and before that the attempt to open it.

Rule: remembers; `tcp.py` moves messages.
"""

from typing import TYPE_CHECKING, Any

from p2pcore.effects import Connect, LinkId
from p2pcore.sim.engine import Action
from p2pcore.sim.network.links import Path
from p2pcore.wire.codec import FrameParser

if TYPE_CHECKING:
    from p2pcore.sim.hosts.process import Process

__all__ = ["ConnectionAttempt", "End"]


class End:
    """One peer's end of a connection."""

    __slots__ = (
        "accepted", "closed", "dark_since_ns", "far", "held", "last_due_ns", "link_id", "owner",
        "parser", "path", "said_end",
    )  # fmt: skip

    far: "End"

    def __init__(self, owner: "Process", link_id: LinkId, path: Path) -> None:
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


class ConnectionAttempt:
    """A peer calls an address, until its time is over."""

    __slots__ = ("deadline_ns", "effect", "machine", "process", "target")

    def __init__(self, process: "Process", effect: Connect, deadline_ns: int) -> None:
        self.process = process
        self.machine = process.machine
        self.effect = effect
        self.deadline_ns = deadline_ns
        self.target: Process | None = None
