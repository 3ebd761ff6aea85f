"""One verdict on a change that was measured by two rulers: the base's, and the one it brings along.

What either calls slower is slower. A benchmark that the base's ruler compares and the head's does
not reach any more is not measured; one that both find only in head is new.

Rule: puts two verdicts together; judges no figure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from perflab.gate.judge import IDLE, GateOutcome, GateVerdict, Judgement

__all__ = ["HEADS_RULER", "merged"]

HEADS_RULER = "the head's ruler"
COMPARED = (
    GateVerdict.REGRESSION,
    GateVerdict.IMPROVEMENT,
    GateVerdict.UNCHANGED,
    GateVerdict.UNDECIDED,
)
ONE_SIDED = (GateVerdict.NEW, GateVerdict.SKIPPED)


def merged(first: GateOutcome, second: GateOutcome) -> GateOutcome:
    """The whole: `first` is by the base's ruler, `second` by the head's."""
    judgements = (*first.judgements, *_added(first, second))
    problems = [each for each in first.problems if each != IDLE]
    seconds = [each for each in second.problems if each not in (IDLE, *first.problems)]
    problems += [f"by {HEADS_RULER}: {each}" for each in seconds]
    if IDLE in first.problems and IDLE in second.problems:
        problems.append(IDLE)
    return replace(
        first,
        judgements=judgements,
        problems=tuple(problems),
        false_alarms=first.false_alarms + second.false_alarms,
    )


def _added(first: GateOutcome, second: GateOutcome) -> Iterator[Judgement]:
    """What the head's ruler says beside the base's; the same silence is not told twice."""
    before = {each.name: each.verdict for each in first.judgements}
    for each in second.judgements:
        said = before.get(each.name)
        found = replace(each, ruler=HEADS_RULER)
        if each.verdict in ONE_SIDED and said in COMPARED:
            why = f"the base's ruler compares it; here: {each.why}"
            yield replace(found, verdict=GateVerdict.FAILED, why=why)
        elif said in ONE_SIDED and (each.verdict is said or _lacks(second, each.name)):
            continue
        else:
            yield found


def _lacks(outcome: GateOutcome, name: str) -> bool:
    """Whether base lacks it, as the ruler says."""
    metric = outcome.base.metrics.get(name)
    return metric is None or bool(metric.skipped)
