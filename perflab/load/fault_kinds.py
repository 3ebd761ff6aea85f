"""The kinds of faults of a load scenario, a class each: what it needs, what it does, how it heals.

To add one, write its class here and its row in docs/load.md. A test holds the rows against the
classes.

Rule: does what it is told to the nodes it is given; when, and to whom, `FaultPlayer` decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar, Union

from msgspec import Meta

from benchmarks.common.children import ChildError
from perflab.load.replay import MOST_SECONDS
from perflab.processes.fleet import Fleet, FleetMember
from perflab.processes.relay import Conditions, Relay
from perflab.processes.shares import LEAST_SHARE, Hold, hold
from perflab.tables import Table, tag_of, tagged

__all__ = ["FAULT_KINDS", "MOST_NODES", "AnyFault", "HealedFault", "LoadFault", "Scene"]

MOST_NODES = 64  # of a swarm that is started for a run


@dataclass(kw_only=True)
class Scene:
    """The nodes that a fault is done to, and what it may need around them."""

    fleet: Fleet
    victims: list[FleetMember]
    others: list[str]
    """The ends of links of all whom it leaves alone, clients too."""
    watch: Callable[[FleetMember], None]
    note: Callable[[str], None]
    limits: dict[int, tuple[int, int]] = field(default_factory=dict)
    """By process: what it was allowed before."""
    held: list[Hold] = field(default_factory=list)

    @property
    def relay(self) -> Relay:
        assert self.fleet.relay is not None
        return self.fleet.relay

    @property
    def names(self) -> str:
        return ", ".join(member.name for member in self.victims)


def _called(name: str) -> str:
    return name.removesuffix("Fault").lower()


class LoadFault(Table, frozen=True, kw_only=True, tag_field="kind", tag=_called):
    """Something that is done to `nodes` nodes, `at_s` seconds after the beginning, for good."""

    of_links: ClassVar[bool] = False
    """Whether it needs a relay between the nodes."""
    noticed_by_nodes: ClassVar[bool] = False
    """Whether the other nodes can see that somebody is gone."""
    leaves_fewer: ClassVar[bool] = False
    """Whether the network is smaller afterwards."""
    spares_one: ClassVar[bool] = True
    """Whether a node has to be left alone, or there would be no network meanwhile."""

    at_s: Annotated[float, Meta(ge=0, le=MOST_SECONDS)]
    nodes: Annotated[int, Meta(ge=1, le=MOST_NODES)] = 1
    recover_within_s: Annotated[float, Meta(gt=0, le=MOST_SECONDS)] = 30.0
    """After it was healed, or made if it never is; the run fails if it takes longer."""

    @property
    def name(self) -> str:
        """The kind's, as files have it."""
        return tag_of(type(self))

    @property
    def end_s(self) -> float:
        """When it is over."""
        return self.at_s

    def begin(self, scene: Scene) -> None:
        """Do it. Raises whatever prevents that."""
        raise NotImplementedError


class HealedFault(LoadFault, frozen=True, kw_only=True):
    """One that ends after `for_s`."""

    for_s: Annotated[float, Meta(gt=0, le=3600)]

    @property
    def end_s(self) -> float:
        return self.at_s + self.for_s

    def heal(self, scene: Scene) -> str:
        """End it; returns the names of those who are back. Raises whatever prevents that."""
        raise NotImplementedError

    def after_heal(self, scene: Scene) -> None:
        """What has to be looked after once its end was noted."""


class KillFault(LoadFault, frozen=True, kw_only=True):
    """SIGKILL, for good."""

    noticed_by_nodes = True
    leaves_fewer = True

    def begin(self, scene: Scene) -> None:
        for member in scene.victims:
            scene.fleet.kill(member)


class RestartFault(HealedFault, frozen=True, kw_only=True):
    """SIGKILL, then another empty node joins."""

    noticed_by_nodes = True

    def begin(self, scene: Scene) -> None:
        for member in scene.victims:
            scene.fleet.kill(member)

    def heal(self, scene: Scene) -> str:
        joined = scene.fleet.join(self.nodes)
        for member in joined:
            scene.watch(member)
        return ", ".join(member.name for member in joined)


class PauseFault(HealedFault, frozen=True, kw_only=True):
    """SIGSTOP, and SIGCONT."""

    noticed_by_nodes = True

    def begin(self, scene: Scene) -> None:
        for member in scene.victims:
            scene.fleet.pause(member)

    def heal(self, scene: Scene) -> str:
        for member in scene.victims:
            scene.fleet.resume(member)
        return scene.names


