"""What a fault is: when it begins, whom it hits, what it does, and how chance draws one.

Each says when it begins (`at_s`, from the moment at which it is applied) and, where that can be
meant, how long it lasts (`for_s`; 0: until the end). Whom it hits is named (`nodes`), or drawn when
it begins: `count` of the nodes that are alive. `kinds.py` lists them.

Rule: a fault is plain data with two methods, and does nothing that the real world could not do.
Effects on TCP are in `network/tcp.py`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

from p2pcore.errors import ConfigError
from p2pcore.sim.environment import Environment
from p2pcore.sim.hosts.applications import SimClient, SimNode
from p2pcore.sim.hosts.process import Process, Service
from p2pcore.sim.network.links import LinkProfile
from p2pcore.sim.network.tcp import Network
from p2pcore.sim.streams import Stream

__all__ = ["Aimed", "Fault", "FaultScene", "FaultTarget", "drawn_ms", "drawn_scale", "drawn_signed"]


class FaultTarget(Protocol):
    """What faults need of a world: `World` has the meaning of each."""

    @property
    def environment(self) -> Environment: ...

    @property
    def network(self) -> Network: ...

    @property
    def nodes(self) -> list[SimNode]: ...

    @property
    def processes(self) -> list[Process]: ...

    def process(self, name: str) -> Process: ...

    def node(
        self, *, join: bool = True, region: str = "", link: LinkProfile | None = None,
        service: Service | None = None, **settings: Any,
    ) -> SimNode: ...  # fmt: skip

    def client(self, *, connect: bool = True, **settings: Any) -> SimClient: ...


class FaultScene:
    """Where faults are played: a world, its time, and a stream of chance of their own."""

    def __init__(self, world: FaultTarget) -> None:
        self.world = world
        self.environment = world.environment
        self.rng = world.environment.stream("faults")
        self.struck: list[Fault] = []
        """The moments that came, in order: see `moment.py`."""
        self._walls = 0

    def plan(self, fault: "Fault") -> None:
        """Let it begin at its time."""
        self.environment.after(fault.at_s, lambda: self.begin(fault))

    def build_wall(self, senders: frozenset[int], receivers: frozenset[int]) -> int:
        """From now on nothing gets from these processes to those, by index; the wall's number."""
        self._walls += 1
        self.world.network.walls[self._walls] = (senders, receivers)
        return self._walls

    def take_down(self, walls: Iterable[int]) -> None:
        """What is sent from now on gets through again."""
        for wall in walls:
            del self.world.network.walls[wall]
        self.world.network.ways_changed()

    def begin(self, fault: "Fault") -> None:
        """Let it begin now."""
        self.environment.tell(str(fault))
        fault.begin(self)


@dataclass(frozen=True, kw_only=True)
class Fault:
    name: ClassVar[str]
    """What tables call this kind."""

    at_s: float = 0.0
    """When it begins, from the moment at which it is applied."""

    for_s: float = 0.0
    """How long it lasts; 0: until the end."""

    def __post_init__(self) -> None:
        for name in ("at_s", "for_s"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must be 0 or more, not {getattr(self, name)!r}")

    @classmethod
    def drawn(cls, rng: Stream, at_s: float, for_s: float) -> Self:
        """One of this kind by chance, at that time."""
        return cls(at_s=at_s, for_s=for_s)

    def begin(self, scene: FaultScene) -> None:
        """Do it; what has an end plans that, too."""
        raise NotImplementedError

    def later(self, scene: FaultScene, end: Callable[[], object]) -> None:
        """At its end, if it has one."""
        if self.for_s:
            scene.environment.after(self.for_s, end)

    def end_ns(self, scene: FaultScene) -> int:
        """When it ends, if it begins now."""
        return scene.environment.now_ns + round(self.for_s * 1e9)


@dataclass(frozen=True, kw_only=True)
class Aimed(Fault):
    """A fault of single nodes."""

    nodes: tuple[str, ...] = ()
    """Whom it hits, by name."""

    count: int = 1
    """How many are drawn from the nodes that are alive, where `nodes` is empty."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "nodes", tuple(self.nodes))
        if self.count < 1:
            raise ConfigError(f"count must be at least 1, not {self.count!r}")

    def begin(self, scene: FaultScene) -> None:
        for node in self._targets(scene):
            self.hit(node, scene)

    def hit(self, node: SimNode, scene: FaultScene) -> None:
        """Do it to this node; what has an end plans that, too."""
        raise NotImplementedError

    def _targets(self, scene: FaultScene) -> list[SimNode]:
        if self.nodes:
            named = [scene.world.process(name) for name in self.nodes]
            return [node for node in named if isinstance(node, SimNode) and node.alive]
        alive = [node for node in scene.world.nodes if node.alive]
        return scene.rng.sample(alive, min(self.count, len(alive)))


def drawn_ms(rng: Stream, low_s: float, high_s: float) -> float:
    """A time in whole milliseconds: it is to be read, and written down again."""
    return round(rng.uniform(low_s, high_s), 3)


def drawn_scale(rng: Stream, low: int, high: int) -> int:
    """A number whose order of magnitude is even between these."""
    number: float = low * (high / low) ** rng.random()
    return round(number)


def drawn_signed(rng: Stream, number: int) -> int:
    """This number, or the other way."""
    return number if rng.below(2) else -number
