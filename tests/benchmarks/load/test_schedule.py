"""Schedules are exact, reproducible, and refuse rates that are none."""

import statistics
from collections import Counter
from itertools import islice, pairwise

import pytest

from benchmarks.common.load.schedule import (
    FASTEST_PER_S,
    Piece,
    after,
    arrivals,
    bursts,
    constant,
    poisson,
)


def test_a_constant_rate_does_not_drift() -> None:
    assert list(islice(constant(1000), 4)) == [0, 1_000_000, 2_000_000, 3_000_000]
    thirds = list(islice(constant(3), 3_000_001))
    assert thirds[1:3] == [333_333_333, 666_666_667]
    assert thirds[3_000_000] == 1_000_000 * 1_000_000_000


def test_poisson_gaps_are_exponential() -> None:
    """Mean and standard deviation of an exponential are equal; 20,000 gaps give both to 5 %."""
    due = list(islice(poisson(500, seed=1), 20_001))
    gaps = [after - before for before, after in pairwise(due)]
    assert min(gaps) >= 0
    assert statistics.fmean(gaps) == pytest.approx(2_000_000, rel=0.05)
    assert statistics.stdev(gaps) == pytest.approx(2_000_000, rel=0.05)


def test_a_seed_is_a_schedule() -> None:
    first, again, other = (list(islice(poisson(500, seed), 50)) for seed in (1, 1, 2))
    assert first == again != other
    assert first[:3] == [288_582, 4_048_895, 6_934_833]  # on every Python, today and later


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), FASTEST_PER_S + 1])
def test_a_rate_that_is_none_is_refused_at_once(rate: float) -> None:
    with pytest.raises(ValueError, match=str(rate)):
        constant(rate)
    with pytest.raises(ValueError, match=str(rate)):
        poisson(rate, seed=1)


def flat(rate: float, seconds: float) -> Piece:
    return Piece(begin_per_s=rate, end_per_s=rate, seconds=seconds)


def test_pieces_of_one_rate_are_that_rate() -> None:
    assert list(arrivals([flat(1000, 2)])) == list(islice(constant(1000), 2000))


def test_a_ramp_holds_the_integral_of_its_rate_at_every_moment() -> None:
    due = list(arrivals([Piece(begin_per_s=100, end_per_s=300, seconds=10)]))
    assert len(due) == 2000
    assert due == sorted(due)
    for second in range(11):
        integral = 100 * second + 10 * second**2
        assert sum(each < second * 1e9 for each in due) == pytest.approx(integral, abs=1)


def test_a_ramp_may_begin_at_nothing_and_end_there() -> None:
    up = Piece(begin_per_s=0, end_per_s=100, seconds=4)
    down = Piece(begin_per_s=100, end_per_s=0, seconds=4)
    due = list(arrivals([up, flat(0, 1), down]))
    assert len(due) == 400
    assert sum(each < 4e9 for each in due) == 200
    assert not [each for each in due if 4e9 < each < 5e9 - 1]


def test_pieces_by_chance_have_the_rates_of_the_pieces() -> None:
    due = list(arrivals([flat(500, 20), flat(0, 5), flat(2000, 20)], seed=7))
    counts = Counter(each // 5_000_000_000 for each in due)
    assert [counts[block] / 5 for block in range(4)] == pytest.approx([500] * 4, rel=0.1)
    assert counts[4] == 0
    assert [counts[block] / 5 for block in range(5, 9)] == pytest.approx([2000] * 4, rel=0.1)
    assert due == list(arrivals([flat(500, 20), flat(0, 5), flat(2000, 20)], seed=7))


def test_bursts_come_at_once_and_end_in_time() -> None:
    due = Counter(bursts(50, 0.4, 1.2))
    assert due == {0: 50, 400_000_000: 50, 800_000_000: 50}
    assert list(after([0, 5], 1.5)) == [1_500_000_000, 1_500_000_005]


@pytest.mark.parametrize("rate", [-1, float("nan"), FASTEST_PER_S + 1])
def test_pieces_and_bursts_that_are_none_are_refused(rate: float) -> None:
    with pytest.raises(ValueError, match=str(rate)):
        flat(rate, 1)
    with pytest.raises(ValueError, match="0 s"):
        flat(1, 0)
    with pytest.raises(ValueError, match="0 s"):
        list(bursts(1, 0, 1))
    with pytest.raises(ValueError, match="1 operation"):
        list(bursts(0, 1, 1))
