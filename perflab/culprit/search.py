"""Search several steps at once: one commit is built and measured, and answers all that it can.

Theory of operation. The first step that is open says which commit to measure; all others that an
answer from that commit would help are measured with it, for it is built. What was measured is kept
in each step's record, and where a search stands is worked out anew from that and from the diffs. So
a search that was interrupted goes on where it was.

Rule: order of work; measuring is `measure.py`'s, and what answers mean `culprit_search.py`'s.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from perflab.gate.record import Kind
from perflab.results.checkout import Commit
from perflab.results.culprits import CulpritAnswer, StepCulprit
from perflab.stats.culprit_search import CERTAIN, CulpritSearch, builds_allowed, scatter_of

__all__ = ["Answer", "OpenStep", "percent", "search_steps"]

NONE = {Kind.EXACT: 0.02, Kind.SEEDED: 0.05, Kind.PAIRED: 0.1, Kind.OBSERVED: 0.2}
"""How likely it is, beforehand, that no commit made a step: the ruler, the machine or luck did."""
MOST_TIMES = 24  # that one commit is measured for a step whose noise hides it
Answer = list[float] | str
"""Log ratios of a commit to the last good one, or why there are none."""


@dataclass
class OpenStep:
    """A step, and where the search for its culprit stands."""

    kind: Kind
    good: Commit
    commits: Sequence[Commit]
    """Those that it can be, oldest first."""
    prior: Sequence[float]
    """How likely each is by its diff, in any unit."""
    step: float
    """The log ratio of new level to old, above 0 if worse."""
    noise: float
    """Of one log ratio, before any was measured."""
    culprit: StepCulprit
    figure: str = ""
    """The gate's name of it; "" if asv measures it."""
    higher_is_better: bool = False

    def __post_init__(self) -> None:
        self._places = {each.hash: place for place, each in enumerate(self.commits)}
        self._work_out()

    @property
    def exact(self) -> bool:
        return self.kind is Kind.EXACT

    def next(self, built: Collection[str]) -> Commit | None:
        """The commit to measure now; None when the search has ended. `built` are hashes."""
        if self.search.found:
            return None
        there = [place for hash, place in self._places.items() if hash in built]
        place = self.search.next(there)
        if place is None or self._times(self.commits[place]) >= MOST_TIMES:
            return None
        return self.commits[place]

    def welcomes(self, commit: Commit) -> bool:
        """Whether measuring this commit helps, too."""
        place = self._places.get(commit.hash)
        return place is not None and not self.search.found and self.search.welcomes(place)

    def take(self, commit: Commit, answer: Answer) -> None:
        """What measuring a commit has given."""
        told = CulpritAnswer(commit=commit.hash, problem=answer if isinstance(answer, str) else "")
        if not isinstance(answer, str):
            told = replace(told, ratios=tuple(map(_ratio, answer)))
        self.culprit = self.culprit.with_answer(told)
        self._work_out()

    def told(self) -> str:
        """Where it stands, in a few words."""
        place, probability = self.search.best
        what = str(self.commits[place]) if place >= 0 else "none of them"
        allowed = builds_allowed(len(self.commits))
        return f"{what}, {percent(probability)} ({self.search.builds} of {allowed} builds)"

    def _times(self, commit: Commit) -> int:
        return len(self.culprit.answer(commit.hash).ratios) if self.kind is not Kind.EXACT else 0

    def _work_out(self) -> None:
        """The search anew, from all answers; the noise is that of all of them."""
        self.search = CulpritSearch(
            self.prior, self.step, noisy=not self.exact, none=NONE[self.kind]
        )
        answers = [
            (self._places[each.commit], [_log(ratio) for ratio in each.ratios], each.problem)
            for each in self.culprit.answers
            if each.commit in self._places
        ]
        noise = 0.0
        if not self.exact:
            groups = [[one for one in ratios if math.isfinite(one)] for _, ratios, _ in answers]
            noise = scatter_of(groups, self.noise)
        for place, ratios, problem in answers:
            if ratios:
                again = self.kind in (Kind.PAIRED, Kind.OBSERVED)
                self.search.tell(place, ratios[:1] if self.exact else ratios, noise, again=again)
            elif problem:
                self.search.cannot(place)
        self._note()

    def _note(self) -> None:
        place, probability = self.search.best
        commit = self.commits[place] if place >= 0 else None
        self.culprit = replace(
            self.culprit,
            commit=commit.hash if commit else "",
            subject=commit.subject if commit else "",
            probability=round(probability, 4),
            builds=self.search.builds,
            certain=probability >= CERTAIN,
        )


Measure = Callable[[Sequence[OpenStep], Commit], Mapping[int, Answer]]
"""Measure one commit for these steps; the answers by their places among them."""


def search_steps(
    steps: Sequence[OpenStep],
    measure: Measure,
    time_left: Callable[[], bool],
    tell: Callable[[OpenStep, Commit, int], None],
) -> Iterator[OpenStep]:
    """Search until all is found, nothing more can be said, or the time is over. Yields a step after
    each answer to it, when its record is to be kept.

    Args:
        steps: in their order: those that come first decide what is built.
        tell: what is measured now: for which step, which commit, and for how many other steps.
    """
    built: set[str] = set()
    while time_left():
        asked = next(
            ((step, commit) for step in steps if (commit := step.next(built)) is not None), None
        )
        if asked is None:
            return
        first, commit = asked
        others = [each for each in steps if each is not first and each.welcomes(commit)]
        group = [first, *others]
        tell(first, commit, len(others))
        for place, answer in measure(group, commit).items():
            group[place].take(commit, answer)
            yield group[place]
        built |= {commit.hash, *(each.good.hash for each in group)}


def percent(share: float) -> str:
    """A probability in words."""
    return f"{min(share, 0.9994) * 100:.3g} %"


def _ratio(log: float) -> float:
    return math.exp(log) if log < 700 else math.inf


def _log(ratio: float) -> float:
    return math.inf if math.isinf(ratio) else math.log(ratio) if ratio > 0 else -math.inf
