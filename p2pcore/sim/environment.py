"""What everything in a world shares: its seed, its virtual time, and the trace of what happens.

Rule: knows no process and no connection.
"""

from collections.abc import Callable
from hashlib import sha256

from p2pcore.ids import NodeId
from p2pcore.sim.engine import Engine
from p2pcore.sim.streams import Stream
from p2pcore.sim.trace import EventTrace

__all__ = ["Environment"]

START_NS = 1_000_000_000  # virtual time begins here: 0 means "never" in some places of the core


class Environment:
    """The seed, the engine and the trace of one world.

    Args:
        seed: everything that is left to chance follows from it.
        story: called with a line for every event, for people.
    """

    def __init__(self, seed: int, story: Callable[[str], None] | None = None) -> None:
        self.seed = seed
        self.engine = Engine(START_NS)
        self.trace = EventTrace(story)

    @property
    def now_ns(self) -> int:
        """Virtual time."""
        return self.engine.now_ns

    def after(self, seconds: float, callback: Callable[[], object]) -> None:
        """Call back when so much time has passed."""
        self.engine.at(self.engine.now_ns + round(seconds * 1e9), _call, callback)

    def tell(self, text: str) -> None:
        """Add a line to the story."""
        self.trace.tell(self.engine.now_ns, text)

    def stream(self, purpose: str) -> Stream:
        """The world's own random stream of one purpose."""
        return Stream(f"{self.seed}//{purpose}")

    def new_identity(self, name: str) -> NodeId:
        """An id that follows from the seed and the name."""
        return NodeId(sha256(f"{self.seed}/{name}/id".encode()).digest())


def _call(callback: Callable[[], object], _: None, __: None) -> None:
    callback()
