"""Versions: monotonic, close to the time of day, and ordered as their bytes are."""

from hypothesis import given
from hypothesis import strategies as st

from p2pcore.ids import NodeId
from p2pcore.versions import COUNTER_BITS, HybridClock, wall_ms_of

WRITER, OTHER = NodeId(b"w" * 32), NodeId(b"o" * 32)
OTHER_FALSE = HybridClock(OTHER).next(2**40)
walls = st.integers(0, 2**44)
readings = st.lists(st.tuples(st.booleans(), walls), max_size=30)


@given(readings)
def test_every_version_is_newer_than_all_made_or_observed(events: list[tuple[bool, int]]) -> None:
    """However the time of day jumps."""
    clock, other, newest = HybridClock(WRITER), HybridClock(OTHER), b""
    for foreign, wall_ms in events:
        if foreign:
            version = other.next(wall_ms)
            clock.observe(version)
        else:
            version = clock.next(wall_ms)
            assert version[:8] > newest[:8]
            assert len(version) == 16
            assert version[8:] == WRITER[:8]
        newest = max(newest, version)


@given(walls)
def test_it_is_the_time_of_day_where_nothing_is_ahead(wall_ms: int) -> None:
    clock = HybridClock(WRITER)
    assert wall_ms_of(clock.next(wall_ms)) == wall_ms
    assert wall_ms_of(clock.next(wall_ms + 5)) == wall_ms + 5
    assert wall_ms_of(clock.next(wall_ms)) == wall_ms + 5, "it never goes back"


@given(walls, walls)
def test_the_order_of_bytes_is_the_order_of_time(a: int, b: int) -> None:
    first, second = HybridClock(WRITER).next(a), HybridClock(OTHER).next(b)
    if a != b:
        assert (first < second) == (a < b)
    else:
        assert (first < second) == (WRITER < OTHER)


def test_two_writers_never_make_the_same_version() -> None:
    assert HybridClock(WRITER).next(1) != HybridClock(OTHER).next(1)


def test_a_full_counter_carries_into_the_milliseconds() -> None:
    clock = HybridClock(WRITER)
    versions = [clock.next(7) for _ in range((1 << COUNTER_BITS) + 1)]
    assert versions == sorted(set(versions))
    assert wall_ms_of(versions[0]) == wall_ms_of(versions[-2]) == 7
    assert wall_ms_of(versions[-1]) == 8


def test_a_reading_of_a_wrong_clock_is_forgotten_and_not_made_again() -> None:
    clock = HybridClock(NodeId(bytes(range(32))), max_ahead_ms=1000)
    false = clock.next(90_000)
    near = clock.next(89_000)
    assert near > false, "within the limit it never goes back"
    again = clock.next(80_000)
    assert (wall_ms_of(again), again[8:]) == (80_000, bytes(range(8, 16)))
    assert clock.next(80_000) > again
    assert clock.next(90_000) != false
    for _ in range(9):
        clock.observe(OTHER_FALSE)
        assert len(clock.next(80_000)) == 16


def test_observing_an_older_version_changes_nothing() -> None:
    clock = HybridClock(WRITER)
    first = clock.next(1000)
    clock.observe(HybridClock(OTHER).next(10))
    assert int.from_bytes(clock.next(1000)[:8]) == int.from_bytes(first[:8]) + 1
