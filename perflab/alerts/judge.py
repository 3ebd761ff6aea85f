"""Alerts: what the published history says has become slower, or stopped working, close to its tip.

A step of an exact figure is an *alarm* at once. A step of any other figure is a *suspect*, until
the two sides were measured again: then it is an alarm, or dismissed. A series whose newest results
are failures, or that no longer applies, is an alarm of its own kind. What was raised before is
known from a file, and not raised again.

It fails closed: whatever cannot be read or decided is said, and has another exit code than
"slower".

Rule: decides; reads and writes no files, and measures nothing.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import median
from typing import Any

from perflab.alerts.series import AlertHistory, AlertSeries
from perflab.gate.judge import GateVerdict, Judgement
from perflab.gate.policy import Policy
from perflab.gate.record import Kind
from perflab.results.culprits import StepCulprit, culprit_of
from perflab.stats.detector import PRINTED, START, Step, changes, watch

__all__ = ["AlertReport", "Finding", "State", "What", "judge", "measured_again", "with_culprits",
           "with_known"]  # fmt: skip

SAME_WITHIN = (
    10  # commits; a place that moved by less, as older commits were filled in, is the same
)
POINTS = 1000  # of a series that are read: levels and noise of longer ago are another machine's
WHOLE = "*"  # instead of a series' name: all of a machine's


class What(StrEnum):
    """What happened to a series."""

    SLOWER = "slower"
    FASTER = "faster"
    FAILING = "failing"
    GONE = "no longer measured"


class State(StrEnum):
    """What is made of it."""

    ALARM = "alarm"
    SUSPECT = "suspect"
    ACCEPTED = "accepted"
    DISMISSED = "dismissed"
    NOTED = "noted"


BECAME_ALARM = (State.ALARM, State.SUSPECT)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that happened to one series."""

    machine: str
    environment: str
    series: str
    unit: str
    kind: Kind
    higher_is_better: bool
    what: What
    state: State
    commit: str
    """The first one of the new level, most likely."""
    first: str
    last: str
    """It is one of the commits from first to last."""
    good: str
    """The newest measured commit before these."""
    ratio: float = math.nan
    """New over old, above one if worse."""
    before: float = math.nan
    after: float = math.nan
    why: str = ""
    raised: str = ""
    """When it was found first, in ISO 8601."""
    new: bool = True
    searched: int = 0
    """Commits that it was looked for in; 0 if nobody has searched, or that is not at an end."""
    culprit: str = ""
    """The one of them that made it; "" if it is none of them."""
    probability: float = math.nan
    """Of that."""

    @property
    def same(self) -> tuple[str, str, str, What]:
        """What two findings of one thing have in common, beside the place."""
        return self.machine, self.environment, self.series, self.what

    @property
    def active(self) -> bool:
        """Whether somebody should do something about it."""
        return self.state in (State.ALARM, State.SUSPECT)


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertReport:
    """The whole answer."""

    tip: str
    """The newest commit of the branch."""
    window: int
    findings: tuple[Finding, ...] = ()
    ended: tuple[Finding, ...] = ()
    """Known ones that are over: back on the old level, or too far behind the tip."""
    series: int = 0
    short: int = 0
    """Series of too few points to say which step would be found: at most clear ones are told."""
    smallest: tuple[float, ...] = ()
    """For each other noisy series, the ratio that would be found within ten commits."""
    problems: tuple[str, ...] = ()

    @property
    def code(self) -> int:
        """0 nothing new, 1 a new alarm: slower, 2 not everything could be read or decided."""
        new = [each for each in self.findings if each.new and each.active]
        if any(each.state is State.ALARM and each.what is What.SLOWER for each in new):
            return 1
        return 2 if new or self.problems or self.short == self.series else 0


