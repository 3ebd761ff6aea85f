"""Which error is which reason on the wire, for what a replica or coordinator refuses.

Rule: one table, read in both directions.
"""

from p2pcore.errors import (
    BusyError,
    ClockOffsetError,
    DeadlineError,
    P2PError,
    QuorumError,
    RefusedError,
    StorageBrokenError,
    StorageFullError,
)
from p2pcore.wire.limits import MAX_TEXT_CHARS
from p2pcore.wire.messages import Failed, Reason

__all__ = ["ERRORS", "refusal_of"]

ERRORS: dict[int, type[RefusedError]] = {
    Reason.BUSY: BusyError,
    Reason.STORAGE_FULL: StorageFullError,
    Reason.STORAGE_BROKEN: StorageBrokenError,
    Reason.CLOCK_OFFSET: ClockOffsetError,
}
"""What a replica refuses for a reason that its asker is told as an error of its own."""

_REASONS: dict[type[P2PError], Reason] = {
    **{kind: Reason(reason) for reason, kind in ERRORS.items()},
    QuorumError: Reason.NO_QUORUM,
    DeadlineError: Reason.DEADLINE,
}


def refusal_of(request_id: int, error: object, delay: int = 0) -> Failed:
    """The answer to a request that ended with this error, after it had waited with this delay."""
    reason = next((r for kind, r in _REASONS.items() if isinstance(error, kind)), None)
    return Failed(request_id, reason or Reason.NO_QUORUM, str(error)[:MAX_TEXT_CHARS], delay)
