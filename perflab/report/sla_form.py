"""A month's report on service levels, as data: what its JSON holds and its pages are made of.

Rule: a form; decides nothing, reads nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from perflab.report.form import Chart, State

__all__ = ["SLA_FORMAT", "SLA_VERSION", "SlaBreach", "SlaObjective", "SlaReport"]

SLA_FORMAT = "p2pcore-sla-report"
SLA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class SlaBreach:
    """A stretch in which more operations were bad than the budget has for as many."""

    began: str
    ended: str
    """UTC, ISO 8601."""
    seconds: float
    operations: float
    bad: float
    worst: float
    """The highest share of bad ones in a step of it."""


@dataclass(frozen=True, kw_only=True)
class SlaObjective:
    """What became of one objective."""

    target: str
    asked: str
    """In words."""
    budget: float
    """The share of operations that may be bad."""
    within_s: float | None
    state: State
    reason: str
    """Why it could not be measured; "" if it was."""
    operations: float
    bad: float
    spent: float | None
    """Of the budget: 1 is all; null without an operation."""
    spent_up: str
    """When more was bad than the operations of the whole report allow; "" if that never was."""
    breaches: list[SlaBreach]

    @property
    def breached_s(self) -> float:
        """How long the breaches are together."""
        return sum(each.seconds for each in self.breaches)


@dataclass(frozen=True, kw_only=True)
class SlaReport:
    """A month."""

    format: str
    version: int
    month: str
    name: str
    """What the network is called."""
    source: str
    """Whose samples these are."""
    began: str
    ended: str
    """What it is about: to the end of the month, or to when it was made."""
    over: bool
    """Whether the month is."""
    made: str
    command: str
    state: State
    measured: float
    """The share of the time that has samples."""
    unmeasured: list[tuple[str, str]]
    """Stretches without."""
    least_rate: float
    """Operations per second, below which nothing is a breach."""
    objectives: list[SlaObjective]
    left_out: list[tuple[str, str]]
    """Targets that are not held here, and why."""
    charts: list[Chart] = field(default_factory=list)
