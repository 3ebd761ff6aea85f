"""Which of the commits in a row made a step, when each answer may be wrong?

Theory of operation. Each commit has a probability of being the culprit, and so has "none of them".
A measurement of a commit beside the last good one says on which side of the culprit it lies: as bad
if the culprit is that commit or one before it, as good otherwise. What the measurement says counts
by Bayes' rule (Burnashev and Zigangirov, "An interval estimation problem for controlled
observations", 1974; Ben-Or and Hassidim, "The Bayesian learner is optimal for noisy binary search",
2008; Henderson et al., "Flake aware culprit finding", ICST 2023, do it with tests and priors). The
next commit to measure is the one whose answer is the least certain, that is, with half of the
probability on either side; one that is built already costs less.

An exact answer leaves no doubt. A noisy one is a log ratio: it is normal about 0 or about the step,
and no more than MOST nats are believed of one, for any can be disturbed.

Builds are bounded: a commit is only built if, whatever the answers, so many builds will do for the
commits that are left on either side. Where noise uses them up, what is built is measured again.

Rule: numbers in, a place out.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from itertools import accumulate
from statistics import fmean, median

__all__ = ["CERTAIN", "CulpritSearch", "builds_allowed", "scatter_of"]

CERTAIN = 0.98
"""Of the culprit, before a search ends."""
MOST = 2.2
"""Nats that one noisy answer can say: with 3.4, 2.2 % of searches ended wrong, and not 0.5 %."""
NONE = 0.02  # beforehand, that it is none of them: the machine, or chance, made the step
GONE = 1e-9  # a probability that counts as 0
FAR_OFF = 0.01  # of the probability, beyond either end of where a noisy culprit is looked for
ENOUGH = 600.0  # nats: more is no more, and has no exponential
NEARLY = 0.8  # of the bits of the best new commit, that are enough where another one is built
AGAIN = 0.15  # of the bits of a new commit, that are enough to measure an asked one again
EVEN = 0.05  # of the probability is the same for all: a diff cannot rule out what it does not show
NORMAL_MAD = 1.4826
KNOWN = 6.0  # answers that the noise beforehand counts as


def builds_allowed(count: int) -> int:
    """Commits that may be built to search so many: their binary logarithm, and two more: the last
    good one, which all are measured beside, and one where noise or the ends ask for it."""
    return math.ceil(math.log2(count)) + 2 if count > 1 else 2


class CulpritSearch:
    """Commits by their places, from 0 on, oldest first.

    Args:
        prior: how likely each is, beforehand; in any unit, none negative, not all 0.
        step: the log ratio of the step: new level over old; infinite where it came from 0.
        noisy: answers can be wrong.
        none: how likely it is beforehand that it is none of them, 0 to 1.

    Raises:
        ValueError: there are no commits, or the numbers are no probabilities.
    """

    def __init__(
        self, prior: Sequence[float], step: float, *, noisy: bool = False, none: float = NONE
    ) -> None:
        whole = sum(prior)
        if not prior or min(prior) < 0 or not 0 < whole < math.inf:
            raise ValueError("a prior has a number from 0 on for each commit, and not only 0")
        if not 0 <= none < 1 or not step or math.isnan(step):
            raise ValueError(f"no step: {step}, or no probability: {none}")
        even = EVEN / len(prior)
        self._odds = [(1 - none) * ((1 - EVEN) * each / whole + even) for each in prior] + [none]
        self._step, self._noisy = step, noisy
        self._unknown: set[int] = set()
        self._asked: set[int] = set()
        self._builds = builds_allowed(len(prior)) - 1  # the last good one is built in any case

    def __len__(self) -> int:
        return len(self._odds) - 1

    @property
    def best(self) -> tuple[int, float]:
        """The likeliest place, or -1 for none of them, and its probability."""
        place = max(range(len(self._odds)), key=self._odds.__getitem__)
        return (place if place < len(self) else -1), self._odds[place]

    @property
    def none(self) -> float:
        """The probability of none of them."""
        return self._odds[-1]

    @property
    def probabilities(self) -> list[float]:
        """Of each place."""
        return self._odds[:-1]

    @property
    def left(self) -> tuple[int, int]:
        """The first and the last place that it can be, by exact answers alone."""
        open_places = [place for place, each in enumerate(self.probabilities) if each > GONE]
        return (open_places[0], open_places[-1]) if open_places else (0, len(self) - 1)

    @property
    def found(self) -> bool:
        """Whether it is certain enough, whichever it is."""
        return self.best[1] >= CERTAIN

    @property
    def builds(self) -> int:
        """Commits asked so far, with the last good one."""
        return len(self._asked) + 1

    def bits(self, place: int) -> float:
        """How open it is, in bits, on which side of the culprit a place lies; 0 if it cannot be
        measured."""
        if place in self._unknown:
            return 0.0
        before = min(max(sum(self._odds[: place + 1]), 0.0), 1.0)
        return sum(-each * math.log2(each) for each in (before, 1 - before) if each > GONE)

    def next(self, built: Collection[int] = ()) -> int | None:
        """The place to measure now: the one whose answer is most open; None if no place can say
        more. `built` are those that are there already, for another search."""
        again = max(sorted(self._asked), key=self.bits, default=None)
        new = [each for each in range(len(self)) if each not in self._asked and self.bits(each)]
        # Noise can leave too many for the builds that are left: then the most open is the best.
        new = [each for each in new if self._fits(each)] or new
        left = self._builds - len(self._asked)
        fresh = max(new, key=self.bits, default=None) if left > 0 else None
        if again is not None and (fresh is None or self.bits(again) >= AGAIN * self.bits(fresh)):
            fresh = again
        elif fresh is not None:
            near = [each for each in new if self.bits(each) >= NEARLY * self.bits(fresh)]
            fresh = max(sorted(set(near) & set(built)), key=self.bits, default=fresh)
        return fresh if fresh is not None and self.bits(fresh) > 0 else None

    def welcomes(self, place: int) -> bool:
        """Whether an answer from this place, which is built for another search, is worth having."""
        best = self.next()
        if best is None or not self.bits(place):
            return False
        if place in self._asked:
            return self.bits(place) >= AGAIN * self.bits(best)
        left = self._builds - len(self._asked)
        return left > 0 and self._fits(place) and self.bits(place) >= NEARLY * self.bits(best)

    def _fits(self, place: int) -> bool:
        """Whether there are builds enough for what is left on either side of it."""
        left = self._builds - len(self._asked) - 1
        first, last = self._likely() if self._noisy else self.left
        return left >= 0 and max(place + 1 - first, last - place) <= 2**left

    def _likely(self) -> tuple[int, int]:
        """The first and the last place that are not far off."""
        before = list(accumulate(self.probabilities))
        bound = FAR_OFF * (before[-1] or 1.0)
        first = next(place for place, each in enumerate(before) if each >= bound)
        last = next(place for place, each in enumerate(before) if each >= before[-1] - bound)
        return first, last

    def tell(
        self, place: int, ratios: Sequence[float], noise: float = 0.0, *, again: bool = True
    ) -> None:
        """What measuring a place beside the last good commit has given: log ratios.

        Args:
            noise: the standard deviation of one of them; 0 for an exact figure.
            again: whether to measure the place once more would say more.
        """
        self._asked.add(place)
        if not again:
            self._unknown.add(place)
        nats = sum(_nats(each, self._step, noise) for each in ratios)
        self._weigh(place, nats)

    def cannot(self, place: int) -> None:
        """It does not build, or gives no value: it is not asked again."""
        self._asked.discard(place)  # what does not build is no build
        self._unknown.add(place)

    def _weigh(self, place: int, nats: float) -> None:
        """`nats` for the culprit lying at the place or before it."""
        certain = math.isinf(nats)
        nats = min(max(nats, -ENOUGH), ENOUGH)
        for each in range(len(self._odds)):
            here = each <= place
            if certain:
                self._odds[each] *= float(here == (nats > 0))
            else:
                self._odds[each] *= math.exp((nats if here else -nats) / 2)
        whole = sum(self._odds)
        if not whole:
            raise ValueError("answers without doubt contradict each other")
        self._odds = [each / whole for each in self._odds]


def _nats(ratio: float, step: float, noise: float) -> float:
    """What a log ratio says for the step, against none."""
    if math.isinf(step):  # from 0 to something
        return math.inf if ratio == step else -math.inf
    way = ratio / step - 0.5 if not math.isinf(ratio) else math.copysign(math.inf, ratio * step)
    if not noise:
        return math.copysign(math.inf, way)
    return min(max(way * (step / noise) ** 2, -MOST), MOST)


def scatter_of(groups: Sequence[Sequence[float]], beforehand: float) -> float:
    """The standard deviation of one answer about its group's level: `beforehand`, as if KNOWN
    answers had said it, and what the groups themselves say."""
    squares, count = KNOWN * beforehand**2, KNOWN
    for each in groups:
        if len(each) > 1:
            middle = median(each)
            off = [(value - middle) ** 2 for value in each]
            near = (3 * NORMAL_MAD) ** 2 * median(off) or math.inf  # without spikes
            kept = [value for value in off if value <= near]
            squares += fmean(kept) * (len(each) - 1)
            count += len(each) - 1
    return math.sqrt(squares / count)
