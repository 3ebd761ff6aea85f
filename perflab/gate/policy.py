"""What the gate holds a change to: floors, tolerances and accepted changes, from a TOML file.

Rule: reads the file and refuses what it does not know, for a misspelt name would loosen the gate
without a word. Which date it is, the caller says.
"""

from __future__ import annotations

import datetime
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from perflab.forms import toml_table
from perflab.gate.record import Kind

__all__ = ["POLICY", "Accepted", "Limits", "Policy", "PolicyError", "load_policy"]

POLICY = Path(__file__).with_name("policy.toml")
FIRST_LOOK = 16  # rounds that suffice for a bound that 26 suspects and four looks share


class PolicyError(ValueError):
    """The policy cannot be read; the message names the file, the entry and what it may be."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a change of one benchmark is held against; 0.02 is 2 %."""

    floor: float
    tolerance: float


@dataclass(frozen=True, slots=True)
class Accepted:
    """A change that was agreed to."""

    match: str
    up_to: float
    """Head over base."""
    reason: str
    until: datetime.date
    """The last day."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """The whole file."""

    false_alarms: float
    looks: int
    screening: float
    undecided: int
    kinds: Mapping[Kind, Limits]
    benchmarks: tuple[tuple[str, float | None, float | None], ...] = ()
    """Pattern, floor, tolerance; None is the kind's."""
    accepted: tuple[Accepted, ...] = ()

    def rounds_again(self) -> list[int]:
        """How many rounds, or seeds, are added before each look at a suspect: 16, 16, 32, 64 …"""
        return [FIRST_LOOK << max(look - 1, 0) for look in range(self.looks)]

    def limits(self, name: str, kind: Kind) -> Limits:
        """What counts for a benchmark: the last line that matches, else its kind's."""
        usual = self.kinds[kind]
        for match, floor, tolerance in reversed(self.benchmarks):
            if fnmatchcase(name, match):
                return Limits(
                    usual.floor if floor is None else floor,
                    usual.tolerance if tolerance is None else tolerance,
                )
        return usual

    def acceptance(self, name: str, ratio: float, today: datetime.date) -> Accepted | None:
        """The line that accepts this change today, if one does."""
        for line in self.accepted:
            if fnmatchcase(name, line.match) and today <= line.until and ratio <= line.up_to:
                return line
        return None

    def expired(self, today: datetime.date) -> list[Accepted]:
        """Lines that no longer count and should be removed."""
        return [line for line in self.accepted if today > line.until]


def load_policy(path: Path = POLICY) -> Policy:
    """Read a policy. Raises PolicyError."""
    content = toml_table(path, PolicyError)
    try:
        return _policy(content)
    except PolicyError as error:
        raise PolicyError(f"{path}: {error}") from None


def _policy(content: dict[str, Any]) -> Policy:
    _known(content, "the policy", ("gate", "kind", "benchmark", "accept"))
    gate = _table(content, "gate", ("false_alarms", "looks", "screening", "undecided"))
    kinds = _table(content, "kind", [kind.value for kind in JUDGED])
    return Policy(
        false_alarms=_number(gate, "gate", "false_alarms", 1e-6, 0.5),
        looks=int(_number(gate, "gate", "looks", 1, 20, whole=True)),
        screening=_number(gate, "gate", "screening", 1e-6, 0.5),
        undecided=int(_number(gate, "gate", "undecided", 0, 10_000, whole=True)),
        kinds={kind: _limits(kinds, kind) for kind in JUDGED},
        benchmarks=tuple(_benchmark(entry) for entry in _tables(content, "benchmark")),
        accepted=tuple(_accepted(entry) for entry in _tables(content, "accept")),
    )


JUDGED = (Kind.EXACT, Kind.SEEDED, Kind.PAIRED)
NUMBERS = ("floor", "tolerance")


def _limits(kinds: dict[str, Any], kind: Kind) -> Limits:
    place = f"kind.{kind}"
    table = _table(kinds, kind, NUMBERS, place)
    limits = Limits(*(_number(table, place, name, 0, 10) for name in NUMBERS))
    if limits.tolerance < limits.floor:
        raise PolicyError(f"{place}: tolerance {limits.tolerance} is below floor {limits.floor}")
    return limits


def _benchmark(entry: dict[str, Any]) -> tuple[str, float | None, float | None]:
    _known(entry, "benchmark", ("match", *NUMBERS))
    match = _text(entry, "benchmark", "match")
    floor, tolerance = (
        _number(entry, f"benchmark {match}", name, 0, 10) if name in entry else None
        for name in NUMBERS
    )
    return match, floor, tolerance


def _accepted(entry: dict[str, Any]) -> Accepted:
    _known(entry, "accept", ("match", "up_to", "reason", "until"))
    match = _text(entry, "accept", "match")
    until = entry.get("until")
    if type(until) is not datetime.date:
        raise PolicyError(f"accept {match}: until must be a date such as 2027-01-31, not {until!r}")
    up_to = _number(entry, f"accept {match}", "up_to", 0, 1000)
    return Accepted(match, up_to, _text(entry, "accept", "reason"), until)


def _known(table: Mapping[str, Any], place: str, names: Iterable[str]) -> None:
    known = list(names)
    for name in table:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(known)}"
            raise PolicyError(f"{place} has no {name!r}{hint}")


def _table(
    content: Mapping[str, Any], name: str, names: Iterable[str], place: str = ""
) -> dict[str, Any]:
    table = content.get(name)
    if not isinstance(table, dict):
        raise PolicyError(f"there must be a table [{place or name}]")
    _known(table, place or name, names)
    return table


def _tables(content: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = content.get(name, [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise PolicyError(f"{name} must be written as [[{name}]]")
    return found


def _text(table: Mapping[str, Any], place: str, name: str) -> str:
    value = table.get(name)
    if not isinstance(value, str) or not value.strip():
        raise PolicyError(f"{place}: {name} must be text, not {value!r}")
    return value


def _number(
    table: Mapping[str, Any],
    place: str,
    name: str,
    least: float,
    most: float,
    *,
    whole: bool = False,
) -> float:
    value = table.get(name)
    kinds = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
        sort = "a whole number" if whole else "a number"
        raise PolicyError(f"{place}: {name} must be {sort} from {least} to {most}, not {value!r}")
    return float(value)
