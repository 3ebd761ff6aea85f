"""The estimate of one peer's round trip is that of RFC 6298, section 2, within its bounds."""

import pytest

from p2pcore.session.round_trip import LEAST_ANSWER_NS, LONGEST_ANSWER_NS, RoundTrip

MS = 1_000_000


def test_the_first_sample_and_those_that_follow() -> None:
    trip = RoundTrip(100 * MS)
    assert (trip.mean_ns, trip.deviation_ns, trip.limit_ns) == (100 * MS, 50 * MS, 300 * MS)
    trip.add(200 * MS)  # a quarter of the way of the deviation, an eighth of that of the mean
    assert (trip.mean_ns, trip.deviation_ns) == (112_500_000, 62_500_000)
    assert trip.limit_ns == 362_500_000


def test_it_follows_a_peer_that_has_become_slower_and_faster() -> None:
    trip = RoundTrip(20 * MS)
    for _ in range(60):
        trip.add(400 * MS)
    assert trip.mean_ns == pytest.approx(400 * MS, rel=0.01)
    assert trip.deviation_ns < 10 * MS, "it does not vary any more"
    for _ in range(60):
        trip.add(200 * MS)
    assert trip.mean_ns == pytest.approx(200 * MS, rel=0.01)


@pytest.mark.parametrize(
    ("sample_ns", "limit_ns"), [(MS, LEAST_ANSWER_NS), (10_000 * MS, LONGEST_ANSWER_NS)]
)
def test_whoever_is_fast_has_time_and_nobody_has_too_much(sample_ns: int, limit_ns: int) -> None:
    assert RoundTrip(sample_ns).limit_ns == limit_ns
