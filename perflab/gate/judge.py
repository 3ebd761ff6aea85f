"""Judge a change: two files of measurements in, a verdict per benchmark and for the whole out.

Each kind of metric as it deserves (docs/measuring.md has the table). *Exact* figures: any change
is real; instructions have a floor, and the hash seeds' disagreement is added to it. *Paired* and
*seeded* ones: bounds on the ratio (`bounds.py`), held against a floor, below which a change is
none, and a tolerance, within which "unchanged" must lie. *Observed* ones are shown.

False alarms are limited for the whole gate. The first stage alone never makes a regression: it says
who is suspect. Suspects were measured again, and are judged by the second stage only. Its values
had no part in choosing them, so the chance of an alarm is shared out among the suspects and looks
(Bonferroni: it holds however they depend on each other, and word and interval cannot disagree as
they could under Holm's or Benjamini's procedure), not among all benchmarks. To call something
unchanged, narrower bounds do, at any look: the policy says how many of those may have changed.

It fails closed: what disappeared, newly fails or is no number is never a pass.

Rule: reads what was measured and decides; measures nothing.
"""

from __future__ import annotations

import datetime
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import fmean, median

from perflab.gate.cause.form import Cause
from perflab.gate.policy import Accepted, Limits, Policy
from perflab.gate.record import SLOW_OPERATIONS, Kind, Measured, Metric
from perflab.stats.bounds import RatioBounds, of_counts, of_ratios, rounds_needed

__all__ = ["IDLE", "GateOutcome", "GateVerdict", "Judgement", "judge", "suspects"]

SAME = 1e-9  # two means of the same whole numbers may differ by rounding
MORE = "measured once; a change is called real only after it was measured again"
IDLE = "no benchmark could be compared"
ALIAS = "if it has moved, give the ruler's door an alias first (benchmarks/common/parts.py)"


class GateVerdict(StrEnum):
    """What is said of one benchmark."""

    REGRESSION = "regression"
    FAILED = "not measured"
    UNDECIDED = "undecided"
    IMPROVEMENT = "improvement"
    UNCHANGED = "unchanged"
    NEW = "new"
    SKIPPED = "skipped"
    OBSERVED = "observed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """One benchmark. Ratios are head over base; NaN where there is none."""

    name: str
    verdict: GateVerdict
    kind: Kind
    unit: str
    base: float = math.nan
    head: float = math.nan
    ratio: float = math.nan
    low: float = math.nan
    high: float = math.nan
    smallest: float = math.nan
    """The least ratio that would have been called a regression, had it been so."""
    mean: float = math.nan
    """The same of all blocks' sums: it sees pauses, which medians hide, and all of the noise."""
    rounds: int = 0
    why: str = ""
    accepted: Accepted | None = None
    ruler: str = ""
    """Which one measured it, where two did; "" for the base's."""
    open: bool = False
    """Undecided, and it could be slower than the tolerance."""

    @property
    def label(self) -> str:
        """The name, with the ruler where two measured."""
        return f"{self.name} (by {self.ruler})" if self.ruler else self.name


@dataclass(frozen=True, kw_only=True, slots=True)
class GateOutcome:
    """The whole gate."""

    base: Measured
    head: Measured
    judgements: tuple[Judgement, ...]
    problems: tuple[str, ...]
    """What kept the gate as a whole from being complete."""
    notices: tuple[str, ...] = ()
    """What to know first: who measured, and what the change does to the ruler and the policy."""
    same_core: bool = False
    """Both commits have the same core, so there was nothing to measure."""
    undecided_allowed: int
    false_alarms: float
    expired: tuple[Accepted, ...]
    cause: Cause | None = None
    """What is behind the regressions, where that was looked for."""

    def counts(self) -> Counter[GateVerdict]:
        """How many benchmarks got each verdict."""
        return Counter(each.verdict for each in self.judgements)

    @property
    def regressions(self) -> list[Judgement]:
        """Those that nobody has accepted."""
        found = [each for each in self.judgements if each.verdict is GateVerdict.REGRESSION]
        return [each for each in found if each.accepted is None]

    @property
    def code(self) -> int:
        """0 pass, 1 regression, 2 not everything could be measured or decided."""
        if self.regressions:
            return 1
        failed = any(each.verdict is GateVerdict.FAILED for each in self.judgements)
        undecided = sum(each.open for each in self.judgements) > self.undecided_allowed
        return 2 if failed or undecided or self.problems else 0


