"""Recording rules and alerts for Prometheus, and promtool's tests of them.

Theory of operation. Of each objective the share of bad operations is recorded over every window,
as a ratio of counts; an alert compares two windows of it with factor x budget, and the rate of
operations with a guard, for at night one error is a large share. `scale` makes every window and
waiting time that much shorter, for drills: the same rules, in minutes instead of days.

The tests hold the alerts to steady burns of an hour: one slightly above each factor fires that
alert and all with smaller factors, and no other; one below 1 fires none; and neither does a total
failure of fewer operations than the guard asks for.

Rule: makes plain tables; who writes them is `command.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from perflab.production import table
from perflab.production.objectives import WINDOWS, Objective, ProductionPlan, Window

__all__ = ["MOST_SCALE", "RuleSet", "duration"]

MOST_SCALE = 60.0  # the shortest window is 5 s then: five scrapes, one a second
ABOVE, BELOW = 1.02, 0.98  # of a factor: what fires for sure, and what does not
STEP_OPERATIONS = 1_000_000.0  # a step of the tests' series: many more than any guard
NAMES = {"page": "Page", "ticket": "Ticket"}

Rule = dict[str, Any]


def duration(seconds: float) -> str:
    """As Prometheus writes it, in the largest whole unit."""
    ms = round(seconds * 1000)
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if ms % size == 0 and ms:
            return f"{ms // size}{unit}"
    return f"{ms}ms"


@dataclass(frozen=True, kw_only=True)
class RuleSet:
    """The rules for one job of Prometheus."""

    plan: ProductionPlan
    job: str = "p2pcore"
    least_rate: float = 1.0
    """Operations per second, below which no burn is believed."""
    scale: float = 1.0
    runbooks: str = "docs/operations.md"
    """The page that says what to do; it has a section for each kind of alert."""

    def rules(self) -> dict[str, Any]:
        """The file of rules."""
        objectives = self.plan.objectives
        recorded = [self._rate(each) for each in self._spans()]
        for objective in objectives:
            recorded += [self._ratio(objective, each) for each in self._spans()]
        alerts = [self._burn(each, window) for each in objectives for window in each.windows()]
        interval = {"interval": duration(self._step_s / 5)}
        return {
            "groups": [
                {"name": "p2pcore objectives", **interval, "rules": recorded},
                {"name": "p2pcore burn rates", **interval, "rules": alerts},
                {"name": "p2pcore nodes", **interval, "rules": self._nodes()},
            ]
        }

    def tests(self, rules_file: str) -> dict[str, Any]:
        """promtool's tests of them."""
        tests = []
        for objective in self.plan.objectives:
            burns = [ABOVE * each.factor for each in objective.windows()] + [BELOW]
            tests += [self._test(objective, each) for each in burns]
            tests.append(self._test(objective, 1 / objective.budget, quiet=True))
        return {
            "rule_files": [rules_file],
            "evaluation_interval": duration(self._step_s),
            "tests": tests,
        }

    def objective_queries(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """By target: how many times too fast its budget burns, over each window."""
        return [
            (
                objective.target,
                [
                    (f'{self._recorded(objective, s)}{{job=~"$job"}} / {objective.budget:g}', s)
                    for s in self._spans()
                ],
            )
            for objective in self.plan.objectives
        ]

    # Rules

    @property
    def _step_s(self) -> float:
        """Between samples of the tests; two are in the shortest window."""
        return min(each.short_s for each in WINDOWS) / self.scale / 2

    def _spans(self) -> list[str]:
        spans = {s / self.scale for each in WINDOWS for s in (each.long_s, each.short_s)}
        return [duration(each) for each in sorted(spans)]

    @property
    def _asked(self) -> str:
        """The operations of applications."""
        return f'job="{self.job}",op!~"{"|".join(table.DELEGATED)}"'

    def _rate(self, span: str) -> Rule:
        return {"record": f"job:p2pcore_operations:rate{span}", "expr": self._counted(span)}

    def _counted(self, span: str) -> str:
        """Operations per second, without those that are the caller's own doing."""
        name = table.family(table.OPERATIONS).name
        excused = f'result!~"{"|".join(table.excused())}"'
        return f"sum by (job) (rate({name}{{{self._asked},{excused}}}[{span}]))"

    def _ratio(self, objective: Objective, span: str) -> Rule:
        if objective.within_s is None:
            name, failed = table.family(table.OPERATIONS).name, "|".join(table.failed())
            bad = f'sum by (job) (rate({name}{{{self._asked},result=~"{failed}"}}[{span}]))'
            expr = f"{bad} / {self._counted(span)}"
        else:
            name = table.family(table.DURATIONS).name
            good = f'{name}_bucket{{{self._asked},le="{objective.within_s!r}"}}'
            of = f"{name}_count{{{self._asked}}}"
            expr = f"1 - sum by (job) (rate({good}[{span}])) / sum by (job) (rate({of}[{span}]))"
        return {"record": self._recorded(objective, span), "expr": expr}

    def _recorded(self, objective: Objective, span: str) -> str:
        return f"job:p2pcore_operations_{objective.bad}:ratio_rate{span}"

    def _burn(self, objective: Objective, window: Window) -> Rule:
        spans = [duration(each / self.scale) for each in (window.long_s, window.short_s)]
        limit = f"{window.factor * objective.budget:.9g}"
        parts = [f'{self._recorded(objective, s)}{{job="{self.job}"}} > {limit}' for s in spans]
        rate = f'job:p2pcore_operations:rate{spans[1]}{{job="{self.job}"}}'
        parts.append(f"{rate} > {self.least_rate:g}")
        return {"alert": _alert_name(objective, window.severity), "expr": " and ".join(parts)} | (
            self._told(objective, window)
        )

    def _told(self, objective: Objective, window: Window) -> Rule:
        """Labels and annotations; the same in the tests."""
        long, short = duration(window.long_s / self.scale), duration(window.short_s / self.scale)
        bad = "failed" if objective.within_s is None else f"took {objective.within_s * 1e3:g} ms"
        more = "" if objective.within_s is None else " or more"
        return {
            "labels": {"severity": window.severity, "window": long},
            "annotations": {
                "summary": f"The error budget of '{objective.target}' burns {window.factor:g} "
                "times too fast",
                "description": f"More than {min(1, window.factor * objective.budget):.4g} of the "
                f"operations {bad}{more}, in the last {long} and still in the last {short}. "
                f"Allowed are {objective.budget:.4g}.",
                "runbook_url": self._runbook(
                    "P2pcoreFailed" if objective.within_s is None else "P2pcoreSlower"
                ),
            },
        }

    def _nodes(self) -> list[Rule]:
        wait = duration(min(each.short_s for each in WINDOWS) / self.scale)
        name = table.family(table.UNDER_REPLICATED).name
        missing = f'max by (job) ({name}{{job="{self.job}"}}) > 0'
        rules = [
            self._plain("P2pcoreUnderReplicated", missing, wait,
                   "Records have fewer replicas than they should, and it stays so"),
            self._plain("P2pcoreUnmeasured", f"absent({table.OPERATIONS}{{{self._asked}}})", wait,
                   "No client is scraped: whether the objectives are kept, nobody knows"),
        ]  # fmt: skip
        if self.plan.recovery_s is not None:
            away = duration(self.plan.recovery_s / self.scale)
            summary = "A node is away for longer than a recovery may take"
            rules.insert(
                0, self._plain("P2pcoreDown", f'up{{job="{self.job}"}} == 0', away, summary)
            )
        return rules

    def _plain(self, name: str, expr: str, wait: str, summary: str) -> Rule:
        return {
            "alert": name,
            "expr": expr,
            "for": wait,
            "labels": {"severity": "ticket"},
            "annotations": {"summary": summary, "runbook_url": self._runbook(name)},
        }

    def _runbook(self, section: str) -> str:
        """Where the page says what to do; a heading's anchor is its words in lower case."""
        return f"{self.runbooks}#{section.lower()}"

    # Tests of the rules

    def _test(self, objective: Objective, burn: float, quiet: bool = False) -> dict[str, Any]:
        rate = self.least_rate / 2 * self._step_s if quiet else STEP_OPERATIONS
        firing = [] if quiet else [w for w in objective.windows() if w.factor < burn]
        steps = round(min(w.long_s for w in WINDOWS) / self.scale / self._step_s)
        at = duration(steps * self._step_s)
        name = f"below {self.least_rate:g} operations/s" if quiet else f"{burn:.4g} x the budget"
        return {
            "name": f"{objective.target}: {name}",
            "interval": duration(self._step_s),
            "input_series": self._series(objective, rate, rate * burn * objective.budget, steps),
            "alert_rule_test": [
                {
                    "eval_time": at,
                    "alertname": _alert_name(objective, severity),
                    "exp_alerts": [self._expected(objective, w) for w in firing
                                   if w.severity == severity],
                }
                for severity in NAMES
            ],
        }  # fmt: skip

    def _series(
        self, objective: Objective, each: float, bad: float, steps: int
    ) -> list[dict[str, str]]:
        """What a client would tell: so many operations more at each step, some of them bad."""

        def series(name: str, labels: str, step: float) -> dict[str, str]:
            named = f'{name}{{job="{self.job}",instance="a",op="store"{labels}}}'
            return {"series": named, "values": f"0+{step:.9g}x{steps}"}

        failed = bad if objective.within_s is None else 0.0
        found = [
            series(table.OPERATIONS, ',result="ok"', each - failed),
            series(table.OPERATIONS, f',result="{table.failed()[0]}"', failed),
            series(table.OPERATIONS, f',result="{table.excused()[0]}"', each),
        ]
        if objective.within_s is not None:
            le = f',le="{objective.within_s!r}"'
            found.append(series(f"{table.DURATIONS}_bucket", le, each - bad))
            found.append(series(f"{table.DURATIONS}_count", "", each))
        return found

    def _expected(self, objective: Objective, window: Window) -> dict[str, Any]:
        told = self._told(objective, window)
        labels = told["labels"] | {"job": self.job}
        return {"exp_labels": labels, "exp_annotations": told["annotations"]}


def _alert_name(objective: Objective, severity: str) -> str:
    words: Sequence[str] = objective.bad.split("_")
    return "P2pcore" + "".join(each.capitalize() for each in words) + NAMES[severity]
