"""What a search for the capacity found: the form of `capacity.json`; `record.py` reads it.

Rule: a form.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Capacity", "Trial"]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One rate of a search for the capacity."""

    rate: float
    kept: bool
    p99_s: float | None
    """None: so many failed that the P99 is a failure."""
    success: float
    generator_bound: bool
    directory: str
    """The record of the trial, beside the file."""
    message: str


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """The highest rate that kept an SLO, as `capacity.json` of a search has it."""

    format: str
    version: int
    p99_ms: float
    success: float
    rate: float | None
    """Operations per second; None: not even the lowest rate kept it."""
    missed_rate: float | None
    """The lowest rate above it that did not; None: there was none."""
    generator_bound: bool
    """At that rate the generator was the bottleneck: the target may be able to do more."""
    stopped: str
    """Why the search ended."""
    trials: list[Trial]
