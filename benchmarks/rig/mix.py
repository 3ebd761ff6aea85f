"""Mixes of operations as plans, made before anything is measured.

Named after YCSB's workloads (Cooper et al., "Benchmarking Cloud Serving Systems with YCSB", 2010),
with its Zipfian choice of records. Equal arguments give equal plans, on every Python and machine.

Rule: decides what is done to which record; does nothing itself.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Literal, NamedTuple

__all__ = ["Planned", "ycsb_b"]

ZIPF_EXPONENT = 0.99  # YCSB's: of 1,000 records the first gets an eighth of the operations
B_UPDATES = 0.05


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
