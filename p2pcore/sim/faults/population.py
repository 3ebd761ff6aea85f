"""Who comes and goes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from p2pcore.errors import ConfigError
from p2pcore.sim.faults.fault import Fault, FaultScene, drawn_scale
from p2pcore.sim.hosts.applications import SimNode
from p2pcore.sim.streams import Stream

__all__ = ["Churn", "FlashCrowd"]

WAYS_IN = 3  # as many as `World.members` gives


@dataclass(frozen=True, kw_only=True)
class Churn(Fault):
    """Nodes come and go: arrivals are a Poisson process, and how long each stays is distributed
    exponentially. The arrival rate keeps the size of the network where it is."""

    name: ClassVar[str] = "churn"

    session_s: float = 3600.0
    """The mean time that a node stays, of those that are there and of those that come."""

    graceful: float = 0.5
    """Which part of those that go hand over what they hold and say goodbye; the others crash."""

    keep: tuple[str, ...] = ()
    """Who stays: so that clients have a way in."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the nodes that come."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "keep", tuple(self.keep))
        if self.session_s <= 0:
            raise ConfigError(f"session_s must be more than 0, not {self.session_s!r}")
        if not 0 <= self.graceful <= 1:
            raise ConfigError(f"graceful must be 0 to 1, not {self.graceful!r}")

    @classmethod
    def drawn(cls, rng: Stream, at_s: float, for_s: float) -> Self:
        return cls(at_s=at_s, for_s=for_s, session_s=float(drawn_scale(rng, 20, 2000)))

    def begin(self, scene: FaultScene) -> None:
        end_ns = self.end_ns(scene) if self.for_s else None
        nodes = scene.world.nodes
        staying = [node for node in nodes if node.alive and node.name not in self.keep]
        for node in staying:
            self._depart_after(node, scene, end_ns)
        if staying:
            self._next_arrival(scene, self.session_s / len(staying), end_ns)

    def _next_arrival(self, scene: FaultScene, mean_s: float, end_ns: int | None) -> None:
        delay_s = scene.rng.expovariate(1 / mean_s)
        if end_ns is None or scene.environment.now_ns + round(delay_s * 1e9) < end_ns:
            scene.environment.after(delay_s, lambda: self._arrive(scene, mean_s, end_ns))

    def _arrive(self, scene: FaultScene, mean_s: float, end_ns: int | None) -> None:
        like = scene.rng.choice(scene.world.nodes)  # in its place, with its link
        node = scene.world.node(
            join=False, region=like.region, link=like.link, service=like.service, **self.settings
        )
        node.start_join()
        self._depart_after(node, scene, end_ns)
        self._next_arrival(scene, mean_s, end_ns)

    def _depart_after(self, node: SimNode, scene: FaultScene, end_ns: int | None) -> None:
        delay_s = scene.rng.expovariate(1 / self.session_s)
        graceful = scene.rng.random() < self.graceful
        if end_ns is None or scene.environment.now_ns + round(delay_s * 1e9) < end_ns:
            scene.environment.after(delay_s, lambda: _depart(node, scene, graceful))


def _depart(node: SimNode, scene: FaultScene, graceful: bool) -> None:
    if node.alive:
        scene.environment.tell(f"{node} goes{' in good order' if graceful else ''}")
        if graceful:
            node.start_leave()
        else:
            node.crash()


@dataclass(frozen=True, kw_only=True)
class FlashCrowd(Fault):
    """Many come at once, at moments drawn from `for_s`, and stay."""

    name: ClassVar[str] = "flash-crowd"

    for_s: float = 1.0
    count: int = 16
    clients: bool = False
    """Clients that connect, in place of nodes that join."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the nodes (or clients) that come."""

    @classmethod
    def drawn(cls, rng: Stream, at_s: float, for_s: float) -> Self:
        count = drawn_scale(rng, 2, 16)
        return cls(at_s=at_s, for_s=for_s, count=count, clients=bool(rng.below(2)))

    def begin(self, scene: FaultScene) -> None:
        for _ in range(self.count):
            scene.environment.after(scene.rng.uniform(0, self.for_s), lambda: self._come(scene))

    def _come(self, scene: FaultScene) -> None:
        settings, nodes = dict(self.settings), scene.world.nodes
        if nodes and not any(node.alive for node in nodes):  # they are known, and will be back
            settings.setdefault("bootstrap", [node.address for node in nodes[:WAYS_IN]])
        if self.clients:
            scene.world.client(connect=False, **settings).start_connect()
        else:
            scene.world.node(join=False, **settings).start_join()
