"""What a search leaves behind: the plan, which a later call has to ask again, and the result.

Rule: forms and their files; decides nothing.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from perflab.forms import check_form, document

__all__ = [
    "PLAN",
    "RESULT",
    "STUDY",
    "TuneError",
    "TuneInterval",
    "TunePlan",
    "TuneResult",
    "WorthRow",
    "agree_on_plan",
    "read_result",
    "write_result",
]

FORMAT, VERSION = "p2pcore-tune", 1
PLAN, STUDY, RESULT = "plan.json", "study.log", "tune.json"
Value = bool | int | float


class TuneError(ValueError):
    """Something cannot be tuned as it was asked for; one line."""


@dataclass(frozen=True, kw_only=True)
class TunePlan:
    """What is asked: a directory goes on with the same plan only."""

    objective: str
    about: str
    weights: dict[str, float]
    rails: list[dict[str, Any]]
    place: str
    """"simulator" or "sockets"."""
    base: dict[str, Value]
    reference: dict[str, Value]
    seed: int
    seeds: dict[str, list[int]]
    package: str
    """SHA-256 of the code that plays."""


@dataclass(frozen=True, kw_only=True)
class TuneInterval:
    """A figure with the interval of 95 %, over fresh seeds, each compared with itself."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class WorthRow:
    """A value that the search changed."""

    name: str
    base: Value
    found: Value
    lost: TuneInterval
    """By how much the objective is worse without it, as a ratio less one."""
    rails: list[str]
    kept: bool
    importance: float | None
    """Share of what decides which trials are among the best; None: too few trials."""


@dataclass(frozen=True, kw_only=True)
class TuneResult:
    """Everything about a search but its trials' figures."""

    format: str = FORMAT
    version: int = VERSION
    began: str
    command: str
    commit: str
    uncommitted: list[str]
    machine: dict[str, Any]
    versions: dict[str, str]
    seed: int
    plan: TunePlan
    detuned: str
    """Of which configuration that is bad on purpose; "": none."""
    trials: int
    seconds: float
    """Of this call."""
    scores: list[float | None]
    """Of each trial, as a ratio to the reference less one; None: it breaks a rail."""
    found: dict[str, Value]
    gain: TuneInterval
    """Of the found configuration beside the base: the objective's ratio less one."""
    recovered: TuneInterval | None
    """Which part of what the detuned configuration loses."""
    broken: dict[str, float]
    """Rails that the found configuration breaks on the fresh seeds: none may be."""
    figures: dict[str, list[float]]
    """Means over the fresh seeds of the base, of what was found, and of the reference."""
    worth: list[WorthRow]
    files: list[str] = field(default_factory=list)


def agree_on_plan(plan: TunePlan, directory: Path) -> None:
    """File the plan, or hold it against the one that is there. Raises TuneError, OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / PLAN
    if path.exists():
        there = document(path, TunePlan, TuneError)
        for name, ours in asdict(plan).items():
            if ours != asdict(there)[name]:
                raise TuneError(
                    f"{directory} holds a search with another {name}; --out names another directory"
                )
    elif any(directory.iterdir()):
        raise TuneError(f"{directory} is not empty and holds no search")
    else:
        _write(path, asdict(plan))


def write_result(result: TuneResult, directory: Path) -> None:
    """There whole or not at all."""
    _write(directory / RESULT, asdict(result))


def read_result(directory: Path) -> TuneResult:
    """Raises TuneError, OSError."""
    found = document(directory / RESULT, TuneResult, TuneError)
    check_form(found, (FORMAT, VERSION), RESULT, TuneError)
    return found


def _write(path: Path, table: dict[str, Any]) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(table, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    part.replace(path)
