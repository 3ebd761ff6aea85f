"""What is counted of operations: how each ended and how long it took, and which are sampled.

Theory of operation. One operation in `sample` is an example: it has a trace id, a line in the log
with the same id, and a place in its bucket, which OpenMetrics shows as an exemplar. Where the
application traces with OpenTelemetry, and this very operation's span is recorded, the id is that of
its trace; else it is drawn.
"""

import logging
import os
import sys
import time
from collections.abc import Callable

from p2pcore.errors import (
    BatchError,
    BusyError,
    ClockOffsetError,
    ClosedError,
    DeadlineError,
    KeyNotFoundError,
    QuorumError,
    RefusedError,
    StorageBrokenError,
    StorageFullError,
    UnreachableError,
    UsageError,
)
from p2pcore.metrics.durations import Durations, Example
from p2pcore.metrics.table import EXCUSED, OPERATIONS

__all__ = ["SAMPLE", "TIMED", "OperationCounts", "Tell", "result_of"]

log = logging.getLogger("p2pcore.operations")

Tell = Callable[[str, object, float], None]
"""Is told of an operation that has ended: its name, its result or its error, and how long it took,
in seconds."""

TIMED = {
    "store": "store", "retrieve": "retrieve", "delete": "delete", "store_many": "store_many",
    "retrieve_many": "retrieve_many", "_scan_on": "scan",
}  # fmt: skip
"""The methods of an edge that are timed, and what the table calls them."""

SAMPLE = 1000  # one operation in so many: at 30,000 a second, 30 lines

_RESULTS: tuple[tuple[type[BaseException], str], ...] = (
    (KeyNotFoundError, "not_found"),
    (UsageError, "misuse"),
    (BatchError, "partial"),
    (BusyError, "busy"),
    (DeadlineError, "deadline"),
    (QuorumError, "quorum"),
    (UnreachableError, "unreachable"),
    (StorageFullError, "storage_full"),
    (StorageBrokenError, "storage_broken"),
    (ClockOffsetError, "clock_offset"),
    (RefusedError, "refused"),
    (ClosedError, "closed"),
    (TypeError, "misuse"),  # an argument too many
    (Exception, "error"),
    (BaseException, "cancelled"),  # CancelledError, and whatever ends a process
)  # the first that fits: subclasses come first


def result_of(outcome: object) -> str:
    """How an operation ended, by the word of the table, from what it gave or raised."""
    if not isinstance(outcome, BaseException):
        return "ok"
    return next(result for kind, result in _RESULTS if isinstance(outcome, kind))


class OperationCounts:
    """Counts of one node or client.

    Args:
        sample: one operation in so many is an example; 0: none.
    """

    def __init__(self, sample: int = SAMPLE) -> None:
        self.ended: dict[tuple[str, str], int] = {}  # by operation and result
        self.durations = {op: Durations() for op in OPERATIONS}
        self._sample = sample
        self._until_next = sample

    def add(self, op: str, outcome: object, seconds: float) -> None:
        """An operation has ended: with this result, or this error."""
        result = "ok" if outcome is None else result_of(outcome)
        ended = (op, result)
        self.ended[ended] = self.ended.get(ended, 0) + 1
        if result in EXCUSED:
            return
        bucket = self.durations[op].add(seconds)
        self._until_next -= 1
        if not self._until_next:
            self._until_next = self._sample
            self._show(op, result, seconds, bucket)

    def _show(self, op: str, result: str, seconds: float, bucket: int) -> None:
        trace_id = _current_trace_id() or os.urandom(16).hex()
        self.durations[op].examples[bucket] = Example(trace_id, seconds, time.time())
        fields = {"trace_id": trace_id, "op": op, "result": result, "seconds": round(seconds, 6)}
        text = "%s: %s after %.3f ms (one in %d is shown), trace %s"
        log.info(text, op, result, 1000 * seconds, self._sample, trace_id, extra=fields)


def _current_trace_id() -> str | None:
    """That of the span in which this runs, if the application has one that is recorded."""
    telemetry = sys.modules.get("opentelemetry.trace")  # loaded by the application, or not at all
    if telemetry is None:
        return None
    context = telemetry.get_current_span().get_span_context()
    recorded = context.is_valid and context.trace_flags.sampled
    return f"{context.trace_id:032x}" if recorded else None
