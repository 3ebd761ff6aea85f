"""What has to be reached, as data; and whether a run's observations reach it.

Theory of operation. A target is one threshold on one metric, in the syntax that k6 users know
(`p(95) < 200`, `rate > 99%`, `count == 0`). It asks every step of its scope that was to measure the
metric, and the verdict has three values:

    met             every step asked has a figure, and each keeps the threshold
    not met         at least one step has a figure that breaks it
    unmeasured      none breaks it, and at least one has no figure, or nobody was asked

A figure is missing when the step failed, when its generator was the bottleneck, when a value is not
finite, or when there are too few values for the percentile: P99.9 of 100 values is their maximum
under another name. So nothing passes for being unknown.

A targets file is checked when it is read: an unknown name is an error that tells the nearest one.

Rule: reads files and compares; where the observations come from is for `observations` to say.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from msgspec import field, to_builtins

from perflab.forms import shown
from perflab.readiness.record import Durability
from perflab.report.finding import Observation
from perflab.report.form import State
from perflab.stats.thresholds import (
    METRICS,
    MetricKind,
    TargetError,
    Threshold,
    parse_threshold,
    percentile,
)
from perflab.tables import Table, Text, known, read_table

__all__ = [
    "DURABILITIES",
    "SHIPPED",
    "SHIPPED_SETS",
    "Asked",
    "Target",
    "TargetVerdict",
    "durability_of",
    "judge",
    "overall",
    "read_targets",
]


SHIPPED = Path(__file__).with_name("targets.toml")
SHIPPED_SETS = ("production", "goals")
VERSION = 1
DURABILITIES: tuple[Durability, ...] = get_args(Durability)
OWN_SET = "own"  # of targets that name none


@dataclass(frozen=True, kw_only=True)
class Target:
    """One thing that has to be reached."""

    name: str
    metric: str
    threshold: Threshold
    unit: str
    scope: str = ""
    """The tag of the steps that are asked; "": every step that measures the metric."""
    set: str = OWN_SET
    why: str = ""


class _Written(Table, frozen=True, kw_only=True):
    """A target as a file has it."""

    name: Text
    metric: Text
    threshold: Text
    unit: Text | None = None
    scope: str = ""
    set: Text = OWN_SET
    why: Text = ""


class _File(Table, frozen=True, kw_only=True):
    version: int
    durability: Durability = "synced"
    target: list[_Written] = field(default_factory=list)
    thresholds: dict[str, Text | list[Text]] = field(default_factory=dict)
    """By metric, as k6 has them."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A step of a run, as far as targets need to know it."""

    name: str
    tags: Sequence[str]
    metrics: Sequence[str]
    """What it was to measure."""


@dataclass(frozen=True, kw_only=True)
class TargetVerdict:
    """What became of one target."""

    target: Target
    state: State
    value: float | None
    """The figure that decided: the worst of all steps asked; None where there is none."""
    step: str
    """Whose figure that is."""
    reason: str
    """What was found, in words; why it was not measured."""
    circumstances: str = ""


def read_targets(path: Path = SHIPPED, *, scopes: Iterable[str] = ()) -> list[Target]:
    """Read and check a targets file; TargetError in one line.

    `scopes` are the tags that a target may name; without any, every scope is taken.
    """
    file = read_table(path, _File, TargetError)
    try:
        return _targets(file, sorted(set(scopes)))
    except TargetError as error:
        raise TargetError(f"{path.name}: {error}") from error


def durability_of(path: Path = SHIPPED) -> Durability:
    """What a targets file means a store to survive: "synced" unless it says another; TargetError
    in one line."""
    return read_table(path, _File, TargetError).durability


def judge(
    targets: Sequence[Target], steps: Sequence[Asked], observations: Sequence[Observation]
) -> list[TargetVerdict]:
    """A verdict for each target, in their order."""
    found = {(each.step, each.metric): each for each in observations}
    verdicts = []
    for target in targets:
        asked = [
            step
            for step in steps
            if target.metric in step.metrics and (not target.scope or target.scope in step.tags)
        ]
        answers = [_answer(target, step, found.get((step.name, target.metric))) for step in asked]
        verdicts.append(_worst(target, answers))
    return verdicts


def overall(verdicts: Iterable[TargetVerdict]) -> State:
    """Not met if one is not; else unmeasured if one is, or if there is no verdict at all."""
    states = {each.state for each in verdicts}
    if "not met" in states:
        return "not met"
    return "met" if states == {"met"} else "unmeasured"