def judge(base: Measured, head: Measured, policy: Policy, today: datetime.date) -> GateOutcome:
    """Judge all benchmarks of two commits; `today` decides which accepted changes still count."""
    shares = _shares(base, head, policy)
    judgements = [
        _judge_one(
            name,
            base.metrics.get(name),
            head.metrics.get(name),
            policy,
            shares,
            None if base.own_figures is None else name in base.own_figures,
        )
        for name in sorted(base.metrics.keys() | head.metrics.keys())
    ]
    problems = [*base.problems, *head.problems]
    problems += [
        f"{side} {each.commit[:8]}: {each.failed}"
        for side, each in (("base", base), ("head", head))
        if each.failed
    ]
    same = base.same_core and head.same_core
    idle = (GateVerdict.SKIPPED, GateVerdict.NEW, GateVerdict.OBSERVED)
    built = not base.failed and not head.failed
    if built and not same and all(each.verdict in idle for each in judgements):
        problems.append(IDLE)
    return GateOutcome(
        base=base,
        head=head,
        judgements=tuple(_with_acceptance(each, policy, today) for each in judgements),
        problems=tuple(problems),
        notices=(*base.notices, *head.notices),
        same_core=same,
        undecided_allowed=policy.undecided,
        false_alarms=policy.false_alarms,
        expired=tuple(policy.expired(today)),
    )


def suspects(base: Measured, head: Measured, policy: Policy) -> list[str]:
    """Benchmarks that further rounds of a next stage, or of the second one, could decide."""
    outcome = judge(base, head, policy, datetime.date.min)
    return [each.name for each in outcome.judgements if each.verdict is GateVerdict.UNDECIDED]


def _with_acceptance(each: Judgement, policy: Policy, today: datetime.date) -> Judgement:
    if each.verdict is not GateVerdict.REGRESSION:
        return each
    return replace(each, accepted=policy.acceptance(each.name, each.ratio, today))


def _shares(base: Measured, head: Measured, policy: Policy) -> Mapping[Kind, float]:
    """The error that each bound of the second stage may have, by kind."""
    shares = {}
    for kind in (Kind.SEEDED, Kind.PAIRED):
        again = sum(
            metric.kind is kind and len(metric.stages) > 1 for metric in head.metrics.values()
        )
        shares[kind] = policy.false_alarms / 2 / max(again, 1) / policy.looks
    return shares


def _judge_one(
    name: str,
    base: Metric | None,
    head: Metric | None,
    policy: Policy,
    shares: Mapping[Kind, float],
    own: bool | None,
) -> Judgement:
    """`own`: whether base's own ruler has it, where another measured; None if that is not known."""
    shown = head or base
    assert shown is not None
    blank = Judgement(name=name, verdict=GateVerdict.SKIPPED, kind=shown.kind, unit=shown.unit)
    if base is None or head is None or base.problem or head.problem:
        verdict, why = _incomparable(base, head, own)
        return replace(blank, verdict=verdict, why=why)
    if (base.kind, base.unit) != (head.kind, head.unit):
        why = f"{base.kind} in {base.unit} in base, {head.kind} in {head.unit} in head"
        return replace(blank, verdict=GateVerdict.FAILED, why=why)
    if head.kind is Kind.OBSERVED:
        before, after = (median(metric.rounds()) for metric in (base, head))
        return _valued(blank, before, after, GateVerdict.OBSERVED)
    if _shape(base) != _shape(head):
        why = "the rounds of base and of head do not pair"
        return replace(blank, verdict=GateVerdict.FAILED, why=why)
    limits = policy.limits(name, head.kind)
    if head.kind is Kind.EXACT:
        return _exact(blank, base, head, limits)
    return _bounded(blank, base, head, limits, policy, shares[head.kind])


def _incomparable(
    base: Metric | None, head: Metric | None, own: bool | None
) -> tuple[GateVerdict, str]:
    """The verdict where a side has no value.

    A part that the ruler does not reach in base is new if base's own ruler has no such figure; and
    if it has, the ruler is at fault, whatever it says that base lacks.
    """
    lacks = base is None or bool(base.skipped)
    if head is None:
        return (
            (GateVerdict.SKIPPED, "gone")
            if lacks
            else (GateVerdict.FAILED, "it disappeared in head")
        )
    if head.skipped:
        if lacks and own and head.unreached:
            return GateVerdict.FAILED, f"base's own ruler has it: {_advised(head)}"
        verdict = GateVerdict.SKIPPED if lacks else GateVerdict.FAILED
        return verdict, head.skipped if lacks else f"skipped in head only: {_advised(head)}"
    if head.problem:
        return GateVerdict.FAILED, f"in head: {head.problem}"
    if base is None:
        return GateVerdict.NEW, "not in base"
    if not lacks:
        return GateVerdict.FAILED, f"in base: {base.problem}"
    if own or (own is None and base.unreached):
        known = ", and its own ruler has it" if own else ""
        return GateVerdict.FAILED, f"skipped in base only{known}: {_advised(base)}"
    return GateVerdict.NEW, base.skipped


