"""Another fault, at one step of one dialogue: where a node sends or receives a certain message.

Theory of operation. What a fault can break is often open for a millisecond only: a node has changed
its state, and nobody has been told; or an answer is on its way. Every step of a dialogue between
nodes is a message, so messages are the marks, and the core needs none of its own. Each has four
sides:

    side      before                                  after
    sender    has changed its state, has not sent it  has sent it, and what goes with it
    receiver  it is there, and not handled            has handled it, and sent its answer

Own requests of a node to itself are no messages. What is struck *after* is so in an event of its
own, at the same instant; a node that is to leave always does so in one.

Rule: says when, and whom; what happens then is another fault.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

from p2pcore.errors import ConfigError
from p2pcore.sim.faults.byzantine import Byzantine
from p2pcore.sim.faults.disks import Blackout, DiskTrouble
from p2pcore.sim.faults.fault import Aimed, Fault, FaultScene
from p2pcore.sim.faults.links import Distance, Loss, Partition
from p2pcore.sim.faults.processes import (
    ClockJump,
    Crash,
    Drift,
    Exhaustion,
    Leave,
    Pause,
    Slowness,
    Stutter,
)
from p2pcore.sim.hosts.applications import SimNode
from p2pcore.sim.network.connection import EndOwner
from p2pcore.sim.network.watching import MessageStep
from p2pcore.sim.streams import Stream
from p2pcore.wire.messages import MESSAGES

__all__ = ["BLOWS", "SIDES", "Moment", "node_is"]

SIDES = ("sender", "receiver")

BLOWS: tuple[type[Fault], ...] = (
    Crash, Pause, Leave, Partition, ClockJump, Slowness, Exhaustion, Drift, Stutter, Distance, Loss,
    Byzantine, DiskTrouble, Blackout,
)  # fmt: skip
"""What chance lets happen at a moment. By hand, it may be any fault but another moment."""

MAX_NTH = 5  # where chance counts

_KINDS: dict[str, type] = {kind.__name__: kind for kind in MESSAGES}
_CLIENTS_ALONE = {("Put", "sender"), ("Get", "sender"), ("PutDone", "receiver")}


@dataclass(frozen=True, kw_only=True)
class Moment(Fault):
    """At the `nth` message of a kind, `then` strikes the node on one side of it: that node alone,
    where it is a fault of nodes, or cuts it off, where it is a partition."""

    name: ClassVar[str] = "moment"

    for_s: float = 0.0
    """How long that message is waited for; 0: until the end."""

    message: str = "Confirm"
    """By the name of its class in `p2pcore.wire.messages`."""

    nth: int = 1
    """Which one, counted from `at_s` on; those with a client on that side do not count."""

    side: str = "receiver"
    """One of SIDES."""

    before: bool = True
    """Just before it is sent, or handled; else just after."""

    then: Fault = field(default_factory=Crash)
    """Its `at_s` and `for_s` count from that moment."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.message not in _KINDS:
            raise ConfigError(f"message must be one of {', '.join(_KINDS)}, not {self.message!r}")
        if self.nth < 1:
            raise ConfigError(f"nth must be at least 1, not {self.nth!r}")
        if self.side not in SIDES:
            raise ConfigError(f"side must be one of {', '.join(SIDES)}, not {self.side!r}")
        if not node_is(self.side, self.message):
            raise ConfigError(f"the {self.side} of {self.message} is always a client, not a node")
        self._check_then()

    def _check_then(self) -> None:
        then = self.then
        if not isinstance(then, Fault) or isinstance(then, Moment):
            raise ConfigError(f"then must be a fault that is no moment itself, not {then!r}")
        if isinstance(then, Aimed) and (then.nodes or then.count != 1):
            raise ConfigError(f"then strikes one node, the {self.side}: no nodes and no count")
        if isinstance(then, Partition) and (then.side or then.share != Partition.share):
            raise ConfigError(f"then cuts off one node, the {self.side}: no side and no share")

    @classmethod
    def drawn(cls, rng: Stream, at_s: float, for_s: float) -> Self:
        side = rng.choice(SIDES)
        message = rng.choice([name for name in _KINDS if node_is(side, name)])
        half_s = round(for_s / 2, 3)
        then = rng.choice(BLOWS).drawn(rng, 0, half_s)
        if isinstance(then, Partition):
            then = replace(then, share=Partition.share)
        return cls(
            at_s=at_s, for_s=half_s, message=message, nth=1 + rng.below(MAX_NTH), side=side,
            before=bool(rng.below(2)), then=then,
        )  # fmt: skip

    def begin(self, scene: FaultScene) -> None:
        watch = _Watch(self, scene)
        scene.world.network.watchers.append(watch)
        self.later(scene, watch.end)

    def __str__(self) -> str:
        when = "before" if self.before else "after"
        return f"{self.then.name} of the {self.side} {when} {self.message}"


class _Watch:
    """Waits for one moment."""

    def __init__(self, moment: Moment, scene: FaultScene) -> None:
        self._moment = moment
        self._scene = scene
        self._kind = _KINDS[moment.message]
        self._left = moment.nth
        if moment.side == "sender":
            self._step = MessageStep.LEAVES
        else:
            self._step = MessageStep.ARRIVES if moment.before else MessageStep.HANDLED

    def __call__(self, step: MessageStep, process: EndOwner, kind: type) -> None:
        if step is not self._step or kind is not self._kind or not isinstance(process, SimNode):
            return
        self._left -= 1
        if self._left:
            return
        self.end()
        if self._moment.before:
            self._strike(process)
        else:
            self._scene.environment.after(0, lambda: self._strike(process))

    def end(self) -> None:
        watchers = self._scene.world.network.watchers
        if self in watchers:
            watchers.remove(self)

    def _strike(self, node: SimNode) -> None:
        if not node.alive:
            return  # something else has struck it at this very instant
        scene, then = self._scene, self._moment.then
        scene.struck.append(self._moment)
        scene.environment.tell(f"{node} is at the moment: {self._moment}")
        if isinstance(then, Aimed):
            then = replace(then, nodes=(node.name,))
        elif isinstance(then, Partition):
            then = replace(then, side=(node.name,))
        if then.at_s:
            scene.plan(then)
        else:
            scene.begin(then)


def node_is(side: str, message: str) -> bool:
    """Whether a node can be on that side of such a message."""
    return (message, side) not in _CLIENTS_ALONE
