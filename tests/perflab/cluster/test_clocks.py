"""The offset of another clock, from readings of it."""

import time

from perflab.cluster.clocks import ROUND_TRIPS, measure_offset

AHEAD_NS = 5_000_000_000


def test_a_clock_that_is_ahead_is_found_within_what_is_said() -> None:
    found = measure_offset(lambda: time.perf_counter_ns() + AHEAD_NS, same=False)
    assert abs(found.ns - AHEAD_NS) <= found.within_ns
    assert found.ns == found.measured_ns


def test_the_quickest_reading_counts() -> None:
    readings = 0

    def there() -> int:
        nonlocal readings
        readings += 1
        if readings != 7:  # all others answer long after they have looked
            at_ns = time.perf_counter_ns()
            while time.perf_counter_ns() < at_ns + 3_000_000:
                pass
            return at_ns
        return time.perf_counter_ns()

    found = measure_offset(there, same=False)
    assert readings == ROUND_TRIPS
    assert found.within_ns < 1_500_000


def test_one_clock_is_no_offset_unless_it_is_seen_not_to_be_one() -> None:
    found = measure_offset(time.perf_counter_ns, same=True)
    assert (found.ns, found.within_ns) == (0, 0)
    other = measure_offset(lambda: time.perf_counter_ns() + AHEAD_NS, same=True)
    assert other.ns == other.measured_ns != 0
