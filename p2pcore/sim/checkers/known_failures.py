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


KNOWN_FAILURES: tuple[KnownFailure, ...] = ()


def known_failure(scenario: str, checker: str) -> KnownFailure | None:
    """The entry for this failure; None: it is a bug."""
    for each in KNOWN_FAILURES:
        if (each.scenario, each.checker) == (scenario, checker):
            return each
    return None