class ShareFault(HealedFault, frozen=True, kw_only=True):
    """Each node has only such a `share` of one processor: by a quota of its cgroup, else stopped
    and let go on."""

    spares_one = False

    share: Annotated[float, Meta(ge=LEAST_SHARE, le=1)]

    def begin(self, scene: Scene) -> None:
        for member in scene.victims:
            scene.held.append(hold(member.child.pid, self.share))
        scene.note(f"held by: {scene.held[-1].how}")

    def heal(self, scene: Scene) -> str:
        for held in scene.held:
            held.end()
        return scene.names


class _OfLinks(HealedFault, frozen=True, kw_only=True):
    """Of what passes between the nodes and all others."""

    of_links = True

    def conditions(self) -> Conditions:
        """What links are like meanwhile."""
        raise NotImplementedError

    def begin(self, scene: Scene) -> None:
        ends = [member.end for member in scene.victims]
        scene.relay.set_between(ends, scene.others, self.conditions())

    def heal(self, scene: Scene) -> str:
        scene.relay.heal()
        return scene.names


class PartitionFault(_OfLinks, frozen=True, kw_only=True):
    """Nobody reaches the nodes: connections are reset, or with `hold` nothing passes."""

    noticed_by_nodes = True

    hold: bool = False

    def conditions(self) -> Conditions:
        return Conditions(cut="hold" if self.hold else "refuse")


class SlowFault(_OfLinks, frozen=True, kw_only=True):
    """Links delay by `delay_ms`, and pass `bytes_per_s` if given."""

    delay_ms: Annotated[float, Meta(ge=0, le=60_000)] = 0.0
    bytes_per_s: Annotated[float, Meta(ge=1, le=1e12)] | None = None

    def __post_init__(self) -> None:
        if not self.delay_ms and self.bytes_per_s is None:
            raise ValueError("delay_ms is above 0 for slow, or there is bytes_per_s; neither is so")

    def conditions(self) -> Conditions:
        return Conditions(delay_s=self.delay_ms / 1e3, bytes_per_s=self.bytes_per_s)


class LossyFault(_OfLinks, frozen=True, kw_only=True):
    """Of what is sent, a share of `loss` comes a retransmission later."""

    loss: Annotated[float, Meta(gt=0, le=1)]

    def conditions(self) -> Conditions:
        return Conditions(loss=self.loss)


class _OfLimits(HealedFault, frozen=True, kw_only=True):
    """Nodes may take only `limit` more of something than they have (Linux)."""

    limit: Annotated[int, Meta(ge=0, lt=1 << 62)] = 0

    def number(self) -> int:
        """The kernel's, of what is limited."""
        raise NotImplementedError

    def used(self, pid: int) -> int:
        """How much of it a process has."""
        raise NotImplementedError

    def begin(self, scene: Scene) -> None:
        import resource

        for member in scene.victims:
            pid = member.child.pid
            used, before = self.used(pid), resource.prlimit(pid, self.number())
            scene.limits[pid] = before
            resource.prlimit(pid, self.number(), (used + self.limit, before[1]))

    def heal(self, scene: Scene) -> str:
        return scene.names

    def after_heal(self, scene: Scene) -> None:
        """Take the limits away; a node that has died of its own is buried, and told."""
        import resource

        for member in scene.victims:
            try:
                pid = member.child.pid
                resource.prlimit(pid, self.number(), scene.limits[pid])
                scene.fleet.standing(member)
            except (ChildError, OSError) as error:
                scene.fleet.kill(member)
                scene.note(f"{member.name} has died of it: {error}")


class DescriptorsFault(_OfLimits, frozen=True, kw_only=True):
    """Of descriptors."""

    def number(self) -> int:
        import resource

        return resource.RLIMIT_NOFILE

    def used(self, pid: int) -> int:
        import psutil

        return int(psutil.Process(pid).num_fds())


class MemoryFault(_OfLimits, frozen=True, kw_only=True):
    """Of bytes of address space."""

    def number(self) -> int:
        import resource

        return resource.RLIMIT_AS

    def used(self, pid: int) -> int:
        import psutil

        return int(psutil.Process(pid).memory_info().vms)


FAULT_KINDS: dict[str, type[LoadFault]] = {
    name: kind for name, kind in tagged(LoadFault).items() if kind is not HealedFault
}
"""By the names that files call them."""

if TYPE_CHECKING:
    AnyFault = LoadFault
else:
    AnyFault = Union[tuple(FAULT_KINDS.values())]  # noqa: UP007 -- a tagged union of the classes
