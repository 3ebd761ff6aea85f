"""What a suite does not say of its benchmarks: their kind, which way is better, what to show first.

asv keeps a type and a unit. A time, memory and whatever is tracked are taken for *observed*: they
have noise, and a step has to be found in it. Lower is better, but for a tracked figure whose unit
is a rate. `perflab.toml` beside asv's configuration says what is otherwise; of several tables that
match a benchmark the last one that says a thing counts.

    [[benchmark]]
    match = "io.Read.track_*"      # names of benchmarks, * for anything
    kind = "exact"                 # exact, seeded, paired or observed
    better = "higher"              # or "lower"
    unit = "MB/s"
    floor = 0.02                   # the least change worth a word: 2 %

    [[headline]]                   # the front page, in this order; without any, one of each suite
    benchmark = "io.Read.track_rate"
    case = ["csv", 1024]
    title = "Reading a table"

    [[accept]]                     # a step that was agreed to: no alarm
    match = "io.Read.*"
    up_to = 1.2
    reason = "checksums"
    until = 2027-01-31

Rule: reads the table, and adds it to asv's list; decides nothing about values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from perflab.gate.policy import Accepted, Policy, Special, load_policy
from perflab.results.asv_config import AsvConfigError
from perflab.site.readings import Headline, Readings
from perflab.tables import Table, Text, read_table

__all__ = ["RULES", "BenchmarkRule", "Rules", "load_rules"]

RULES = "perflab.toml"
RATE = re.compile(r"(/\s*s(ec(ond)?s?)?|\bper second|\bhz|flops?)$", re.IGNORECASE)


class BenchmarkRule(Table, frozen=True):
    """What is said of the benchmarks that match; what is left out stays as it is."""

    match: Text
    kind: Literal["exact", "seeded", "paired", "observed"] | None = None
    better: Literal["lower", "higher"] | None = None
    unit: Text | None = None
    floor: Annotated[float, Meta(ge=0, le=10)] | None = None


class _RulesFile(Table, frozen=True):
    benchmark: list[BenchmarkRule] = msgspec.field(default_factory=list)
    headline: list[Headline] = msgspec.field(default_factory=list)
    accept: list[Accepted] = msgspec.field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The whole table."""

    benchmarks: tuple[BenchmarkRule, ...] = ()
    headlines: tuple[Headline, ...] = ()
    accepted: tuple[Accepted, ...] = ()

    def about(self, entries: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """asv's list of benchmarks, with `kind` and `better`, and units as they are to be read."""
        return {name: self._about(name, entry) for name, entry in entries.items()}

    def _about(self, name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
        rate = entry.get("type") == "track" and RATE.search(str(entry.get("unit") or ""))
        found = {"better": "higher" if rate else "lower"} | dict(entry)
        for rule in self.benchmarks:
            if fnmatchcase(name, rule.match):
                said = {"kind": rule.kind, "better": rule.better, "unit": rule.unit}
                found |= {key: value for key, value in said.items() if value is not None}
        return found

    @property
    def readings(self) -> Readings:
        """What the front page shows."""
        return Readings(headline=list(self.headlines))

    @property
    def policy(self) -> Policy:
        """Floors and accepted changes: the project's own, beside those of each kind."""
        floors = [
            Special(match=rule.match, floor=rule.floor)
            for rule in self.benchmarks
            if rule.floor is not None
        ]
        return replace(load_policy(), benchmarks=tuple(floors), accepted=self.accepted)


def load_rules(path: Path, *, asked: bool = False) -> Rules:
    """Read a table; without one, nothing is said. `asked`: then there has to be one.

    Raises AsvConfigError.
    """
    if not path.is_file():
        if asked:
            raise AsvConfigError(f"--rules: {path}: there is no such file")
        return Rules()
    file = read_table(path, _RulesFile, AsvConfigError)
    return Rules(
        benchmarks=tuple(file.benchmark),
        headlines=tuple(file.headline),
        accepted=tuple(file.accept),
    )
