"""What the core is known not to keep yet, and why: a sweep counts it apart from what is broken.

Each entry goes when its feature comes. One whose scenario is played and never fails is reported.
"""

from typing import NamedTuple

__all__ = ["EXPECTED", "Expected", "expected"]


class Expected(NamedTuple):
    """A failure that is known."""

    scenario: str
    checker: str
    reason: str


EXPECTED: tuple[Expected, ...] = ()


def expected(scenario: str, checker: str) -> Expected | None:
    """The entry for this failure; None: it is a bug."""
    for each in EXPECTED:
        if (each.scenario, each.checker) == (scenario, checker):
            return each
    return None