def judge(
    history: AlertHistory,
    commits: Sequence[str],
    policy: Policy,
    today: datetime.date,
    window: int,
    progress: Callable[[int], None] = lambda done: None,
) -> AlertReport:
    """What happened within `window` commits of the tip; `commits`: the branch, oldest first.

    `progress` is told how many series have been read.
    """
    findings: list[Finding] = []
    short, smallest = 0, []
    for done, series in enumerate(history.series):
        progress(done)
        broken = _broken(series, commits, window)
        findings += [broken] if broken else []
        values = _values(series)
        short += len(values) < (2 if series.kind is Kind.EXACT else START)
        if series.kind is Kind.EXACT:
            floor = policy.limits(series.name, series.kind).floor
            watched = changes(list(values.values()), max(floor, PRINTED))
        else:
            watched = watch(list(values.values()), higher_is_better=series.higher_is_better)
            smallest += [watched.smallest] if len(values) >= START else []
        findings += _stepped(series, values, watched.steps, commits, policy, today, window)
    return AlertReport(
        tip=commits[-1] if commits else "",
        window=window,
        findings=tuple(_whole(findings, history.series)),
        series=len(history.series),
        short=short,
        smallest=tuple(sorted(smallest)),
        problems=history.problems,
    )


def _values(series: AlertSeries) -> dict[int, float]:
    """The newest finite ones, by their commits' places."""
    found = {
        point.place: point.value
        for point in series.points
        if point.value is not None and math.isfinite(point.value)
    }
    return dict(list(found.items())[-POINTS:])


def _broken(series: AlertSeries, commits: Sequence[str], window: int) -> Finding | None:
    """The finding if the newest results are no values, and there were values before."""
    values = _values(series)
    trailing = [point for point in series.points if point.place > max(values, default=-1)]
    if not values or not trailing or trailing[0].place < len(commits) - window:
        return None
    failed = any(point.value is None for point in trailing)
    return Finding(
        **_about(series),
        what=What.FAILING if failed else What.GONE,
        state=State.ALARM,
        commit=trailing[0].commit,
        first=trailing[0].commit,
        last=trailing[0].commit,
        good=commits[max(values)],
        before=list(values.values())[-1],
    )


def _about(series: AlertSeries) -> dict[str, Any]:
    return {
        "machine": series.machine,
        "environment": series.environment,
        "series": series.name,
        "unit": series.unit,
        "kind": series.kind,
        "higher_is_better": series.higher_is_better,
    }


def _stepped(
    series: AlertSeries,
    values: Mapping[int, float],
    steps: Sequence[Step],
    commits: Sequence[str],
    policy: Policy,
    today: datetime.date,
    window: int,
) -> list[Finding]:
    """Steps that are near the tip and, if slower, still there."""
    places, numbers = list(values), list(values.values())
    # Wall-clock figures have no floor of their own: the gate never blocks by them.
    kind = Kind.PAIRED if series.kind is Kind.OBSERVED else series.kind
    floor = policy.limits(series.name, kind).floor
    edges = [0, *(step.at for step in steps), len(numbers)]
    found = []
    for number, step in enumerate(steps):
        # From zero and back is no ratio (infinity times zero), and nothing that is left.
        left = math.prod(each.ratio for each in steps[number:])
        ratio, left = (
            (_turned(each) if series.higher_is_better else each) for each in (step.ratio, left)
        )
        slower = ratio > 1 + floor and left > 1 + floor
        faster = ratio < 1 / (1 + floor) and left < 1 / (1 + floor)
        if places[step.at] < len(commits) - window or not (slower or faster):
            continue
        accepted = policy.acceptance(series.name, ratio, today) if slower else None
        state = State.NOTED if faster else State.SUSPECT
        if slower and series.kind is Kind.EXACT:
            state = State.ALARM
        finding = Finding(
            **_about(series),
            what=What.SLOWER if slower else What.FASTER,
            state=State.ACCEPTED if accepted else state,
            commit=commits[places[step.at]],
            first=commits[places[step.first]],
            last=commits[places[step.last]],
            good=commits[places[step.first - 1]],
            ratio=ratio,
            before=median(numbers[edges[number] : step.at]),
            after=median(numbers[step.at : edges[number + 2]]),
            why=accepted.reason if accepted else "",
        )
        found.append(finding)
    return found