def _answer(target: Target, step: Asked, found: Observation | None) -> TargetVerdict:
    def verdict(state: State, value: float | None, reason: str) -> TargetVerdict:
        return TargetVerdict(
            target=target,
            state=state,
            value=value,
            step=step.name,
            reason=f"{step.name}: {reason}",
            circumstances=found.circumstances if found else "",
        )

    if found is None:
        return verdict("unmeasured", None, f"has no {target.metric}")
    if found.unusable:
        return verdict("unmeasured", None, found.unusable)
    try:
        value = _aggregate(target.threshold, METRICS[target.metric].kind, found)
    except ValueError as error:
        return verdict("unmeasured", None, str(error))
    if value == math.inf and found.missing:
        total = len(found.values) + found.missing
        return verdict("not met", None, f"{found.missing:,} of {total:,} never came")
    if not math.isfinite(value):
        return verdict("unmeasured", None, f"{target.metric} is {value}, which is no figure")
    state: State = "met" if target.threshold.holds(value) else "not met"
    return verdict(state, value, f"{value:,.6g} {target.unit}")


def _aggregate(threshold: Threshold, kind: MetricKind, found: Observation) -> float:
    """The one figure that the threshold is about; ValueError if there is none."""
    import numpy as np

    values = found.values
    if kind == "trend" and threshold.aggregate == "count":
        return float(len(values))
    if not len(values) + found.missing:
        raise ValueError("nothing was measured")
    if not np.isfinite(np.asarray(values, float)).all():
        return math.nan
    if kind != "trend":
        if len(values) != 1:
            raise ValueError(f"{len(values)} figures where one was expected")
        if (threshold.aggregate, kind) != ("rate", "counter"):
            return float(values[0])
        if not found.seconds or not found.seconds > 0:
            raise ValueError("there is no time that it could be a rate over")
        return float(values[0]) / found.seconds
    if found.missing and threshold.aggregate in ("avg", "max"):
        return math.inf
    match threshold.aggregate:
        case "avg":
            return math.fsum(values) / len(values)
        case "min":
            return float(min(values, default=math.inf))
        case "max":
            return float(max(values))
        case _:
            rank = 50.0 if threshold.rank is None else threshold.rank
            return percentile(values, rank, found.missing)


def _worst(target: Target, answers: Sequence[TargetVerdict]) -> TargetVerdict:
    """The answer that decides, with the reasons of all that are of its state."""
    if not answers:
        where = f"of the scope {target.scope!r} " if target.scope else ""
        reason = f"no step {where}measures {target.metric} in this run"
        return TargetVerdict(target=target, state="unmeasured", value=None, step="", reason=reason)
    state = overall(answers)
    same = [each for each in answers if each.state == state]
    sign = 1 if target.threshold.operator in ("<", "<=", "==", "!=") else -1
    worst = max(same, key=lambda each: -math.inf if each.value is None else sign * each.value)
    reason = worst.reason if state == "met" else "; ".join(each.reason for each in same)
    return TargetVerdict(**(vars(worst) | {"reason": reason}))


def _targets(file: _File, scopes: Sequence[str]) -> list[Target]:
    if file.version != VERSION:
        raise TargetError(f"version = {VERSION} is expected, not {file.version}")
    found = [_target(each, f"target[{n}]", scopes) for n, each in enumerate(file.target)]
    for metric, texts in file.thresholds.items():
        for text in [texts] if isinstance(texts, str) else texts:
            written = _Written(name=f"{metric}: {text}", metric=metric, threshold=text)
            found.append(_target(written, f"thresholds.{metric}", scopes))
    if not found:
        raise TargetError("there is no target in it")
    names = [(each.set, each.name) for each in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise TargetError(f"two targets of the set {shown(twice[0])} are called {shown(twice[1])}")
    return found


def _target(written: _Written, place: str, scopes: Sequence[str]) -> Target:
    known(written.metric, METRICS, f"metric, in {place}", TargetError)
    if written.scope and scopes:
        known(written.scope, scopes, f"scope, in {place}", TargetError)
    try:
        threshold = parse_threshold(written.threshold, written.metric)
    except TargetError as error:
        raise TargetError(f"{place}: {error}") from error
    unit = METRICS[written.metric].unit_of(threshold.aggregate)
    if written.unit not in (None, unit):
        text = f"{written.threshold!r} of {written.metric} is in {unit!r}, not in {written.unit!r}"
        raise TargetError(f"{place}: {text}")
    return Target(**(to_builtins(written) | {"threshold": threshold, "unit": unit}))
