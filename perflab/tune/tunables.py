"""Which settings are searched, within which bounds and on which scale; how a file says them.

Left out is what a user means and no search can know (time-outs of operations, quorums, limits of
memory and of disks), and what no situation here shows (`copy_after_s`, `repair_bytes_per_s`,
handshakes). Windows and the quantile after which a read is hedged are no settings of the core: they
follow what it measures.

Rule: names as the core that is installed has them; writes TOML.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchmarks.common.parts import part
from benchmarks.common.switches import switches
from perflab.forms import shown, toml_table
from perflab.tables import near
from perflab.tune.record import TuneError

if TYPE_CHECKING:
    from optuna import Trial

__all__ = [
    "DETUNED",
    "TUNABLES",
    "Configuration",
    "Tunable",
    "defaults",
    "of_side",
    "read_base",
    "suggested",
    "write_files",
]

Value = bool | int | float
Configuration = Mapping[str, Value]
"""A value for each tunable, by its name."""


@dataclass(frozen=True, kw_only=True)
class Tunable:
    """A row of the table: bounds are inclusive."""

    name: str
    low: float = 0.0
    high: float = 1.0
    scale: Literal["log", "even", "whole", "whole, log", "switch"] = "even"


TUNABLES = (
    Tunable(name="avoid_outliers", scale="switch"),
    Tunable(name="hedge_budget", low=0.0, high=0.5),
    Tunable(name="overload_control", scale="switch"),
    Tunable(name="pool_size", low=4, high=1024, scale="whole, log"),
    Tunable(name="probe_after_s", low=0.2, high=10.0, scale="log"),
    Tunable(name="give_up_after_s", low=0.1, high=30.0, scale="log"),
    Tunable(name="witnesses", low=0, high=8, scale="whole"),
)

DETUNED: dict[str, tuple[str, dict[str, Value]]] = {
    "hedges": ("read-p99", {"hedge_budget": 0.0, "avoid_outliers": False}),
    "overload": ("goodput", {"overload_control": False}),
    "pool": ("messages", {"pool_size": 4}),
    "detection": ("recovery", {"probe_after_s": 8.0, "give_up_after_s": 20.0, "witnesses": 0}),
    "all": (
        "balanced",
        {"hedge_budget": 0.0, "avoid_outliers": False, "overload_control": False, "pool_size": 4,
         "probe_after_s": 8.0, "give_up_after_s": 20.0, "witnesses": 0},
    ),
}  # fmt: skip
"""Configurations that are bad on purpose, each with the objective that suffers."""


def defaults() -> dict[str, Value]:
    """Of the core that is installed here; a setting that it lacks is left out."""
    there = switches()
    return {each.name: there[each.name].default for each in TUNABLES if each.name in there}


def of_side(configuration: Configuration, side: Literal["nodes", "clients"]) -> dict[str, Value]:
    """Those that nodes, or clients, have."""
    there = switches()
    return {name: value for name, value in configuration.items() if side in there[name].of}


def suggested(trial: Trial, names: Collection[str]) -> dict[str, Value]:
    """What a trial of Optuna draws for these."""
    found: dict[str, Value] = {}
    for each in TUNABLES:
        if each.name not in names:
            continue
        if each.scale == "switch":
            found[each.name] = bool(trial.suggest_categorical(each.name, [False, True]))
        elif each.scale.startswith("whole"):
            low, high = int(each.low), int(each.high)
            found[each.name] = trial.suggest_int(each.name, low, high, log="log" in each.scale)
        else:
            drawn = trial.suggest_float(each.name, each.low, each.high, log=each.scale == "log")
            found[each.name] = float(f"{drawn:.4g}")  # as the file will have it
    return found


def read_base(path: Path) -> dict[str, Value]:
    """The defaults, with what a file of `tune` says otherwise: settings by name.
    Raises TuneError, OSError."""
    usual = defaults()
    for name, value in toml_table(path, TuneError).items():
        if name not in usual:
            raise TuneError(f"{path.name}: there is no setting {shown(name)}{near(name, usual)}")
        kind = type(usual[name])
        fits = isinstance(value, kind) or (kind is float and type(value) is int)
        if not fits or isinstance(value, bool) is not (kind is bool):
            raise TuneError(f"{path.name}: {name} is a {kind.__name__}, not {shown(value)}")
        row = next(each for each in TUNABLES if each.name == name)
        if not row.low <= value <= row.high:
            allowed = f"{row.low:g} to {row.high:g}"
            raise TuneError(f"{path.name}: {name} is searched from {allowed}, not {shown(value)}")
        usual[name] = value
    return usual


def write_files(configuration: Configuration, about: str, directory: Path) -> dict[str, Path]:
    """`serve.toml` for `p2pcore serve --config`, and `client.toml`, whose table is the arguments of
    ClientConfig. What is at its default is left out."""
    usual = defaults()
    changed = {name: value for name, value in configuration.items() if value != usual[name]}
    tables = part("cli.settings", "LIMITS") + part("cli.settings", "MANNERS")
    options = {row[1]: row[0] for row in (*tables, *part("cli.settings", "SWITCHES"))}
    nodes = {options[n].removeprefix("--"): v for n, v in of_side(changed, "nodes").items()}
    written = {}
    for name, lines in (
        ("serve.toml", ["# p2pcore serve --config serve.toml", "[serve]", *_lines(nodes)]),
        ("client.toml", ["# ClientConfig(bootstrap=[...], **tomllib.load(file))",
                         *_lines(of_side(changed, "clients"))]),
    ):  # fmt: skip
        written[name] = directory / name
        heading = [f"# {about}", "# What is not here is at its default."]
        written[name].write_text("\n".join([*heading, *lines]) + "\n", encoding="utf-8")
    return written


def _lines(values: Mapping[str, Any]) -> list[str]:
    return [f"{name} = {str(value).lower()}" for name, value in values.items()]
