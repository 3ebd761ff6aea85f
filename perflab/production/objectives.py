"""What production is held to: the targets of `perflab/readiness/targets.toml` that metrics tell.

Theory of operation. An objective is a share of operations that may be bad, its budget: of
`rate < 1%` of errors 1 %, of `p(99) <= 5` one in a hundred that takes longer than 5 ms. Success and
errors are one figure here, and the stricter target counts; so does, of two latency targets with one
threshold, the one with the smaller budget. What cannot be held so is told with its reason, never
left out in silence: a budget of nothing is spent by the first error, and leaks, lost records and
the highest rate are measured by a readiness run.

Rule: reads targets; writes no expression.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from perflab.production.table import bounds_s
from perflab.readiness.targets import Target
from perflab.stats.thresholds import TargetError

__all__ = ["WINDOWS", "Objective", "ProductionPlan", "Window", "plan_of"]


@dataclass(frozen=True, kw_only=True)
class Window:
    """A pair of windows: an alert fires while the budget burns `factor` times too fast in both."""

    severity: str
    factor: float
    long_s: float
    short_s: float


# Google's SRE workbook, chapter 5, for 30 days: 2, 5 and 10 % of the budget, and all of it.
WINDOWS = (
    Window(severity="page", factor=14.4, long_s=3600, short_s=300),
    Window(severity="page", factor=6, long_s=6 * 3600, short_s=1800),
    Window(severity="ticket", factor=3, long_s=86_400, short_s=7200),
    Window(severity="ticket", factor=1, long_s=3 * 86_400, short_s=6 * 3600),
)


@dataclass(frozen=True, kw_only=True)
class Objective:
    """A share of operations that may be bad."""

    target: str
    """The name of the target that it is made of."""
    budget: float
    within_s: float | None = None
    """The latency beyond which an operation is bad; None: it is bad if it failed."""

    @property
    def bad(self) -> str:
        """The bad ones, as part of a name."""
        if self.within_s is None:
            return "failed"
        return f"slower_than_{self.within_s * 1e3:g}ms".replace(".", "_")

    def windows(self) -> list[Window]:
        """Those that can fire: no more than all operations can be bad."""
        return [each for each in WINDOWS if each.factor * self.budget < 1]


@dataclass(frozen=True, kw_only=True)
class ProductionPlan:
    """What is held in production, and what is not."""

    objectives: Sequence[Objective]
    recovery_s: float | None
    """How long a node may be away before somebody is told; None: no target says it."""
    left_out: Sequence[tuple[str, str]]
    """Name of a target, and the reason."""


def plan_of(targets: Iterable[Target]) -> ProductionPlan:
    """The objectives in targets; TargetError if there is none."""
    found: dict[str, Objective] = {}
    left_out = []
    recovery_s: float | None = None
    for target in targets:
        if (target.metric, target.threshold.aggregate, target.scope) == (
            "recovery",
            "max",
            "faults",
        ):
            recovery_s = min(target.threshold.limit, recovery_s or target.threshold.limit)
            continue
        objective = _objective(target)
        if isinstance(objective, str):
            left_out.append((target.name, objective))
            continue
        other = found.get(objective.bad)
        if other is None or objective.budget < other.budget:
            found[objective.bad] = objective
    if not found:
        raise TargetError("none of the targets can be held by metrics of production")
    return ProductionPlan(objectives=list(found.values()), recovery_s=recovery_s, left_out=left_out)


def _objective(target: Target) -> Objective | str:
    """What a target allows; or why metrics do not tell."""
    threshold, budget = target.threshold, 0.0
    within_s: float | None = None
    if target.metric == "latency" and threshold.aggregate in ("p", "med"):
        rank = 50.0 if threshold.rank is None else threshold.rank
        budget, within_s = round(1 - rank / 100, 9), threshold.limit / 1e3
        if threshold.operator not in ("<", "<="):
            return f"{threshold.text!r} asks for no upper end"
        if within_s not in bounds_s():
            return f"{threshold.limit:g} ms is no bucket's end in the core's metrics"
    elif target.metric == "errors" and threshold.operator in ("<", "<=", "=="):
        budget = threshold.limit
    elif target.metric == "success" and threshold.operator in (">", ">="):
        budget = round(1 - threshold.limit, 9)
    else:
        return f"{target.metric} is what a readiness run measures"
    if not 0 < budget < 1:
        return f"{threshold.text!r} leaves a budget of {budget:.3g}, of which no rate can be told"
    return Objective(target=target.name, budget=budget, within_s=within_s)
