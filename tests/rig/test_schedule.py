"""Schedules are exact, reproducible, and refuse rates that are none."""

import statistics
from itertools import islice, pairwise

import pytest

from benchmarks.rig.schedule import FASTEST_PER_S, constant, poisson


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
