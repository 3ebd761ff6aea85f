"""What goes wrong, as plain data, and how it is done to a world.

Each fault says when it begins (`at_s`, from the moment at which it is applied) and, where that can
be meant, how long it lasts (`for_s`; 0: until the end). Whom it hits is named (`nodes`), or drawn
when it begins: `count` of the nodes that are alive. `fault_from` makes one from a table of strings
and numbers, as TOML has them.

Rule: a fault does nothing that the real world could not do. Effects on TCP are in `network.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from p2pcore.errors import ConfigError
from p2pcore.sim.applications import Operation, SimNode
from p2pcore.sim.misbehaviour import MANNERS, misbehave
from p2pcore.sim.peers import Peer

if TYPE_CHECKING:
    from p2pcore.sim.world import World

__all__ = [
    "FAULTS", "Churn", "ClockJump", "Crash", "Drift", "Exhaustion", "Fault", "Faults", "FlashCrowd",
    "Misbehaviour", "Partition", "Pause", "Slowness", "fault_from", "table_of",
]  # fmt: skip

RESTART_S = 1.0  # between attempts to start a process that could not join


@dataclass(frozen=True, kw_only=True)
class _Timed:
    at_s: float = 0.0
    """When it begins, from the moment at which it is applied."""

    for_s: float = 0.0
    """How long it lasts; 0: until the end."""

    def __post_init__(self) -> None:
        for name in ("at_s", "for_s"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must be 0 or more, not {getattr(self, name)!r}")


@dataclass(frozen=True, kw_only=True)
class _Aimed(_Timed):
    nodes: tuple[str, ...] = ()
    """Whom it hits, by name."""

    count: int = 1
    """How many are drawn from the nodes that are alive, where `nodes` is empty."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "nodes", tuple(self.nodes))
        if self.count < 1:
            raise ConfigError(f"count must be at least 1, not {self.count!r}")


@dataclass(frozen=True, kw_only=True)
class Partition(_Timed):
    """The network is cut. Who comes later belongs to no side, and reaches both."""

    side: tuple[str, ...] = ()
    """The peers on one side, clients included; all others are on the other."""

    share: float = 0.5
    """Which part of the nodes is drawn for that side, where it is empty."""

    one_way: bool = False
    """Only what the side sends is lost; what is sent to it arrives."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "side", tuple(self.side))
        if not 0 < self.share < 1:
            raise ConfigError(f"share must be between 0 and 1, not {self.share!r}")


@dataclass(frozen=True, kw_only=True)
class Crash(_Aimed):
    """The process dies. After `for_s` it is started again and joins, and if it can't, once more
    after a second, as supervisors do; 0: it stays dead."""

    power: bool = False
    """The machine loses its power: its connections do not break, they fall silent."""

    disk: bool = False
    """It comes back with its data directory: as the same node. Without: as a new one."""


@dataclass(frozen=True, kw_only=True)
class Pause(_Aimed):
    """The process stands still (a collector, a stopped virtual machine), then catches up."""

    for_s: float = 5.0


@dataclass(frozen=True, kw_only=True)
class Slowness(_Aimed):
    """All that the process does takes so many times as long."""

    times: int = 100


@dataclass(frozen=True, kw_only=True)
class Exhaustion(_Aimed):
    """The process is out of descriptors: it accepts no connection; those it has go on."""


@dataclass(frozen=True, kw_only=True)
class ClockJump(_Aimed):
    """The time of day jumps, and back after `for_s`. The monotonic clock does not."""

    jump_ms: int = 60_000


@dataclass(frozen=True, kw_only=True)
class Drift(_Aimed):
    """Both clocks run faster (below 0: slower) than the world."""

    drift_ppm: int = 200


@dataclass(frozen=True, kw_only=True)
class Churn(_Timed):
    """Nodes come and go: arrivals are a Poisson process, and how long each stays is distributed
    exponentially. The arrival rate keeps the size of the network where it is."""

    session_s: float = 3600.0
    """The mean time that a node stays, of those that are there and of those that come."""

    graceful: float = 0.5
    """Which part of those that go hand over what they hold and say goodbye; the others crash."""

    keep: tuple[str, ...] = ()
    """Who stays: so that clients have a way in."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of the nodes that come."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "keep", tuple(self.keep))
        if self.session_s <= 0:
            raise ConfigError(f"session_s must be more than 0, not {self.session_s!r}")
        if not 0 <= self.graceful <= 1:
            raise ConfigError(f"graceful must be 0 to 1, not {self.graceful!r}")


