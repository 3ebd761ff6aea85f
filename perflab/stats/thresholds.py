"""Thresholds on metrics, in the syntax that k6 users know: `p(95) < 200`, `rate > 99%`.

Rule: reads texts and compares numbers; what is asked of whom is in `targets`.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from perflab.tables import known

__all__ = [
    "METRICS",
    "KnownMetric",
    "MetricKind",
    "TargetError",
    "Threshold",
    "parse_threshold",
    "percentile",
]

MetricKind = Literal["trend", "rate", "counter", "gauge"]

AGGREGATES: Mapping[MetricKind, tuple[str, ...]] = {
    "trend": ("p", "med", "avg", "min", "max", "count"),
    "rate": ("rate",),
    "counter": ("count", "rate"),
    "gauge": ("value",),
}
OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
EXPRESSION = re.compile(
    r"\s*(?P<name>\w+)\s*(?:\(\s*(?P<rank>[^()]*?)\s*\))?\s*"
    r"(?P<operator>[<>=!]+)\s*(?P<limit>[^\s%]+)\s*(?P<percent>%?)\s*"
)


class TargetError(ValueError):
    """A targets file that cannot be used; one line that names the place, the value, the remedy."""


@dataclass(frozen=True)
class KnownMetric:
    """What can be asked of a step."""

    kind: MetricKind
    unit: str
    """Of the values; of a counter's `rate` it is the unit per second."""
    about: str

    def unit_of(self, aggregate: str) -> str:
        if aggregate == "count" and self.kind == "trend":
            return "1"
        return "1/s" if (aggregate, self.kind) == ("rate", "counter") else self.unit


METRICS: Mapping[str, KnownMetric] = {
    "latency": KnownMetric("trend", "ms", "of operations that succeeded, from when they were due"),
    "store_latency": KnownMetric("trend", "ms", "the same, of stores"),
    "retrieve_latency": KnownMetric("trend", "ms", "the same, of retrieves"),
    "requests": KnownMetric("counter", "requests", "operations that succeeded"),
    "stores": KnownMetric("counter", "requests", "stores that succeeded"),
    "retrieves": KnownMetric("counter", "requests", "retrieves that succeeded"),
    "success": KnownMetric(
        "rate", "share", "of the operations that were due, those that succeeded"
    ),
    "errors": KnownMetric("rate", "share", "of those due: timed out, refused, failed or wrong"),
    "dropped": KnownMetric("rate", "share", "of those due: never begun, too many were unanswered"),
    "leaks": KnownMetric("gauge", "processes", "processes whose memory reaches no plateau"),
    "recovery": KnownMetric("trend", "s", "from the end of a fault until all was as before"),
    "lost": KnownMetric("counter", "records", "acknowledged records that were not read again"),
}


@dataclass(frozen=True)
class Threshold:
    """`p(95) < 200`: an aggregate, an operator, a limit."""

    text: str
    """As it was written."""
    aggregate: str
    rank: float | None
    """Of `p(…)`, in percent."""
    operator: str
    limit: float

    def holds(self, value: float) -> bool:
        """NaN keeps no threshold, `!=` included."""
        return math.isfinite(value) and OPERATORS[self.operator](value, self.limit)


def parse_threshold(text: str, metric: str) -> Threshold:
    """Read `p(95) < 200` for a metric; TargetError says what is wrong and what there is."""
    kind = METRICS[metric].kind
    match = EXPRESSION.fullmatch(text)
    if match is None:
        raise TargetError(f"{text!r} is no threshold; one looks like {_example(kind)!r}")
    name, rank = match["name"], match["rank"]
    known(name, AGGREGATES[kind], f"aggregate of the {kind} {metric!r}", TargetError)
    known(match["operator"], OPERATORS, "operator", TargetError)
    if (rank is not None) != (name == "p"):
        raise TargetError(f"{text!r}: p takes a rank, as in p(95), and nothing else does")
    percent = None if rank is None else _number(rank, text)
    if percent is not None and not 0 < percent <= 100:
        raise TargetError(f"{text!r}: a percentile lies above 0, up to 100")
    limit = _number(match["limit"], text)
    if match["percent"]:
        if kind != "rate":
            raise TargetError(f"{text!r}: {metric} is in {METRICS[metric].unit_of(name)}, not in %")
        limit /= 100
    if kind == "rate" and not 0 <= limit <= 1:
        raise TargetError(f"{text!r}: a share lies from 0 to 1, or write {limit:g}%")
    return Threshold(text.strip(), name, percent, match["operator"], limit)


def percentile(values: Sequence[float], rank: float, missing: int = 0) -> float:
    """Nearest rank: the smallest value that `rank` percent of the values do not exceed.

    `missing` more count as longer than all of them; if the rank falls there, it is infinite.
    ValueError where there are too few for the rank to have one beyond it.
    """
    import numpy as np

    total = len(values) + missing
    needed = 1 if rank == 100 else math.ceil(100 / (100 - rank) - 1e-6)
    if total < needed:
        raise ValueError(f"P{rank:g} needs {needed:,} values, there are {total:,}")
    place = max(math.ceil(round(total * rank / 100, 6)) - 1, 0)
    if place >= len(values):
        return math.inf
    return float(np.partition(np.asarray(values, float), place)[place])


def _number(text: str, whole: str) -> float:
    try:
        value = float(text.replace("_", ""))
    except ValueError:
        raise TargetError(f"{whole!r}: {text!r} is no number") from None
    if not math.isfinite(value):
        raise TargetError(f"{whole!r}: {text!r} is no limit")
    return value


def _example(kind: MetricKind) -> str:
    return {"trend": "p(95) < 200", "rate": "rate > 99%", "gauge": "value == 0"}.get(
        kind, "count == 0"
    )
