"""What other commands filed beside asv's results: the last gate, alerts, the last calibration.

`gate/runs/*/verdict.json`, `gate/calibrations/*/calibration.json` and `alerts/alerts.json`, below
the folder that asv's results lie in. A calibration says how often the gate itself is wrong.

Rule: reads what was decided; a file that cannot be read is told about and costs nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from perflab.archive.kinds import CALIBRATION, KINDS, VERDICT

__all__ = [
    "Alert",
    "Alerts",
    "CalibrationSummary",
    "Checks",
    "LastGate",
    "PowerSummary",
    "RateSummary",
    "read_checks",
]

VERSION = 1  # of each of the three forms
ACTIVE = ("alarm", "suspect")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class LastGate:
    """One gate."""

    verdict: str
    exit_code: int
    base: str
    head: str
    subject: str
    """Of head."""
    when: str
    """ "2026-11-23 17:00Z"."""
    only: str
    """The pattern of what it measured; "" if that was everything."""
    notices: list[str]
    """What was to be known first: another ruler than the base's, a policy that was asked for."""


@dataclass(frozen=True, kw_only=True)
class Alert:
    """A series that became slower, or stopped working, close to the tip."""

    state: str
    """alarm or suspect."""
    what: str
    series: str
    machine: str
    commit: str
    ratio: float | None
    """New over old, above one if worse."""


@dataclass(frozen=True, kw_only=True)
class Alerts:
    """What the last look at the published history said."""

    verdict: str
    exit_code: int
    tip: str
    written: str
    active: list[Alert]


@dataclass(frozen=True, kw_only=True)
class RateSummary:
    """A share of gates with its interval of 95 %."""

    found: int
    of: int
    low: float
    high: float

    @property
    def share(self) -> float:
        return self.found / self.of if self.of else 0.0


@dataclass(frozen=True, kw_only=True)
class PowerSummary:
    """Gates in which one benchmark of a kind was made slower."""

    kind: str
    slowdown: float
    found: RateSummary
    undecided: RateSummary
    blamed_others: RateSummary


@dataclass(frozen=True, kw_only=True)
class CalibrationSummary:
    """How often the gate was wrong on one recording."""

    when: str
    commit: str
    subject: str
    about: dict[str, str]
    """Machine and versions, by name."""
    minutes: float
    gates: int
    promised: float
    alarms: dict[str, RateSummary]
    """On unchanged speed, by kind; "whole" is of whole gates."""
    undecided: dict[str, RateSummary]
    power: list[PowerSummary]


@dataclass(kw_only=True)
class Checks:
    """All of them; None where there is none."""

    gate: LastGate | None = None
    """The last that measured everything."""
    partial: LastGate | None = None
    """A later one of some benchmarks only."""
    alerts: Alerts | None = None
    calibration: CalibrationSummary | None = None
    problems: list[str] = field(default_factory=list)


def read_checks(folder: Path) -> Checks:
    """The newest of each kind below `folder`."""
    checks = Checks()
    gates = [path / VERDICT for path in KINDS["gates"].paths(folder)]
    _read_gates(checks, gates[::-1], folder)
    checks.alerts = _newest(checks, folder, folder.glob("alerts/alerts.json"), _alerts)
    calibrations = (path / CALIBRATION for path in KINDS["calibrations"].paths(folder))
    checks.calibration = _newest(checks, folder, calibrations, _calibration)
    return checks


def _read_gates(checks: Checks, paths: Sequence[Path], folder: Path) -> None:
    """From the newest back to the first of everything: a part does not speak for the whole."""
    for path in paths:
        gate = _one(checks, folder, path, _gate)
        if gate is None or not gate.only:
            checks.gate = gate
            return
        checks.partial = checks.partial or gate


def _newest(
    checks: Checks, folder: Path, found: Iterable[Path], read: Callable[[dict[str, Any], Path], T]
) -> T | None:
    """The last by name, which begins with the time; None, and a problem, if it is damaged."""
    paths = sorted(found)
    return _one(checks, folder, paths[-1], read) if paths else None


def _one(
    checks: Checks, folder: Path, path: Path, read: Callable[[dict[str, Any], Path], T]
) -> T | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != VERSION:
            raise ValueError(f"version {content['version']}; only {VERSION} is understood here")
        return read(content, path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        place = path.relative_to(folder)
        checks.problems.append(f"{place}: {type(error).__name__}: {error}")
        return None


def _gate(content: dict[str, Any], path: Path) -> LastGate:
    only = str(content.get("about", {}).get("only", "*"))
    return LastGate(
        verdict=str(content["verdict"]),
        exit_code=int(content["exit_code"]),
        base=str(content["base"]["commit"]),
        head=str(content["head"]["commit"]),
        subject=str(content["head"]["subject"]),
        when=_when(path),
        only="" if only == "*" else only,
        notices=[str(each) for each in content.get("notices", [])],
    )


def _alerts(content: dict[str, Any], _: Path) -> Alerts:
    return Alerts(
        verdict=str(content["verdict"]),
        exit_code=int(content["exit_code"]),
        tip=str(content["tip"]),
        written=str(content["written"]),
        active=[
            Alert(
                state=str(each["state"]),
                what=str(each["what"]),
                series=str(each["series"]),
                machine=str(each["machine"]),
                commit=str(each["commit"]),
                ratio=None if each["ratio"] is None else float(each["ratio"]),
            )
            for each in content["findings"]
            if each["state"] in ACTIVE
        ],
    )


def _calibration(content: dict[str, Any], path: Path) -> CalibrationSummary:
    return CalibrationSummary(
        when=_when(path),
        commit=str(content["commit"]),
        subject=str(content["subject"]),
        about={str(name): str(value) for name, value in content["about"].items()},
        minutes=float(content["minutes"]),
        gates=int(content["gates"]),
        promised=float(content["promised"]),
        alarms={"whole": _rate(content["alarms"]["whole"])}
        | {name: _rate(each) for name, each in content["alarms"].items()},
        undecided={name: _rate(each) for name, each in content["undecided"].items()},
        power=[
            PowerSummary(
                kind=str(each["kind"]),
                slowdown=float(each["slowdown"]),
                **{name: _rate(each[name]) for name in ("found", "undecided", "blamed_others")},
            )
            for each in content["power"]
        ],
    )


def _rate(content: dict[str, Any]) -> RateSummary:
    return RateSummary(
        found=int(content["found"]),
        of=int(content["of"]),
        low=float(content["low"]),
        high=float(content["high"]),
    )


def _when(path: Path) -> str:
    """From the folder's name, such as 20261123T170000Z or 20261123T170000Z-1a2b3c4d-5e6f7a8b."""
    moment = path.parent.name.partition("-")[0]
    return f"{moment[:4]}-{moment[4:6]}-{moment[6:8]} {moment[9:11]}:{moment[11:13]}Z"
