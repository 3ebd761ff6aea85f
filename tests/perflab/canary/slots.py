"""Pairs of slots by hand."""

from typing import Any

from perflab.canary.record import PairOfSlots, SlotFigures

USUAL: dict[str, Any] = {
    "begin_s": 0.0,
    "seconds": 0.1,
    "operations": 100,
    "failed": 0,
    "p50_s": 0.001,
    "beyond": 1,
    "cpu_s": 0.03,
    "client_cpu_s": 0.02,
}


def slot(**changed: Any) -> SlotFigures:
    return SlotFigures(**USUAL | changed)


def pair(number: int, *, warm_up: bool = False, **candidate: Any) -> PairOfSlots:
    """Slots of 0.1 s, five pairs a second; the candidate's as said."""
    begin_s = number / 5
    return PairOfSlots(
        number=number,
        first="baseline",
        warm_up=warm_up,
        baseline=slot(begin_s=begin_s),
        candidate=slot(begin_s=begin_s + 0.1, **candidate),
    )
