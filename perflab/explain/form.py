"""The form of an explanation: all that is known of one figure that changed.

Rule: data; `of_history.py` and `of_gate.py` gather it, `page.py` puts it into words.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from perflab.gate.cause.form import Cause

__all__ = ["Explanation", "MovedFigure", "SeriesPoint", "trade_group"]

GROUPS = (
    ("guarantees", ("lost", "stale", "fail", "missed", "unavailab", "unserved", "recovery")),
    ("memory", ("memory.", "peakmem")),
    ("messages", ("messages", "hops", "dials")),
    ("bytes sent", ("bytes", "traffic.")),
    ("disk", ("disk.",)),
    ("work", ("calls", "allocations", "instructions.", "lines", "modules", "slice")),
    ("processor time", ("cpu", "hotpath.", "import_seconds")),
    ("waiting", ("latency", "p50", "p95", "p99", "seconds", "load.", "changes.", "simulated.")),
)
"""What a figure is about, by what its name has; the first that fits."""


def trade_group(figure: str) -> str:
    """What a figure is about, for the trade of a change: "messages", "memory" …"""
    name = figure.lower()
    return next((group for group, marks in GROUPS if any(map(name.__contains__, marks))), "other")


@dataclass(frozen=True, kw_only=True, slots=True)
class SeriesPoint:
    """One commit's value."""

    place: int
    """Of the commit in the history, the oldest being 0."""
    commit: str
    value: float


@dataclass(frozen=True, kw_only=True, slots=True)
class MovedFigure:
    """Another figure that moved at the same place."""

    figure: str
    group: str
    before: float
    after: float
    unit: str
    ratio: float
    """New over old, above 1 if worse; infinite from 0."""
    sure: str
    """"exact", "told" as a step, "likely"."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """One figure that changed."""

    figure: str
    unit: str
    kind: str
    state: str
    """What was made of it: "alarm", "regression" …"""
    before: float
    after: float
    ratio: float
    """New over old, above 1 if worse; infinite from 0."""
    low: float
    high: float
    """The interval of the ratio, of about 95 %; the ratio itself of an exact figure."""
    power: str
    """Which change would have been seen, in words."""
    machine: str
    base: str
    """The last commit that is known to be before the change."""
    commit: str
    """The one that made it, most likely; "" if it is none."""
    subject: str
    where: str
    """How sure that is, in words."""
    series: tuple[SeriesPoint, ...] = ()
    step: tuple[int, int] | None = None
    """Places: the last commit of the old level, the first of the new one."""
    traced: tuple[str, str] = ("", "")
    """The two commits whose work was compared under a trace."""
    cause: Cause | None = None
    no_cause: str = ""
    """Why nothing was traced."""
    moved: tuple[MovedFigure, ...] = ()
    same: tuple[str, ...] = field(default=())
    """Other findings that are the same step."""
    why: str = ""
    reproduce: str = ""
    accept: str = ""
    """A line for a shell, that appends to the policy; "" where nothing has to be accepted."""
