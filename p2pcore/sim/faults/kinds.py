"""What goes wrong, as plain data.

Each fault says when it begins (`at_s`, from the moment at which it is applied) and, where that can
be meant, how long it lasts (`for_s`; 0: until the end). Whom it hits is named (`nodes`), or drawn
when it begins: `count` of the nodes that are alive. `fault_from` makes one from a table of strings
and numbers, as TOML has them.

Rule: data; `player.py` does it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from p2pcore.errors import ConfigError
from p2pcore.sim.faults.byzantine import BEHAVIOURS

__all__ = [
    "DISK_TROUBLES", "FAULTS", "Blackout", "Byzantine", "Churn", "ClockJump", "Crash",
    "DiskTrouble", "Distance", "Drift", "Exhaustion", "Fault", "FlashCrowd", "Loss", "Mobile",
    "Partition", "Pause", "Slowness", "Stutter", "fault_from", "table_of",
]  # fmt: skip


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
class Aimed(_Timed):
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


@dataclass(frozen=True, kw_only=True)
class Crash(Aimed):
    """The process dies. After `for_s` it is started again and joins, and if it can't, once more
    after a second, as supervisors do; 0: it stays dead."""

    power: bool = False
    """The machine loses its power: its connections do not break, they fall silent."""

    disk: bool = False
    """It comes back with its data directory: as the same node. Without: as a new one."""


@dataclass(frozen=True, kw_only=True)
class Pause(Aimed):
    """The process stands still (a collector, a stopped virtual machine), then catches up."""

    for_s: float = 5.0


@dataclass(frozen=True, kw_only=True)
class Slowness(Aimed):
    """All that the process does takes so many times as long."""

    times: int = 100


@dataclass(frozen=True, kw_only=True)
class Stutter(Aimed):
    """The process stands still for a moment, again and again, and catches up each time."""

    pause_ms: int = 100
    """How long, each time."""

    every_ms: int = 1000
    """From one beginning to the next."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.pause_ms < self.every_ms:
            text = f"1 to every_ms - 1, which is {self.every_ms - 1}"
            raise ConfigError(f"pause_ms must be {text}, not {self.pause_ms!r}")


@dataclass(frozen=True, kw_only=True)
class Distance(Aimed):
    """The process is further away: what it sends, and what is sent to it, takes longer."""

    extra_ms: int = 10
    """One way."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.extra_ms < 1:
            raise ConfigError(f"extra_ms must be at least 1, not {self.extra_ms!r}")


@dataclass(frozen=True, kw_only=True)
class Loss(Aimed):
    """Segments of the process are lost: those that it sends, and unless it is `one_way`, those that
    are sent to it. TCP sends them again, later and later."""

    loss_ppm: int = 800_000
    one_way: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.loss_ppm < 1_000_000:
            raise ConfigError(f"loss_ppm must be 1 to 999999, not {self.loss_ppm!r}")


@dataclass(frozen=True, kw_only=True)
class Mobile(Aimed):
    """The process is on a telephone: its link is the profile `mobile`, it sleeps again and again,
    and now and then it has another address: its connections are gone, and nobody tells the other
    side. Addresses change in a sleep."""

    sleep_ms: int = 1500
    """How long it sleeps, each time."""

    every_ms: int = 10_000
    """From one sleep to the next."""

    moves: int = 3
    """It wakes with another address each time that it has slept so often; 0: never."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.sleep_ms < self.every_ms:
            text = f"1 to every_ms - 1, which is {self.every_ms - 1}"
            raise ConfigError(f"sleep_ms must be {text}, not {self.sleep_ms!r}")
        if self.moves < 0:
            raise ConfigError(f"moves must be 0 or more, not {self.moves!r}")


@dataclass(frozen=True, kw_only=True)
class Exhaustion(Aimed):
    """The process is out of descriptors: it accepts no connection; those it has go on."""


@dataclass(frozen=True, kw_only=True)
class ClockJump(Aimed):
    """The time of day jumps, and back after `for_s`. The monotonic clock does not."""

    jump_ms: int = 60_000


@dataclass(frozen=True, kw_only=True)
class Drift(Aimed):
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
    """Settings of the nodes that come."""

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
    """Settings of the nodes (or clients) that come."""


@dataclass(frozen=True, kw_only=True)
class Byzantine(Aimed):
    """A member does what it must not; see `byzantine.py`. After `for_s` its process is ended."""

    behaviour: str = "garbage"
    """One of BEHAVIOURS."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.behaviour not in BEHAVIOURS:
            raise ConfigError(
                f"behaviour must be one of {', '.join(BEHAVIOURS)}, not {self.behaviour!r}"
            )


@dataclass(frozen=True, kw_only=True)
class Blackout(_Timed):
    """All nodes lose their power at once. They come back at moments drawn from `for_s`, in any
    order, each with its disk; 0: none does."""

    for_s: float = 5.0


@dataclass(frozen=True, kw_only=True)
class DiskTrouble(Aimed):
    """Something is wrong with a disk. Where there is none, nothing happens."""

    trouble: str = "slow"
    """One of DISK_TROUBLES. "slow": each sync takes `times` as long; "full": no room for values;
    "broken": each sync fails, and the node leaves; "rot": the node is killed, and when it comes
    back after `for_s`, `records` of what its disk has kept are not what was written."""

    times: int = 100
    records: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.trouble not in DISK_TROUBLES:
            troubles = ", ".join(DISK_TROUBLES)
            raise ConfigError(f"trouble must be one of {troubles}, not {self.trouble!r}")


DISK_TROUBLES = ("slow", "full", "broken", "rot")

Fault = (
    Partition | Crash | Pause | Slowness | Exhaustion | ClockJump | Drift | Churn | FlashCrowd
    | Byzantine | Blackout | DiskTrouble | Stutter | Distance | Loss | Mobile
)  # fmt: skip

FAULTS: dict[str, type] = {
    "partition": Partition, "crash": Crash, "pause": Pause, "slowness": Slowness,
    "exhaustion": Exhaustion, "clock-jump": ClockJump, "drift": Drift, "churn": Churn,
    "flash-crowd": FlashCrowd, "byzantine": Byzantine, "stutter": Stutter, "distance": Distance,
    "blackout": Blackout, "disk": DiskTrouble, "loss": Loss, "mobile": Mobile,
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
