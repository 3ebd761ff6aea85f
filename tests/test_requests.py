import pytest

from p2pcore.errors import (
    BatchError,
    BusyError,
    DeadlineError,
    KeyNotFoundError,
    LimitError,
    UsageError,
)
from p2pcore.ids import key_of
from p2pcore.replication.operations import StoreReceipt
from p2pcore.requests import (
    budget_ns,
    checked_count,
    checked_value,
    lifetime_ms,
    placed_items,
    placed_names,
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


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_what_can_change_is_copied(kind: type) -> None:
    source = bytearray(b"value")
    stored = checked_value(kind(source))
    source[:] = b"other"
    assert stored == b"value"
    assert type(stored) is bytes


def test_a_memoryview_has_the_size_of_its_bytes() -> None:
    numbers = memoryview(bytes(8)).cast("I")
    assert checked_value(numbers) == bytes(8)
    assert checked_value(memoryview(b"abcdef")[::2]) == b"ace"
    with pytest.raises(LimitError, match=f"of {MAX_VALUE_BYTES + 4} bytes"):
        checked_value(memoryview(bytes(MAX_VALUE_BYTES + 4)).cast("I"))
    numbers.release()
    with pytest.raises(UsageError, match="released"):
        checked_value(numbers)


@pytest.mark.parametrize("value", [True, "1", b"1", [1], object(), 1j])
def test_times_of_another_type(value: float) -> None:
    with pytest.raises(UsageError, match="ttl_s must be a number"):
        lifetime_ms(value)
    with pytest.raises(UsageError, match="timeout_s must be a number"):
        budget_ns(value)


@pytest.mark.parametrize("value", [True, 1.0, "1", None, 0, -1])
def test_a_count_is_a_whole_number(value: int) -> None:
    with pytest.raises(UsageError, match="max_nodes must be"):
        checked_count("max_nodes", value)


def test_items_of_a_batch_are_a_mapping_or_pairs() -> None:
    placed = ["a", b"b"], [(key_of("a"), b"1"), (key_of("b"), b"2")]
    assert placed_items({"a": b"1", b"b": b"2"}) == placed
    assert placed_items((("a", b"1"), [b"b", bytearray(b"2")])) == placed  # type: ignore[arg-type]
    assert placed_items(pair for pair in (("a", b"0"), (b"b", b"2"), ("a", b"1"))) == placed
    assert placed_items([]) == ([], [])


@pytest.mark.parametrize(
    "items",
    ["ab", b"ab", 7, None, ["ab"], [("a",)], [("a", b"1", 2)], [b"ab"], {"a": "1"}, {7: b""},
     [([], b"1")], [(bytearray(b"a"), b"1")], [{"a", "b"}]],
)  # fmt: skip
def test_what_are_no_items_is_a_usage_error(items: object) -> None:
    with pytest.raises(UsageError):
        placed_items(items)  # type: ignore[arg-type]


def test_names_of_a_batch_are_several() -> None:
    places = ["a", b"b"], [key_of("a"), key_of("b")]
    assert placed_names(["a", b"b", "a"]) == placed_names({"a": 1, b"b": 2}) == places
    for one in ("abc", b"abc", bytearray(b"abc"), memoryview(b"abc")):
        with pytest.raises(UsageError, match="is one"):
            placed_names(one)  # type: ignore[arg-type, type-var]
    for none in (None, 7, [7], [["a"]], [None]):
        with pytest.raises(UsageError):
            placed_names(none)  # type: ignore[arg-type, type-var]
