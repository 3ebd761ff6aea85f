"""What goes wrong with a process: it dies, stands still, is slow, or has a wrong clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Self

from p2pcore.errors import ConfigError
from p2pcore.sim.faults.fault import Aimed, FaultScene, drawn_ms, drawn_scale, drawn_signed
from p2pcore.sim.hosts.applications import SimNode
from p2pcore.sim.hosts.operations import SimOperation
from p2pcore.sim.streams import Stream

__all__ = [
    "ClockJump", "Crash", "Drift", "Exhaustion", "Leave", "Pause", "Slowness", "Stutter",
    "check_shorter", "come_back",
]  # fmt: skip

RESTART_S = 1.0  # between attempts to start a process that could not join


@dataclass(frozen=True, kw_only=True)
class Crash(Aimed):
    """The process dies. After `for_s` it is started again and joins, and if it can't, once more
    after a second, as supervisors do; 0: it stays dead."""

    name: ClassVar[str] = "crash"

    power: bool = False
    """The machine loses its power: its connections do not break, they fall silent."""

    disk: bool = False
    """It comes back with its data directory: as the same node. Without: as a new one."""

    @classmethod
    def drawn(cls, rng: Stream, at_s: float, for_s: float) -> Self:
        stays = rng.below(3) == 0
        power, disk = bool(rng.below(2)), bool(rng.below(2))
        return cls(at_s=at_s, for_s=0 if stays else for_s, power=power, disk=disk)

    def hit(self, node: SimNode, scene: FaultScene) -> None:
        node.crash(power=self.power)
        self.later(scene, lambda: come_back(node, scene, disk=self.disk))


@dataclass(frozen=True, kw_only=True)
class Leave(Aimed):
    """The process hands over what it holds, says goodbye, and ends. `for_s` after that, a new node
    joins in its place; 0: none does."""

    name: ClassVar[str] = "leave"

    @classmethod
    def drawn(cls, rng: Stream, at_s: float, for_s: float) -> Self:
        return cls(at_s=at_s, for_s=0 if rng.below(3) == 0 else for_s)

    def hit(self, node: SimNode, scene: FaultScene) -> None:
        scene.environment.after(0, lambda: self._go(node, scene))  # in a turn of its own

    def _go(self, node: SimNode, scene: FaultScene) -> None:
        if node.alive and not node.machine.ownership.leaving:
            scene.environment.tell(f"{node} leaves")
            back = partial(come_back, node, scene, disk=False)
            node.start_leave(then=lambda _: self.later(scene, back))


@dataclass(frozen=True, kw_only=True)
class Pause(Aimed):
    """The process stands still (a collector, a stopped virtual machine), then catches up."""

    name: ClassVar[str] = "pause"

    for_s: float = 5.0

    @classmethod
    def drawn(cls, rng: Stream, at_s: float, for_s: float) -> Self:
        return cls(at_s=at_s, for_s=min(for_s, drawn_ms(rng, 0.1, 20)))

    def hit(self, node: SimNode, scene: FaultScene) -> None:
        node.pause_until(self.end_ns(scene))


@dataclass(frozen=True, kw_only=True)
class Slowness(Aimed):
    """All that the process does takes so many times as long."""

    name: ClassVar[str] = "slowness"

    times: int = 100

    @classmethod
    def drawn(cls, rng: Stream, at_s: float, for_s: float) -> Self:
        return cls(at_s=at_s, for_s=for_s, times=drawn_scale(rng, 2, 1000))

    def hit(self, node: SimNode, scene: FaultScene) -> None:
        node.slowness *= self.times
        self.later(scene, lambda: self._scale_back(node))

    def _scale_back(self, node: SimNode) -> None:
        node.slowness //= self.times


@dataclass(frozen=True, kw_only=True)
class Stutter(Aimed):
    """The process stands still for a moment, again and again, and catches up each time."""

    name: ClassVar[str] = "stutter"

    pause_ms: int = 100
    """How long, each time."""

    every_ms: int = 1000
    """From one beginning to the next."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_shorter("pause_ms", self.pause_ms, self.every_ms)

    @classmethod
    def drawn(cls, rng: Stream, at_s: float, for_s: float) -> Self:
        return cls(at_s=at_s, for_s=for_s, pause_ms=drawn_scale(rng, 10, 900))

    def hit(self, node: SimNode, scene: FaultScene) -> None:
        self._stand_still(node, scene, self.end_ns(scene))

    def _stand_still(self, node: SimNode, scene: FaultScene, end_ns: int) -> None:
        now_ns = scene.environment.now_ns
        if node.alive and (now_ns < end_ns or not self.for_s):
            node.pause_until(now_ns + self.pause_ms * 1_000_000)
            again_s = self.every_ms / 1000
            scene.environment.after(again_s, lambda: self._stand_still(node, scene, end_ns))


@dataclass(frozen=True, kw_only=True)
class Exhaustion(Aimed):
    """The process is out of descriptors: it accepts no connection; those it has go on."""

    name: ClassVar[str] = "exhaustion"

    def hit(self, node: SimNode, scene: FaultScene) -> None:
        node.accepts = False
        self.later(scene, lambda: setattr(node, "accepts", True))


@dataclass(frozen=True, kw_only=True)
class ClockJump(Aimed):
    """The time of day jumps, and back after `for_s`. The monotonic clock does not."""

    name: ClassVar[str] = "clock-jump"

    jump_ms: int = 60_000

    @classmethod
    def drawn(cls, rng: Stream, at_s: float, for_s: float) -> Self:
        jump_ms = drawn_signed(rng, drawn_scale(rng, 10, 3_600_000))
        return cls(at_s=at_s, for_s=for_s, jump_ms=jump_ms)

    def hit(self, node: SimNode, scene: FaultScene) -> None:
        node.clock.wall_offset_ms += self.jump_ms
        self.later(scene, lambda: self._jump_back(node))

    def _jump_back(self, node: SimNode) -> None:
        node.clock.wall_offset_ms -= self.jump_ms


@dataclass(frozen=True, kw_only=True)
class Drift(Aimed):
    """Both clocks run faster (below 0: slower) than the world."""

    name: ClassVar[str] = "drift"

    drift_ppm: int = 200

    @classmethod
    def drawn(cls, rng: Stream, at_s: float, for_s: float) -> Self:
        return cls(at_s=at_s, for_s=for_s, drift_ppm=drawn_signed(rng, drawn_scale(rng, 1, 1000)))

    def hit(self, node: SimNode, scene: FaultScene) -> None:
        node.drift(self.drift_ppm)
        self.later(scene, lambda: node.drift(0))


def check_shorter(name: str, ms: int, every_ms: int) -> None:
    """Of something that lasts `ms` and happens every `every_ms`.

    Raises:
        ConfigError: there is no time between.
    """
    if not 0 < ms < every_ms:
        text = f"1 to every_ms - 1, which is {every_ms - 1}"
        raise ConfigError(f"{name} must be {text}, not {ms!r}")


def come_back(
    node: SimNode, scene: FaultScene, *, disk: bool, ways_in: Sequence[str] | None = None
) -> None:
    """Start a node that is down again, until it gets in; arguments as for `SimNode.restart`."""

    def joined(operation: SimOperation) -> None:
        if operation.failed:
            again = partial(come_back, node, scene, disk=disk, ways_in=ways_in)
            scene.environment.after(RESTART_S, again)

    if not node.alive:
        node.restart(disk=disk, ways_in=ways_in, then=joined)