def _turned(ratio: float) -> float:
    return 1 / ratio if ratio else math.inf


def _whole(findings: Sequence[Finding], series: Sequence[AlertSeries]) -> list[Finding]:
    """One finding instead of hundreds where all of a machine's series broke at once: a commit that
    does not build."""
    broken: dict[tuple[str, str, str], list[Finding]] = {}
    for each in findings:
        if each.what is What.FAILING:
            key = each.machine, each.environment, each.commit
            broken.setdefault(key, []).append(each)
    result = [each for each in findings if each.what is not What.FAILING]
    for (machine, environment, _), those in broken.items():
        at_all = sum((each.machine, each.environment) == (machine, environment) for each in series)
        if len(those) == at_all > 1:
            those = [replace(those[0], series=WHOLE, unit="", before=math.nan)]
        result += those
    return result


def with_known(
    report: AlertReport, known: Sequence[Finding], commits: Sequence[str], now: str
) -> AlertReport:
    """Tell what is new from what a former run has raised, dismissed or seen end."""
    places = {commit: place for place, commit in enumerate(commits)}
    left = list(known)
    findings = []
    for each in report.findings:
        old = next((other for other in left if _alike(each, other, places)), None)
        if old is None:
            findings.append(replace(each, raised=now))
            continue
        left.remove(old)
        settled = each.state is State.SUSPECT and old.state in (State.ALARM, State.DISMISSED)
        each = replace(each, state=old.state, why=old.why) if settled else each
        # A suspect that has become an alarm is news, and so is what was accepted until now.
        new = each.active and (not old.active or (each.state, old.state) == BECAME_ALARM)
        findings.append(replace(each, raised=old.raised, new=new))
    ended = tuple(replace(each, new=False) for each in left if each.active)
    return replace(report, findings=tuple(findings), ended=ended)


def _alike(one: Finding, other: Finding, places: Mapping[str, int]) -> bool:
    if one.same != other.same or other.commit not in places:
        return False
    return abs(places[one.commit] - places[other.commit]) <= SAME_WITHIN


def with_culprits(
    report: AlertReport, culprits: Sequence[StepCulprit], commits: Sequence[str]
) -> AlertReport:
    """With the commit of each step for which one was found."""
    places = {commit: place for place, commit in enumerate(commits)}
    findings = []
    for each in report.findings:
        found = culprit_of(
            culprits, each.machine, each.environment, each.series, each.good, each.commit, places
        )
        if found is not None and found.certain and each.what in (What.SLOWER, What.FASTER):
            each = replace(
                each, searched=found.commits, culprit=found.commit, probability=found.probability
            )
        findings.append(each)
    return replace(report, findings=tuple(findings))


def measured_again(finding: Finding, judgement: Judgement | None, metric: str) -> Finding:
    """What becomes of a suspect whose two sides were measured again by the gate."""
    if judgement is None or judgement.verdict in (
        GateVerdict.FAILED,
        GateVerdict.SKIPPED,
        GateVerdict.NEW,
    ):
        reason = judgement.why.splitlines()[0] if judgement and judgement.why else "no value"
        return replace(finding, why=f"{metric} could not be measured again: {reason}")
    change = "from 0"
    if math.isfinite(judgement.ratio):
        change = f"{(judgement.ratio - 1) * 100:+.1f} %"
    if judgement.verdict is GateVerdict.REGRESSION:
        why = f"measured again by {metric}: {change}"
        return replace(finding, state=State.ALARM, new=True, why=why)
    if judgement.verdict is GateVerdict.UNDECIDED:
        return replace(finding, why=f"measured again by {metric}: undecided ({change})")
    why = f"measured again by {metric}: {judgement.verdict.value} ({change})"
    return replace(finding, state=State.DISMISSED, why=why)
