"""The form of a micro benchmark: something to time that was seen to give the right result.

Rule: times nothing, and knows nothing of p2pcore.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["WALL_MS", "Micro", "Prepared", "require_equal"]

WALL_MS = 1_700_000_000_000
"""The time of day in every micro benchmark, in ms since 1970."""


@dataclass(frozen=True)
class Prepared:
    """Ready to be timed: `run(fresh())`, of which only `run` counts.

    `fresh` gives what `run` uses up or changes, so that each run meets the same situation.
    """

    run: Callable[[Any], Any]
    fresh: Callable[[], Any]


@dataclass(frozen=True)
class Micro:
    """One micro benchmark.

    `operations` is how many operations a run does; figures are per operation. `prepare` builds
    what is needed and compares a first result with what it must be.

    Raises (from `prepare`):
        NotImplementedError: this commit has no such part.
        AssertionError: the result is wrong, so its time means nothing.
    """

    about: str
    operations: int
    prepare: Callable[[], Prepared]


def require_equal(found: object, expected: object, what: str) -> None:
    """Raise AssertionError unless what was found is what was expected."""
    if found != expected:
        raise AssertionError(f"{what} gave {str(found)[:200]}, not {str(expected)[:200]}")
