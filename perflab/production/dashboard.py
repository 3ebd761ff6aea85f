"""A dashboard for Grafana: the objectives, and a panel for each of the core's metrics.

Rule: makes plain tables; every expression is made of the core's table or of a recorded rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from perflab.production import table
from perflab.production.rules import RuleSet

__all__ = ["RATE", "Panel", "dashboard", "panels"]

SCHEMA = 37  # of Grafana 9 on; newer ones raise it themselves
WIDTH, HEIGHT = 12, 8  # of a panel; a row has 24
RATE = "$__rate_interval"  # Grafana's: four scrapes or more
JOB = 'job=~"$job"'
RANKS = (0.5, 0.99)


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture."""

    title: str
    about: str
    unit: str
    """Grafana's name of it."""
    queries: Sequence[tuple[str, str]]
    """Expressions, and how their lines are called."""
    needs_disk: bool = False
    kind: str = "timeseries"
    thresholds: Sequence[tuple[float, str]] = ()
    """Values from which on it is not well, and Grafana's names of their colours."""


def panels(rules: RuleSet) -> list[Panel]:
    """The objectives first, then each metric."""
    recorded = rules.objective_queries()
    first = [
        Panel(
            title=f"Budget of '{name}': how many times too fast it burns",
            about="1 spends all of it in 30 days, 14.4 a fiftieth in an hour.",
            unit="none",
            queries=queries,
            thresholds=[
                (factor, "orange" if factor == min(factors) else "red")
                for factor in sorted(factors)
            ],
        )
        for (name, queries), factors in zip(recorded, _factors(rules), strict=True)
    ]
    return first + [_panel(each) for each in table.families()]


def _factors(rules: RuleSet) -> list[set[float]]:
    """By objective, how fast its budget burns when the first alert fires, and the last."""
    found = ([each.factor for each in one.windows()] for one in rules.plan.objectives)
    return [{min(factors), max(factors)} if factors else set() for factors in found]


def dashboard(rules: RuleSet) -> dict[str, Any]:
    """All of it, as Grafana imports and provisions it."""
    source = {"type": "prometheus", "uid": "${datasource}"}
    shown = []
    for number, panel in enumerate(panels(rules)):
        targets = [
            {"refId": chr(65 + n), "expr": expr, "legendFormat": legend, "datasource": source}
            | ({"instant": True, "format": "table"} if panel.kind == "table" else {})
            for n, (expr, legend) in enumerate(panel.queries)
        ]
        place = {"x": number % 2 * WIDTH, "y": number // 2 * HEIGHT, "w": WIDTH, "h": HEIGHT}
        shown.append(
            {
                "id": number + 1,
                "type": panel.kind,
                "title": panel.title,
                "description": panel.about,
                "datasource": source,
                "gridPos": place,
                "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
                "targets": targets,
            }
        )
    return {
        "uid": "p2pcore",
        "title": "p2pcore",
        "schemaVersion": SCHEMA,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": _variables(rules.job)},
        "panels": shown,
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    found: dict[str, Any] = {"unit": panel.unit}
    if panel.thresholds:
        steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
        steps += [{"color": colour, "value": value} for value, colour in panel.thresholds]
        found["thresholds"] = {"mode": "absolute", "steps": steps}
        found["custom"] = {"thresholdsStyle": {"mode": "dashed"}}
    return found


def _variables(job: str) -> list[dict[str, Any]]:
    build = table.family(table.BUILD).name
    return [
        {"name": "datasource", "type": "datasource", "query": "prometheus"},
        {
            "name": "job",
            "type": "query",
            "datasource": {"type": "prometheus", "uid": "${datasource}"},
            "query": f"label_values({build}, job)",
            "current": {"text": job, "value": job},
            "includeAll": False,
            "multi": True,
        },
    ]


def _panel(family: table.MetricFamily) -> Panel:
    labels = list(family.labels)
    unit = "s" if family.name.endswith("_seconds") else "none"
    kind = "timeseries"
    match str(family.kind):
        case "counter":
            unit = "Bps" if "_bytes" in family.name else "ops"
            expr = f"rate({family.name}{{{JOB}}}[{RATE}])"
            queries = [_summed(expr, labels)]
        case "gauge":
            unit = "bytes" if "_bytes" in family.name else "none"
            by = ", ".join(["instance", *labels])
            legend = " ".join(f"{{{{{each}}}}}" for each in ["instance", *labels])
            queries = [(f"sum by ({by}) ({family.name}{{{JOB}}})", legend)]
        case "histogram":
            queries = [_quantile(family.name, labels, rank) for rank in RANKS]
        case "info":
            kind = "table"
            queries = [(f"{family.name}{{{JOB}}}", "")]
        case other:
            raise NotImplementedError(f"{family.name} is a {other}, of which no panel is known")
    return Panel(
        title=family.name,
        about=family.help,
        unit=unit,
        queries=queries,
        needs_disk=family.needs_disk,
        kind=kind,
    )


def _summed(expr: str, labels: Sequence[str]) -> tuple[str, str]:
    """Over all processes; without labels, each by itself. What never happened is not drawn."""
    if not labels:
        return f"sum by (instance) ({expr})", "{{instance}}"
    legend = " ".join(f"{{{{{each}}}}}" for each in labels)
    return f"sum by ({', '.join(labels)}) ({expr}) > 0", legend


def _quantile(name: str, labels: Sequence[str], rank: float) -> tuple[str, str]:
    by = ", ".join(["le", *(labels or ["instance"])])
    legend = " ".join(f"{{{{{each}}}}}" for each in labels or ["instance"])
    buckets = f"sum by ({by}) (rate({name}_bucket{{{JOB}}}[{RATE}]))"
    return f"histogram_quantile({rank:g}, {buckets})", f"P{rank * 100:g} {legend}"