@dataclass(frozen=True, kw_only=True)
class FlashCrowd(_Timed):
    """Many come at once, at moments drawn from `for_s`, and stay."""

    for_s: float = 1.0
    count: int = 16
    clients: bool = False
    """Clients that connect, in place of nodes that join."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of the nodes (or clients) that come."""


@dataclass(frozen=True, kw_only=True)
class Misbehaviour(_Aimed):
    """A member does what it must not; see `misbehaviour.py`. After `for_s` its process is ended."""

    manner: str = "garbage"
    """One of MANNERS."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.manner not in MANNERS:
            raise ConfigError(f"manner must be one of {', '.join(MANNERS)}, not {self.manner!r}")


Fault = (
    Partition | Crash | Pause | Slowness | Exhaustion | ClockJump | Drift | Churn | FlashCrowd
    | Misbehaviour
)  # fmt: skip

FAULTS: dict[str, type] = {
    "partition": Partition, "crash": Crash, "pause": Pause, "slowness": Slowness,
    "exhaustion": Exhaustion, "clock-jump": ClockJump, "drift": Drift, "churn": Churn,
    "flash-crowd": FlashCrowd, "misbehaviour": Misbehaviour,
}  # fmt: skip
"""Every kind of fault, by the name that a table calls it."""


def fault_from(table: Mapping[str, Any]) -> Fault:
    """A fault from its fields, and `fault`, the name of its kind.

    Raises:
        ConfigError: there is no such kind, or field, or the value is out of its range.
    """
    values = dict(table)
    name = values.pop("fault", None)
    if name not in FAULTS:
        raise ConfigError(f"fault must be one of {', '.join(FAULTS)}, not {name!r}")
    known = [each.name for each in fields(FAULTS[name])]
    for key in values:
        if key not in known:
            raise ConfigError(f"{name} has no {key!r}; it has {', '.join(known)}")
    fault: Fault = FAULTS[name](**values)
    return fault


def table_of(fault: Fault) -> dict[str, Any]:
    """The table that `fault_from` makes this fault of; what is as by default is left out."""
    names = {kind: name for name, kind in FAULTS.items()}
    plain, table = type(fault)(), {"fault": names[type(fault)]}
    for each in fields(fault):
        value = getattr(fault, each.name)
        if value != getattr(plain, each.name):
            table[each.name] = value
    return table


class Faults:
    """Does faults to a world."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._rng = world.stream("faults")
        self._walls = 0

    def plan(self, fault: Fault) -> None:
        """Let it begin at its time."""
        self._world.after(fault.at_s, lambda: self._begin(fault))

    def _begin(self, fault: Fault) -> None:
        self._tell(str(fault))
        if isinstance(fault, Partition):
            self._cut(fault)
        elif isinstance(fault, Churn):
            self._churn(fault)
        elif isinstance(fault, FlashCrowd):
            self._crowd(fault)
        else:
            for node in self._targets(fault):
                self._hit(node, fault)

    def _targets(self, fault: _Aimed) -> list[SimNode]:
        if fault.nodes:
            named = [self._world.peer(name) for name in fault.nodes]
            return [node for node in named if isinstance(node, SimNode) and node.alive]
        alive = [node for node in self._world.nodes if node.alive]
        return self._rng.sample(alive, min(fault.count, len(alive)))

    def _hit(self, node: SimNode, fault: Fault) -> None:
        match fault:
            case Crash():
                node.crash(power=fault.power)
                self._later(fault, lambda: self._restart(node, fault.disk))
            case Pause():
                node.pause_until(self._world.now_ns + round(fault.for_s * 1e9))
            case Slowness():
                node.slowness *= fault.times
                self._later(fault, lambda: _scale_back(node, fault.times))
            case Exhaustion():
                node.accepts = False
                self._later(fault, lambda: setattr(node, "accepts", True))
            case ClockJump():
                _jump(node, fault.jump_ms)
                self._later(fault, lambda: _jump(node, -fault.jump_ms))
            case Drift():
                self._drift(node, fault.drift_ppm)
                self._later(fault, lambda: self._drift(node, 0))
            case Misbehaviour():
                misbehave(node, fault.manner)
                self._later(fault, lambda: node.crash() if node.alive and node.manner else None)

    def _later(self, fault: Fault, end: Callable[[], object]) -> None:
        if fault.for_s:
            self._world.after(fault.for_s, end)

    def _restart(self, node: SimNode, disk: bool) -> None:
        def joined(operation: Operation) -> None:
            if operation.failed:
                self._world.after(RESTART_S, lambda: self._restart(node, disk))

        if not node.alive:
            node.restart(disk=disk, then=joined)

    def _drift(self, node: Peer, drift_ppm: int) -> None:
        node.clock.set_drift(drift_ppm, self._world.now_ns)
        node.clock_changed()

    # Partitions

    def _cut(self, fault: Partition) -> None:
        world, network = self._world, self._world.network
        if fault.side:
            side = [world.peer(name) for name in fault.side]
        else:
            nodes: list[Peer] = [node for node in world.nodes if node.alive]
            side = self._rng.sample(nodes, max(1, round(fault.share * len(nodes))))
        inside = frozenset(peer.index for peer in side)
        outside = frozenset(peer.index for peer in world.peers) - inside
        self._walls += 2
        one, other = self._walls - 1, self._walls
        network.walls[one] = (inside, outside)
        if not fault.one_way:
            network.walls[other] = (outside, inside)
        world.ways_changed()
        self._later(fault, lambda: self._heal(one, other))

    def _heal(self, *walls: int) -> None:
        for wall in walls:
            self._world.network.walls.pop(wall, None)
        self._tell("the partition is over")
        self._world.ways_changed()

    # Coming and going

    def _churn(self, fault: Churn) -> None:
        world = self._world
        end_ns = world.now_ns + round(fault.for_s * 1e9) if fault.for_s else None
        staying = [node for node in world.nodes if node.alive and node.name not in fault.keep]
        for node in staying:
            self._depart_after(node, fault, end_ns)
        if staying:
            self._next_arrival(fault, fault.session_s / len(staying), end_ns)

    def _next_arrival(self, fault: Churn, mean_s: float, end_ns: int | None) -> None:
        delay_s = self._rng.expovariate(1 / mean_s)
        if end_ns is None or self._world.now_ns + round(delay_s * 1e9) < end_ns:
            self._world.after(delay_s, lambda: self._arrive(fault, mean_s, end_ns))

    def _arrive(self, fault: Churn, mean_s: float, end_ns: int | None) -> None:
        like = self._rng.choice(self._world.nodes)  # in its place, with its link
        node = self._world.node(
            join=False, region=like.region, link=like.link, service=like.service, **fault.settings
        )
        node.start_join()
        self._depart_after(node, fault, end_ns)
        self._next_arrival(fault, mean_s, end_ns)

    def _depart_after(self, node: SimNode, fault: Churn, end_ns: int | None) -> None:
        delay_s = self._rng.expovariate(1 / fault.session_s)
        graceful = self._rng.random() < fault.graceful
        if end_ns is None or self._world.now_ns + round(delay_s * 1e9) < end_ns:
            self._world.after(delay_s, lambda: self._depart(node, graceful))

    def _depart(self, node: SimNode, graceful: bool) -> None:
        if node.alive:
            self._tell(f"{node} goes{' in good order' if graceful else ''}")
            if graceful:
                node.start_leave()
            else:
                node.crash()

    def _crowd(self, fault: FlashCrowd) -> None:
        for _ in range(fault.count):
            self._world.after(self._rng.uniform(0, fault.for_s), lambda: self._come(fault))

    def _come(self, fault: FlashCrowd) -> None:
        if fault.clients:
            self._world.client(connect=False, **fault.settings).start_connect()
        else:
            self._world.node(join=False, **fault.settings).start_join()

    def _tell(self, text: str) -> None:
        self._world.trace.tell(self._world.now_ns, text)


def _scale_back(node: Peer, times: int) -> None:
    node.slowness //= times


def _jump(node: Peer, jump_ms: int) -> None:
    node.clock.wall_offset_ms += jump_ms
