import pytest

from p2pcore.errors import (
    BatchError,
    BusyError,
    DeadlineError,
    KeyNotFoundError,
    LimitError,
    UsageError,
)
from p2pcore.replication.operations import StoreReceipt
from p2pcore.requests import (
    budget_ns,
    checked_value,
    lifetime_ms,
    receipts_of,
    room_for_one,
    values_of,
)
from p2pcore.versions import Version
from p2pcore.wire.limits import MAX_VALUE_BYTES

RECEIPT = StoreReceipt(Version(bytes(16)), 3, 2)
LATE = DeadlineError("late")


def test_a_value_is_bytes_of_bounded_length() -> None:
    assert checked_value(bytes(MAX_VALUE_BYTES)) == bytes(MAX_VALUE_BYTES)
    with pytest.raises(LimitError, match=f"of {MAX_VALUE_BYTES + 1} bytes, the limit is"):
        checked_value(bytes(MAX_VALUE_BYTES + 1))
    with pytest.raises(UsageError, match="bytes, not str"):
        checked_value("text")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ttl_s", "expected"), [(None, None), (0.001, 1), (0.0011, 2), (1.5, 1500)]
)
def test_a_lifetime_is_never_rounded_to_nothing(ttl_s: float, expected: int) -> None:
    assert lifetime_ms(ttl_s) == expected


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), 1e12])
def test_times_that_cannot_be_meant(seconds: float) -> None:
    with pytest.raises(UsageError, match="ttl_s must be more than 0"):
        lifetime_ms(seconds)
    with pytest.raises(UsageError, match="timeout_s must be more than 0"):
        budget_ns(seconds)


@pytest.mark.parametrize("ttl_s", [0.0009999, 1e-9, 5e-324])
def test_a_lifetime_below_a_millisecond_is_refused_like_none_at_all(ttl_s: float) -> None:
    with pytest.raises(UsageError, match="a millisecond"):
        lifetime_ms(ttl_s)


def test_operations_in_flight_are_limited() -> None:
    room_for_one(9, 10)
    with pytest.raises(BusyError, match="10 operations are in flight, max_in_flight is 10"):
        room_for_one(10, 10)


def test_a_batch_gives_what_was_stored_by_name() -> None:
    assert receipts_of(["a", b"b"], [RECEIPT, RECEIPT]) == {"a": RECEIPT, b"b": RECEIPT}
    with pytest.raises(BatchError) as failure:
        receipts_of(["a", "b"], [RECEIPT, LATE])
    assert failure.value.results == {"a": RECEIPT}
    assert failure.value.errors == {"b": LATE}
    assert "1 of 2 items failed; 'b': late" in str(failure.value)


def test_a_batch_leaves_out_what_is_not_there() -> None:
    missing = KeyNotFoundError("none")
    assert values_of(["a", "b"], [missing, b"value"]) == {"b": b"value"}
    with pytest.raises(BatchError) as failure:
        values_of(["a", "b", "c"], [missing, b"value", LATE])
    assert failure.value.results == {"b": b"value"}
    assert failure.value.errors == {"c": LATE}
