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


EXPECTED = (
    Expected(
        "outage", "convergence",
        "records are in memory: a restart loses them until there is a durable store",
    ),
    Expected(
        "overload", "availability",
        "nodes take on all that they are asked, and answer too late: no overload control yet",
    ),
)  # fmt: skip


def expected(scenario: str, checker: str) -> Expected | None:
    """The entry for this failure; None: it is a bug."""
    for each in EXPECTED:
        if (each.scenario, each.checker) == (scenario, checker):
            return each
    return None
