"""Mixes of operations as plans, made before anything is measured.

Named after YCSB's workloads (Cooper et al., "Benchmarking Cloud Serving Systems with YCSB", 2010),
with its Zipfian choice of records. Equal arguments give equal plans, on every Python and machine.

Rule: decides what is done to which record; does nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Literal, NamedTuple, get_args

__all__ = [
    "DISTRIBUTIONS",
    "KINDS",
    "YCSB",
    "Distribution",
    "DrawnOperation",
    "Kind",
    "Planned",
    "steps",
    "ycsb_b",
]

ZIPF_EXPONENT = 0.99  # YCSB's: of 1,000 records the first gets an eighth of the operations
B_UPDATES = 0.05

Kind = Literal["retrieve", "store", "insert", "scan", "modify", "delete"]
"""To read a record, to write one again, to write a new one, to read up to SCAN_MOST of them at
once, to read one and then write it, to delete one."""
KINDS: tuple[Kind, ...] = get_args(Kind)
Distribution = Literal["uniform", "zipf", "latest", "hot-set"]
DISTRIBUTIONS: tuple[Distribution, ...] = get_args(Distribution)

YCSB: Mapping[str, Mapping[Kind, float]] = {
    "A": {"retrieve": 0.5, "store": 0.5},
    "B": {"retrieve": 0.95, "store": 0.05},
    "C": {"retrieve": 1.0},
    "D": {"retrieve": 0.95, "insert": 0.05},
    "E": {"scan": 0.95, "insert": 0.05},
    "F": {"retrieve": 0.5, "modify": 0.5},
}
"""YCSB's core workloads; A, B, C, E and F choose by zipf, D by latest."""

SCAN_MOST = 100  # YCSB's longest scan
HOT_RECORDS, HOT_SHARE = 0.2, 0.8  # YCSB's hot set: a fifth of the records, four fifths of the work
DRAWN = 512  # at a time: drawing them one by one takes three times as long


class DrawnOperation(NamedTuple):
    """One operation: `records` of them from `record` on, in the order in which they were made."""

    kind: Kind
    record: int
    records: int = 1


class Planned(NamedTuple):
    """One operation: what to do to the record of that number, 0 being the most popular."""

    kind: Literal["read", "update"]
    record: int


def ycsb_b(operations: int, records: int, seed: int) -> list[Planned]:
    """95 % reads and 5 % updates; how often a record is chosen falls with its number (Zipf)."""
    import random

    stream = random.Random(seed)
    weights = accumulate(1 / rank**ZIPF_EXPONENT for rank in range(1, records + 1))
    chosen = stream.choices(range(records), cum_weights=list(weights), k=operations)
    return [
        Planned("update" if stream.random() < B_UPDATES else "read", record) for record in chosen
    ]


def steps(
    weights: Mapping[Kind, float],
    distribution: Distribution,
    records: int,
    *,
    seed: str,
    part: int = 0,
    parts: int = 1,
) -> Iterator[DrawnOperation]:
    """Operations without end on `records` that are there from the beginning.

    Several processes share them, each with a `part` of its own of `parts` and its own stream of
    chance: what one inserts has numbers that no other uses and is chosen by itself alone, so that
    nobody reads what is not there yet. "latest" prefers what was made last.
    """
    import random

    stream = random.Random(f"{seed} {part} of {parts}")
    kinds, shares = list(weights), list(accumulate(weights.values()))
    places = _places(distribution, records)
    inserted = 0
    while True:
        chosen = stream.choices(range(records), cum_weights=places, k=DRAWN)
        for kind, place in zip(
            stream.choices(kinds, cum_weights=shares, k=DRAWN), chosen, strict=True
        ):
            if kind == "insert":
                yield DrawnOperation(kind, records + inserted * parts + part)
                inserted += 1
            elif kind == "scan":
                many = min(stream.randint(1, SCAN_MOST), records - place)
                yield DrawnOperation(kind, place, many)
            elif distribution != "latest":
                yield DrawnOperation(kind, place)
            elif place < inserted:
                yield DrawnOperation(kind, records + (inserted - 1 - place) * parts + part)
            else:
                yield DrawnOperation(kind, records - 1 - (place - inserted))


def _places(distribution: Distribution, records: int) -> list[float]:
    """The summed weights of the records; of "latest", of the ranks by age."""
    if distribution == "uniform":
        weights = [1.0] * records
    elif distribution == "hot-set":
        hot = max(1, round(records * HOT_RECORDS))
        cold = max(1, records - hot)
        weights = [HOT_SHARE / hot] * hot + [(1 - HOT_SHARE) / cold] * (records - hot)
    else:
        weights = [1 / rank**ZIPF_EXPONENT for rank in range(1, records + 1)]
    return list(accumulate(weights))
