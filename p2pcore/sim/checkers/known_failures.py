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


MIXED_QUORUM = (
    "a write while a node comes back is held by one replica of the set before and one of the set "
    "after, when it is acknowledged: the two others count, and lack it (seed 38)"
)

KNOWN_FAILURES = (KnownFailure("power", "readiness", MIXED_QUORUM),)


def known_failure(scenario: str, checker: str) -> KnownFailure | None:
    """The entry for this failure; None: it is a bug."""
    for each in KNOWN_FAILURES:
        if (each.scenario, each.checker) == (scenario, checker):
            return each
    return None
