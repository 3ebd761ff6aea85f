"""Promote, hold or roll back: what pairs of slots say of a candidate, after each of them.

Theory of operation. Each figure has a margin, which is how much worse is borne, and a confidence
sequence on the difference of the pairs (`perflab/stats/sequences.py`), which may be looked at after
every pair. Of the promised error each figure has its part, so that all together call an equal
candidate worse in no more than ERROR of runs. A figure is *worse* when the whole interval lies
above its luck and the estimate above the margin; it is *within* when the whole interval lies below
the margin. One that is worse rolls back; all of them within promote; neither, until time is over,
is a hold.

Luck is what two processes of one program differ by for as long as they live, if only by the places
of their memory. Above it rather than above the margin, for that needs a quarter of the pairs; above
it rather than above zero, or the unluckiest equal pairs would be rolled back.

Guard rails decide alone. One record that was acknowledged and comes back lost, stale or damaged
rolls back at once, in the warm-up too. Errors have a sequence like the figures, from the first pair
on.

Rule: reads slots; measures nothing, and knows no clock but theirs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from perflab.canary.record import FigureStanding, PairOfSlots, Ruling, Side, SlotFigures, Verdict
from perflab.stats.sequences import PairedDifferences

__all__ = ["ERROR", "FIGURES", "LEAST_PAIRS", "CanaryJudge", "JudgedFigure"]

ERROR = 0.01  # of runs whose sides are equal may be rolled back
LEAST_PAIRS = 60  # before a promotion: guard rails have to see something, too
MOST_FAILED = 0.01  # of the baseline's operations: a network that does not serve is no measure
BROKEN_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class JudgedFigure:
    """How one figure is made of a pair, and what is borne of it."""

    name: str
    about: str
    unit: Literal["%", "points"]
    margin: float
    """In log ratios for %, in shares of operations for points."""
    luck: float
    """By so much equal processes may differ; in the same unit."""
    clip: float
    value: Callable[[SlotFigures], float | None]
    """Of a slot; None where it cannot be seen."""

    def difference(self, pair: PairOfSlots) -> float | None:
        """How much worse the candidate's slot is than the baseline's; None if one is not known."""
        before, now = self.value(pair.baseline), self.value(pair.candidate)
        if before is None or now is None:
            return None
        if self.unit == "points":
            return now - before
        if before == now:  # both may be infinite
            return 0.0
        return math.log(now) - math.log(before) if before and now else None

    def shown(self, difference: float) -> float | None:
        """A difference in percent or percentage points; None for an infinite one."""
        if math.isinf(difference):
            return None
        return round(100 * (math.expm1(difference) if self.unit == "%" else difference), 4)


def _p50_s(slot: SlotFigures) -> float:
    return math.inf if slot.p50_s is None else slot.p50_s


def _cpu_s(slot: SlotFigures) -> float | None:
    return None if slot.cpu_s is None else slot.cpu_s / slot.operations


FIGURES = {
    each.name: each
    for each in (
        JudgedFigure(
            name="p50",
            about="median latency from the due time",
            unit="%",
            margin=math.log(1.05),
            luck=math.log(1.02),
            clip=0.1,
            value=_p50_s,
        ),
        JudgedFigure(
            name="tail",
            about="operations beyond the P99 of both sides so far",
            unit="points",
            margin=0.005,  # of 2 at most: then no slow one is the baseline's
            luck=0.001,
            clip=0.03,
            value=lambda slot: slot.beyond / slot.operations,
        ),
        JudgedFigure(
            name="cpu",
            about="processor time of the nodes per operation",
            unit="%",
            margin=math.log(1.05),
            luck=math.log(1.02),
            clip=0.1,
            value=_cpu_s,
        ),
        JudgedFigure(
            name="client-cpu",
            about="processor time of the client per operation",
            unit="%",
            margin=math.log(1.05),
            luck=math.log(1.02),
            clip=0.1,
            value=lambda slot: slot.client_cpu_s / slot.operations,
        ),
        JudgedFigure(
            name="errors",
            about="operations that failed",
            unit="points",
            margin=0.0025,
            luck=0.0,
            clip=0.03,
            value=lambda slot: slot.failed / slot.operations,
        ),
    )
}
"""What can be judged, by name. Clips are about the noise of one pair on a shared machine."""

GUARDS = frozenset({"errors"})  # counted in the warm-up too


class CanaryJudge:
    """The pairs so far, and what follows from them.

    Args:
        names: the figures that decide, of FIGURES.

    Raises:
        ValueError: no figure, or one that there is not.
    """

    def __init__(self, names: Iterable[str]) -> None:
        chosen = list(dict.fromkeys(names))
        unknown = [name for name in chosen if name not in FIGURES]
        if unknown or not chosen:
            raise ValueError(f"a canary judges {', '.join(FIGURES)}, not {unknown or 'nothing'}")
        self._sequences = {
            name: PairedDifferences(FIGURES[name].clip, ERROR / len(chosen)) for name in chosen
        }
        self._begin_s: float | None = None
        self._end_s = 0.0
        self._failed = self._operations = 0  # the baseline's
        self.pairs = 0
        self.ruling: Ruling | None = None

    def take(self, pair: PairOfSlots) -> Ruling | None:
        """The next pair; the ruling as soon as there is one, and then for ever."""
        if self.ruling is not None:
            return self.ruling
        slots = (pair.baseline, pair.candidate)
        if self._begin_s is None:
            self._begin_s = min(slot.begin_s for slot in slots)
        self._end_s = max(slot.begin_s + slot.seconds for slot in slots)
        self.pairs += 1
        self._failed += pair.baseline.failed
        self._operations += pair.baseline.operations
        for name, sequence in self._sequences.items():
            if pair.warm_up and name not in GUARDS:
                continue
            difference = FIGURES[name].difference(pair)
            if difference is not None:
                sequence.add(difference)
        return self._guarded(pair) or self._worse() or self._all_within()

    def gone(self, words: str) -> Ruling:
        """The candidate does not answer any more; what it was that ended, in words."""
        return self._rule("roll back", "gone", words)

    def end(self, why: str) -> Ruling:
        """No further pair comes: a hold, unless there is a ruling already."""
        if self.ruling is not None:
            return self.ruling
        unclear = [each for each in self.standings() if each.state != "within"]
        told = [_unclear(each) for each in unclear] or ["too few pairs to promote"]
        if self._baseline_fails():
            told = [
                f"{self._failed:,} of the baseline's own {self._operations:,} operations failed"
            ]
        return self._rule("hold", "", f"{why}: {'; '.join(told)}")

    def standings(self) -> list[FigureStanding]:
        """What is known of each figure now."""
        return [self._standing(name) for name in self._sequences]

    def broken_after_all(self, side: Side, broken: Sequence[str]) -> Ruling:
        """The ruling on acknowledged records that came back lost, stale or damaged; it goes before
        any other."""
        words = "; ".join(broken[:BROKEN_SHOWN])
        more = len(broken) - BROKEN_SHOWN
        words += f" and {more} more" if more > 0 else ""
        if side == "candidate":
            return self._rule("roll back", "records", words)
        return self._rule("hold", "records", f"the baseline itself breaks its promise: {words}")

    def _guarded(self, pair: PairOfSlots) -> Ruling | None:
        if pair.candidate.broken:
            return self.broken_after_all("candidate", pair.candidate.broken)
        if pair.baseline.broken:
            return self.broken_after_all("baseline", pair.baseline.broken)
        return None

    def _worse(self) -> Ruling | None:
        for name in self._sequences:
            if self._state(name) == "worse":
                return self._rule("roll back", name, _told(self._standing(name)))
        return None

    def _all_within(self) -> Ruling | None:
        counts = [sequence.count for sequence in self._sequences.values()]
        if min(counts) < LEAST_PAIRS or self._baseline_fails():
            return None
        if any(self._state(name) != "within" for name in self._sequences):
            return None
        told = "; ".join(_told(each) for each in self.standings())
        return self._rule("promote", "", f"all figures are within their margins: {told}")

    def _baseline_fails(self) -> bool:
        return self._failed > MOST_FAILED * self._operations

    def _state(self, name: str) -> Literal["within", "worse", "open"]:
        sequence, figure = self._sequences[name], FIGURES[name]
        if sequence.above(figure.luck) and sequence.estimate() > figure.margin:
            return "worse"
        return "within" if sequence.below(figure.margin) else "open"

    def _standing(self, name: str) -> FigureStanding:
        figure, bounds = FIGURES[name], self._sequences[name].bounds()
        return FigureStanding(
            name=name,
            unit=figure.unit,
            margin=figure.shown(figure.margin) or 0.0,
            pairs=bounds.count,
            estimate=figure.shown(bounds.estimate) or 0.0,
            low=figure.shown(bounds.low),
            high=figure.shown(bounds.high),
            target=figure.shown(2 * figure.margin) or 0.0,
            power=bounds.power(2 * figure.margin - figure.luck),
            could_see=figure.shown(bounds.could_see + figure.luck),
            state=self._state(name),
        )

    def _rule(self, verdict: Verdict, decided_by: str, why: str) -> Ruling:
        self.ruling = Ruling(
            verdict=verdict,
            decided_by=decided_by,
            why=why,
            pairs=self.pairs,
            seconds=self._end_s - (self._begin_s or 0.0),
        )
        return self.ruling


def _told(each: FigureStanding) -> str:
    bounds = " to ".join("?" if end is None else f"{end:+.3g}" for end in (each.low, each.high))
    return f"{each.name} {each.estimate:+.3g} {each.unit} ({bounds})"


def _unclear(each: FigureStanding) -> str:
    seen = "nothing" if each.could_see is None else f"{each.could_see:+.3g} {each.unit}"
    return (
        f"{_told(each)}, margin {each.margin:.3g}; power {each.power:.0%} for "
        f"{each.target:+.3g} {each.unit}, could have seen {seen}"
    )
