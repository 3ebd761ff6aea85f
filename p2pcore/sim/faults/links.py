"""What goes wrong with the network: it is cut, further away, or loses segments."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from p2pcore.errors import ConfigError
from p2pcore.sim.faults.fault import Aimed, Fault, FaultScene, drawn_scale
from p2pcore.sim.hosts.applications import SimNode
from p2pcore.sim.hosts.process import Process
from p2pcore.sim.network.links import LinkProfile
from p2pcore.sim.streams import Stream

__all__ = ["Distance", "Loss", "Partition", "relink"]

CERTAIN_PPM = 999_999


@dataclass(frozen=True, kw_only=True)
class Partition(Fault):
    """The network is cut. Who comes later belongs to no side, and reaches both."""

    name: ClassVar[str] = "partition"

    side: tuple[str, ...] = ()
    """The processes on one side, clients included; all others are on the other."""

    share: float = 0.5
    """Which part of the nodes is drawn for that side, where it is empty."""

    one_way: bool = False
    """Only what the side sends is lost; what is sent to it arrives."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "side", tuple(self.side))
        if not 0 < self.share < 1:
            raise ConfigError(f"share must be between 0 and 1, not {self.share!r}")

    @classmethod
    def drawn(cls, rng: Stream, at_s: float, for_s: float) -> Self:
        share = round(rng.uniform(0.1, 0.5), 2)
        return cls(at_s=at_s, for_s=for_s, share=share, one_way=rng.below(4) == 0)

    def begin(self, scene: FaultScene) -> None:
        world = scene.world
        if self.side:
            side = [world.process(name) for name in self.side]
        else:
            nodes: list[Process] = [node for node in world.nodes if node.alive]
            side = scene.rng.sample(nodes, max(1, round(self.share * len(nodes))))
        inside = frozenset(process.index for process in side)
        outside = frozenset(process.index for process in world.processes) - inside
        walls = [scene.build_wall(inside, outside)]
        if not self.one_way:
            walls.append(scene.build_wall(outside, inside))
        world.network.ways_changed()
        self.later(scene, lambda: _heal(scene, walls))


def _heal(scene: FaultScene, walls: list[int]) -> None:
    scene.environment.tell("the partition is over")
    scene.take_down(walls)


@dataclass(frozen=True, kw_only=True)
class Distance(Aimed):
    """The process is further away: what it sends, and what is sent to it, takes longer."""

    name: ClassVar[str] = "distance"

    extra_ms: int = 10
    """One way."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.extra_ms < 1:
            raise ConfigError(f"extra_ms must be at least 1, not {self.extra_ms!r}")

    @classmethod
    def drawn(cls, rng: Stream, at_s: float, for_s: float) -> Self:
        return cls(at_s=at_s, for_s=for_s, extra_ms=drawn_scale(rng, 1, 100))

    def hit(self, node: SimNode, scene: FaultScene) -> None:
        _move(node, self.extra_ms)
        self.later(scene, lambda: _move(node, -self.extra_ms))


def _move(process: Process, further_ms: int) -> None:
    latency_us = process.link.latency_us + 1000 * further_ms
    relink(process, replace(process.link, latency_us=latency_us))


@dataclass(frozen=True, kw_only=True)
class Loss(Aimed):
    """Segments of the process are lost: those that it sends, and unless it is `one_way`, those that
    are sent to it. TCP sends them again, later and later."""

    name: ClassVar[str] = "loss"

    loss_ppm: int = 800_000
    one_way: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.loss_ppm < 1_000_000:
            raise ConfigError(f"loss_ppm must be 1 to 999999, not {self.loss_ppm!r}")

    @classmethod
    def drawn(cls, rng: Stream, at_s: float, for_s: float) -> Self:
        loss_ppm = drawn_scale(rng, 1000, 900_000)
        return cls(at_s=at_s, for_s=for_s, loss_ppm=loss_ppm, one_way=bool(rng.below(2)))

    def hit(self, node: SimNode, scene: FaultScene) -> None:
        self._lose(node, self.loss_ppm)
        self.later(scene, lambda: self._lose(node, -self.loss_ppm))

    def _lose(self, process: Process, loss_ppm: int) -> None:
        """Let so much more be lost (or less, where it is below 0)."""
        name = "up_loss_ppm" if self.one_way else "loss_ppm"
        lost_ppm = min(CERTAIN_PPM, max(0, getattr(process.link, name) + loss_ppm))
        relink(process, replace(process.link, **{name: lost_ppm}))


def relink(process: Process, link: LinkProfile) -> None:
    """Connect it to the world in another way; its connections stay."""
    process.link = link
    path = process.network.path
    for end in process.ends.values():
        end.path, end.far.path = path(process, end.far.owner), path(end.far.owner, process)
