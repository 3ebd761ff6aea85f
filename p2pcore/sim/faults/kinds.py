"""Every kind of fault: by name, from a table, or by chance.

Rule: a plan is a list of faults, plain data. Leave some out, and the others stay as they were: so a
plan that breaks something can be made smaller.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from p2pcore.errors import ConfigError
from p2pcore.sim.faults.byzantine import Byzantine
from p2pcore.sim.faults.disks import Blackout, DiskTrouble
from p2pcore.sim.faults.fault import Fault, drawn_ms
from p2pcore.sim.faults.journey import Mobile
from p2pcore.sim.faults.links import Distance, Loss, Partition
from p2pcore.sim.faults.moment import Moment
from p2pcore.sim.faults.population import Churn, FlashCrowd
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
from p2pcore.sim.streams import Stream

__all__ = [
    "FAULTS", "Blackout", "Byzantine", "Churn", "ClockJump", "Crash", "DiskTrouble", "Distance",
    "Drift", "Exhaustion", "Fault", "FlashCrowd", "Leave", "Loss", "Mobile", "Moment", "Partition",
    "Pause", "Slowness", "Stutter", "draw_faults", "fault_from", "table_of",
]  # fmt: skip

FAULTS: dict[str, type[Fault]] = {
    kind.name: kind
    for kind in (
        Partition, Crash, Pause, Slowness, Exhaustion, ClockJump, Drift, Churn, FlashCrowd,
        Byzantine, Stutter, Distance, Blackout, DiskTrouble, Loss, Mobile,
        Leave, Moment,
    )
}  # fmt: skip
"""By the name that a table calls it. Chance draws by this order: new ones come last."""


def fault_from(table: Mapping[str, Any]) -> Fault:
    """A fault from its fields, and `fault`, the name of its kind, as TOML has them. A table in it
    that names a fault is one.

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
    for key, value in values.items():
        if isinstance(value, Mapping) and "fault" in value:
            values[key] = fault_from(value)
    return FAULTS[name](**values)


def table_of(fault: Fault) -> dict[str, Any]:
    """The table that `fault_from` makes this fault of; what is as by default is left out."""
    plain = type(fault)()
    table: dict[str, Any] = {"fault": fault.name}
    for each in fields(fault):
        value = getattr(fault, each.name)
        if value != getattr(plain, each.name):
            table[each.name] = table_of(value) if isinstance(value, Fault) else value
    return table


def draw_faults(
    rng: Stream, *, count: int, within_s: float, kinds: Sequence[str] = tuple(FAULTS)
) -> list[Fault]:
    """So many faults of these kinds, each of which begins and ends `within_s`, earliest first. Only
    a crash may last.

    Args:
        rng: `world.stream("plan")`, say.
        count: how many.
        within_s: from when they are applied; at least 1.
        kinds: names from FAULTS.

    Raises:
        ConfigError: there is no such kind, or too little time.
    """
    for kind in kinds:
        if kind not in FAULTS:
            raise ConfigError(f"a kind is one of {', '.join(FAULTS)}, not {kind!r}")
    if within_s < 1:
        raise ConfigError(f"within_s must be at least 1, not {within_s!r}")
    faults = []
    for _ in range(count):
        kind = rng.choice(kinds)
        at_s = drawn_ms(rng, 0, 0.8 * within_s)
        for_s = drawn_ms(rng, 0.1, within_s - at_s)
        faults.append(FAULTS[kind].drawn(rng, at_s, for_s))
    return sorted(faults, key=lambda fault: fault.at_s)
