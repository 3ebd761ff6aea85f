"""How a suite hands its measurements to asv.

A suite runs its scenario once, in `setup_cache`, and its `track_*` read the record. asv takes any
exception there for a failure, so a commit that cannot do what is asked leaves a marker in place of
the record, and `setup` turns the marker into "skipped". A track that returns samples instead of one
value gets asv's full statistics: median, interval and the test against another commit.

Rule: no measuring here, and nothing that depends on the machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeAlias

from benchmarks.common import subject

__all__ = ["BLOCKS", "Record", "Samples", "as_samples", "few", "read", "record"]

# Does every benchmark still run? The tests ask that; the figures of such a run are worth nothing.
QUICK = os.environ.get("P2PCORE_QUICK") == "1"
# asv's test needs six values a side to say anything; eight leave room for two that were disturbed.
BLOCKS = 3 if QUICK else 8
DIGITS = 5  # asv prints and stores all of them; a clock on a shared machine has fewer

Record: TypeAlias = dict[Hashable, list[float]]
Samples: TypeAlias = dict[str, Any]

SKIPPED = "skipped"


def record(scenario: Callable[[], Record], *features: subject.Feature) -> Record | dict[str, str]:
    """What the scenario measured, or a marker where this commit lacks a feature it needs."""
    try:
        subject.require("network", *features)
    except NotImplementedError as reason:
        return {SKIPPED: str(reason)}
    return scenario()


def few(seeds: int) -> range:
    """The seeds of as many runs; of a single one in a quick run."""
    return range(1 if QUICK else seeds)


def read(found: Record | dict[str, str], *key: Hashable) -> list[float]:
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
