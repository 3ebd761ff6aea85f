"""What the core is known not to keep yet, and why: a sweep counts it apart from what is broken.

Each entry goes when its feature comes. One whose scenario is played and never fails is reported.
"""

from typing import NamedTuple

__all__ = ["KNOWN_FAILURES", "KnownFailure", "known_failure"]


class KnownFailure(NamedTuple):
    """A failure that is known."""

    scenario: str
    checker: str
    reason: str


ROTTEN_MEMBERS = (
    "a node whose note of its neighbours has rotted waits for nobody: if it comes back while all "
    "others are down, it counts alone, beside those that come back later (issue 20)"
)

KNOWN_FAILURES = (
    KnownFailure("power", "readiness", ROTTEN_MEMBERS),
    KnownFailure("power", "convergence", ROTTEN_MEMBERS),
)  # fmt: skip


def known_failure(scenario: str, checker: str) -> KnownFailure | None:
    """The entry for this failure; None: it is a bug."""
    for each in KNOWN_FAILURES:
        if (each.scenario, each.checker) == (scenario, checker):
            return each
    return None
