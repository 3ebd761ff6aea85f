"""Figures at reference speed: what something took beside a ruler, on a machine of fixed speed.

Theory of operation. A neighbour on the core makes the same work take 1.8 times as long, for seconds
or minutes. So a block of what is measured (the subject) runs between two blocks of a fixed piece of
work of the same kind (the ruler), all within a few hundredths of a second: the same spell slows all
three, and their ratio stays. A figure is the median over many such pairs of

    subject / mean of its two rulers * the ruler's reference

in seconds. The reference is a fixed number of the ruler's version, not of a machine: it only makes
a ratio look like what it is about. How slow the machine was, in references, is kept beside it.
Where the rulers of a pair disagree, a spell began or ended between them: the pair is dropped.

asv takes what it is given for independent measurements of one thing. Parts of a run hang together
less the further they are apart: each sample is made of pairs that follow each other, and there are
just enough samples for asv's test (p < 0.002). asv asks for its factor of 1.1 as well, and that is
what keeps the differences between processes, which the test cannot know, from being changes.

Rule: arithmetic; reads no clock, knows nothing of rulers but their seconds.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "AGREE",
    "DIGITS",
    "PER_MILLE",
    "Pair",
    "PairError",
    "agreeing",
    "at_reference",
    "cut",
    "samples",
    "slowness",
]

AGREE = 1.5
"""The slower of a pair's two rulers took so many times as long as the other, at most. A closer
limit does not make figures spread less, and loses pairs: 1.2 takes a quarter of them in a spell."""
LEAST_KEPT = 0.5  # of the pairs; where fewer agree, all are kept: a median of few says less
DIGITS = 5  # asv prints and stores all of them; a clock on a shared machine has fewer
PER_MILLE = 1000
"""What asv calls `number` holds the machine's slowness in thousandths: 1000 is the reference. asv
stores it with each value and uses it for nothing."""


class PairError(ValueError):
    """Times that nothing can be said from: none, or some that no clock gives."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Seconds of a block, and of the ruler before and after it; of each, per operation."""

    subject_s: float
    before_s: float
    after_s: float

    def __post_init__(self) -> None:
        if not (self.subject_s >= 0 and self.before_s > 0 and self.after_s > 0):
            raise PairError(
                f"a block took {self.subject_s} s between rulers of {self.before_s} and "
                f"{self.after_s} s; times are above zero"
            )

    @property
    def beside_s(self) -> float:
        """What the ruler takes at the moment of the block."""
        return (self.before_s + self.after_s) / 2

    @property
    def ratio(self) -> float:
        return self.subject_s / self.beside_s

    @property
    def agrees(self) -> bool:
        """Whether the machine was the same before and after."""
        low, high = sorted((self.before_s, self.after_s))
        return high <= AGREE * low


def agreeing(pairs: Sequence[Pair]) -> list[Pair]:
    """Those whose rulers agree; all of them, where that is less than half."""
    kept = [pair for pair in pairs if pair.agrees]
    return kept if len(kept) >= LEAST_KEPT * len(pairs) else list(pairs)


def at_reference(pairs: Sequence[Pair], reference_s: float) -> float:
    """Seconds per operation on a machine whose ruler takes its reference. Raises PairError."""
    if not pairs:
        raise PairError("no pair of blocks, so no figure")
    return statistics.median(pair.ratio for pair in agreeing(pairs)) * reference_s


def slowness(pairs: Sequence[Pair], reference_s: float) -> float:
    """How many times its reference the ruler took: 1.0 is the reference's machine."""
    return statistics.median(pair.beside_s for pair in pairs) / reference_s


def cut(values: Sequence[Any], count: int) -> list[Sequence[Any]]:
    """Into so many parts of equal length, to within one; fewer where there are too few."""
    count = min(count, len(values))
    bounds = [len(values) * part // count for part in range(count + 1)] if count else []
    return [values[start:end] for start, end in itertools.pairwise(bounds)]


def samples(values: Iterable[float], slow: float) -> dict[str, Any]:
    """Figures in the form that asv takes for repeated measurements, with the machine's slowness."""
    return {
        "samples": [float(f"{value:.{DIGITS}g}") for value in values],
        "number": max(1, round(slow * PER_MILLE)),
    }
