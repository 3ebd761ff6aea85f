"""What applications may ask for, and what they get of a batch: the same at every edge.

Rule: pure functions, called before anything is sent or after everything has come.
"""

import math
from collections.abc import Iterable
from typing import Any

from p2pcore.errors import BatchError, BusyError, KeyNotFoundError, LimitError, P2PError, UsageError
from p2pcore.replication.operations import StoreReceipt
from p2pcore.wire.limits import MAX_VALUE_BYTES

__all__ = [
    "budget_ns", "checked_value", "lifetime_ms", "receipts_of", "room_for_one", "values_of",
]  # fmt: skip

MIN_TTL_S = 0.001  # clocks are read in milliseconds
MAX_TTL_S = 100 * 365 * 24 * 3600.0  # anything longer is meant as "for ever"
MAX_TIMEOUT_S = 1e6  # so that no sum of times overflows; eleven days

Name = str | bytes


def checked_value(value: bytes) -> bytes:
    """The value, which can be stored.

    Raises:
        UsageError: it is of another type.
        LimitError: it is too long.
    """
    if not isinstance(value, bytes):
        raise UsageError(f"a value is bytes, not {type(value).__name__}")
    if len(value) > MAX_VALUE_BYTES:
        raise LimitError(f"a value of {len(value)} bytes, the limit is {MAX_VALUE_BYTES}")
    return value


def lifetime_ms(ttl_s: float | None) -> int | None:
    """A time to live in whole milliseconds, at least one; None: for ever.

    Raises:
        UsageError: it is no number, less than a millisecond, or too large.
    """
    if ttl_s is None:
        return None
    if not MIN_TTL_S <= ttl_s <= MAX_TTL_S:
        limits = f"{MIN_TTL_S:g} (a millisecond) to {MAX_TTL_S:g}"
        raise UsageError(f"ttl_s must be more than 0, {limits}, or None: {ttl_s}")
    return math.ceil(ttl_s * 1000)


def budget_ns(timeout_s: float) -> int:
    """How long an operation may take.

    Raises:
        UsageError: it is no positive number, or too large.
    """
    if not 0 < timeout_s < MAX_TIMEOUT_S:
        raise UsageError(f"timeout_s must be more than 0 and below a million: {timeout_s}")
    return round(timeout_s * 1e9)


def room_for_one(in_flight: int, max_in_flight: int) -> None:
    """Check that one more operation may begin.

    Raises:
        BusyError: as many are in flight as may be.
    """
    if in_flight >= max_in_flight:
        text = f"{in_flight} operations are in flight, max_in_flight is {max_in_flight}"
        raise BusyError(text)


def receipts_of(names: Iterable[Name], results: list[Any]) -> dict[Name, StoreReceipt]:
    """The receipts of a batch by the names of its items, in their order.

    Raises:
        BatchError: some items failed.
    """
    by_name = dict(zip(names, results, strict=True))
    errors = {name: result for name, result in by_name.items() if isinstance(result, P2PError)}
    if errors:
        stored = {name: receipt for name, receipt in by_name.items() if name not in errors}
        raise BatchError(stored, errors, len(results))
    return by_name


def values_of(names: Iterable[Name], results: list[Any]) -> dict[Name, bytes]:
    """The values that a batch has found, by name, in the order of the names; those without a record
    are left out.

    Raises:
        BatchError: some could not be read (other than that there is no record).
    """
    values: dict[Name, bytes] = {}
    errors: dict[Name, P2PError] = {}
    for name, result in zip(names, results, strict=True):
        if isinstance(result, bytes):
            values[name] = result
        elif not isinstance(result, KeyNotFoundError):
            errors[name] = result
    if errors:
        raise BatchError(values, errors, len(results))
    return values