def _advised(metric: Metric) -> str:
    """Why it was skipped, and what to do if that is the ruler's fault."""
    return f"{metric.skipped}; {ALIAS}" if metric.unreached else metric.skipped


def _shape(metric: Metric) -> list[list[int]]:
    return [[len(blocks) for blocks in stage] for stage in metric.stages]


def _valued(blank: Judgement, base: float, head: float, verdict: GateVerdict) -> Judgement:
    ratio = head / base if base else (math.inf if head else 1.0)
    return replace(
        blank, verdict=verdict, base=base, head=head, ratio=ratio, low=ratio, high=ratio, rounds=1
    )


def _exact(blank: Judgement, base: Metric, head: Metric, limits: Limits) -> Judgement:
    """The mean over hash seeds; a count has one value, and no floor."""
    before, after = base.rounds(), head.rounds()
    found = _valued(blank, fmean(before), fmean(after), GateVerdict.UNCHANGED)
    threshold = limits.floor
    if len(before) > 1 and 0 not in before:
        ratios = [each / other for each, other in zip(after, before, strict=True)]
        threshold += max(ratios) - min(ratios)
        found = replace(found, low=min(ratios), high=max(ratios))
    found = replace(found, rounds=len(before), smallest=1 + threshold)
    if found.ratio > 1 + max(threshold, SAME):
        return replace(found, verdict=GateVerdict.REGRESSION)
    if found.ratio < 1 - max(threshold, SAME):
        return replace(found, verdict=GateVerdict.IMPROVEMENT)
    return found


def _bounded(
    blank: Judgement, base: Metric, head: Metric, limits: Limits, policy: Policy, share: float
) -> Judgement:
    first = len(base.stages) == 1
    if not first and len(base.stages[-1]) < rounds_needed(share):
        # Cut short: the first stage at least knows how far off it can be.
        one, other = (replace(side, stages=side.stages[:1]) for side in (base, head))
        return _bounded(blank, one, other, limits, policy, share)
    before, after = base.stages[-1], head.stages[-1]
    screening = policy.screening / (1 + policy.looks)
    sums = [sum(map(sum, side)) for side in (before, after)]
    counted = blank.unit == SLOW_OPERATIONS
    middle = fmean if counted else median  # of counts that are mostly 0, a median says nothing
    found = replace(
        _valued(blank, middle(base.rounds()), middle(head.rounds()), GateVerdict.UNCHANGED),
        rounds=len(before),
        mean=sums[1] / sums[0] if sums[0] else math.nan,
    )
    if before == after:
        return replace(found, smallest=1 + limits.floor)
    if counted:
        pairs = [(sum(old), sum(new)) for old, new in zip(before, after, strict=True)]
        sure, near = (of_counts(pairs, each) for each in (share, screening))
        counts = _held_against(found, sure, near, limits, first)
        if counts.verdict is GateVerdict.UNCHANGED and near.low > 1 + limits.floor:
            # Few counts need a wide tolerance: what is most likely more is not cleared by that.
            return replace(counts, verdict=GateVerdict.UNDECIDED, open=True)
        return counts
    if not all(map(all, before)) or not all(map(all, after)):
        why = "it is 0 in one round and not in another: no ratio"
        return replace(found, verdict=GateVerdict.UNDECIDED, why=why, open=True)
    ratios = [
        median(new / old for old, new in zip(*both, strict=True))
        for both in zip(before, after, strict=True)
    ]
    sure, near = (of_ratios(ratios, each) for each in (share, screening))
    return _held_against(found, sure, near, limits, first)


def _held_against(
    found: Judgement, sure: RatioBounds, near: RatioBounds, limits: Limits, first: bool
) -> Judgement:
    """The words for bounds: `sure` ones raise alarms, `near` ones clear; the first stage can only
    do the latter."""
    floor, tolerance = 1 + limits.floor, 1 + limits.tolerance
    smallest = replace(found, ratio=sure.ratio, smallest=floor * sure.smallest)
    alarm = replace(smallest, low=sure.low, high=sure.high)
    found = replace(smallest, low=near.low, high=near.high)
    if not first and sure.low > floor:
        return replace(alarm, verdict=GateVerdict.REGRESSION)
    if not first and sure.high < 1 / floor:
        return replace(alarm, verdict=GateVerdict.IMPROVEMENT)
    if first and (near.low > floor or near.high < 1 / floor):
        return replace(found, verdict=GateVerdict.UNDECIDED, why=MORE, open=near.low > floor)
    if near.high <= tolerance and near.low >= 1 / tolerance:
        return found
    return replace(found, verdict=GateVerdict.UNDECIDED, open=near.high > tolerance)
