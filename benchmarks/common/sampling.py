"""How a suite hands its measurements to asv.

A suite runs its scenario once, in `setup_cache`, and its `track_*` read the record. asv takes any
exception there for a failure, so a commit that cannot do what is asked leaves a marker in place of
the record, and `setup` turns the marker into "skipped". A track that returns samples instead of one
value gets asv's full statistics: median, interval and the test against another commit.

Rule: no measuring here, and nothing that depends on the machine.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import chain
from typing import Any, TypeAlias, TypeVar

from benchmarks.common import subject
from benchmarks.common.disk import NoDiskError
from benchmarks.common.records import nearest_rank
from benchmarks.common.ruler.pairs import (
    DIGITS,
    Pair,
    at_reference,
    cut,
    samples,
    slowness,
)

__all__ = [
    "BLOCKS",
    "PAIRS",
    "PATIENCE_S",
    "QUICK",
    "SWARMS",
    "Record",
    "Samples",
    "Times",
    "as_samples",
    "few",
    "read",
    "record",
    "tail",
    "timed",
    "unjudged",
]

# Does every benchmark still run? The tests ask that; the figures of such a run are worth nothing.
QUICK = os.environ.get("P2PCORE_QUICK") == "1"
# asv's test needs six values a side to say anything; eight leave room for two that were disturbed.
BLOCKS = 3 if QUICK else 8
PER_SAMPLE = 1 if QUICK else 6
PAIRS = BLOCKS * PER_SAMPLE
"""Turns with a ruler, of each case. With ten processes on two cores, figures of 40 turns of 4 ms
spread by 2 to 5 % (standard deviation), of 100 by 1 to 2 %; of 40 turns of 12 ms no less."""
SWARMS = 1 if QUICK else 4
"""So many swarms share the turns of a case, one after the other: two that are equal differ by 3 to
6 %, by their nodes' random names and by where things lie in memory, for as long as they live."""
PATIENCE_S = 0.0 if QUICK else 40.0
"""So long, for all its swarms together, a case waits until neighbours on the machine are done."""
PARTS = 5  # of an observed figure

T = TypeVar("T")
Record: TypeAlias = dict[Hashable, list[float]]
Times: TypeAlias = dict[Hashable, list[Pair]]
Samples: TypeAlias = dict[str, Any]

SKIPPED = "skipped"


def record(scenario: Callable[[], T], *features: subject.Feature) -> T | dict[str, str]:
    """What the scenario measured, or a marker where this commit lacks a feature it needs, or this
    machine a disk."""
    try:
        subject.require("network", *features)
    except NotImplementedError as reason:
        return {SKIPPED: str(reason)}
    try:
        return scenario()
    except NoDiskError as reason:
        return {SKIPPED: str(reason)}


def few(seeds: int) -> range:
    """The seeds of as many runs; of a single one in a quick run."""
    return range(1 if QUICK else seeds)


def read(found: dict[Hashable, list[T]] | dict[str, str], *key: Hashable) -> list[T]:
    """The values under a key; NotImplementedError, for asv's `setup`, if they were not measured."""
    if SKIPPED in found:
        raise NotImplementedError(found[SKIPPED])
    values = found.get(key)  # type: ignore[call-overload]
    if not values:
        raise NotImplementedError(f"this commit's p2pcore cannot do {key}")
    return list(values)


def as_samples(values: Iterable[float]) -> Samples:
    """Values in the form that asv takes for repeated measurements of one thing."""
    return {"samples": [float(f"{value:.{DIGITS}g}") for value in values], "number": 1}


def timed(pairs: Iterable[Pair], reference_s: float) -> Samples:
    """A time beside a ruler, at reference speed."""
    pairs = list(pairs)
    figures = [at_reference(part, reference_s) for part in cut(pairs, BLOCKS)]
    return samples(figures, slowness(pairs, reference_s))


def unjudged(values: Iterable[float]) -> Samples:
    """An observed figure, of which asv prints how far it spreads and which it does not judge.

    Means of five parts, of which asv gets the second lowest and the second highest: its interval
    for two samples reaches 25 times as far as they lie apart, so it calls no change that is not
    many times as large as what the figure does by itself.
    """
    parts = sorted(statistics.fmean(part) for part in cut(list(values), PARTS))
    return as_samples([parts[len(parts) // 4], parts[-1 - len(parts) // 4]])


def tail(latencies_s: Sequence[Sequence[float]], per_mille: int, parts: int = PARTS) -> Samples:
    """A percentile of the tail of all latencies, a list for each block: an observed figure. What is
    far out is the machine's doing, at any ratio to a ruler: it comes from few moments."""
    pooled = [sorted(chain.from_iterable(part)) for part in cut(latencies_s, parts)]
    return unjudged(nearest_rank(each, per_mille) for each in pooled)
