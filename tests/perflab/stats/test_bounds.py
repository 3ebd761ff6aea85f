"""Bounds on a ratio: worked by hand, and how often they miss under unkind noise."""

import math
from random import Random

import pytest

from perflab.stats.bounds import of_counts, of_ratios, rounds_needed


def test_too_few_rounds_give_no_bounds() -> None:
    found = of_ratios([2.0] * 6, 0.01)
    assert found.ratio == 2.0
    assert (found.low, found.high) == (0.0, math.inf)
    assert rounds_needed(0.01) == 7


def test_bounds_leave_out_what_the_sign_test_allows() -> None:
    ratios = [float(each) for each in range(10, 0, -1)]
    # P(none of 10 below the median) = 1/1024, P(at most one) = 11/1024.
    assert of_ratios(ratios, 1 / 1024).low == 1.0
    found = of_ratios(ratios, 11 / 1024)
    assert (found.low, found.ratio, found.high) == (2.0, 5.5, 9.0)
    assert found.smallest == 5.5 / 2


def _spells(rng: Random, rounds: int) -> list[float]:
    """Ratios of a program to itself on a machine that halves its speed for minutes, with processes
    that differ by 1 % and noise that remembers the round before."""
    slow, drift = rng.random() < 0.5, 0.0
    ratios = []
    for _ in range(rounds):
        slow = slow != (rng.random() < 0.1)
        drift = 0.9 * drift + rng.gauss(0, 0.02)
        pair = [
            (2.0 if slow else 1.0) * math.exp(drift + abs(rng.gauss(0, 0.03)) + rng.gauss(0, 0.01))
            for _ in range(2)
        ]
        pair[1] *= 1.02  # whoever comes second finds warmer or colder caches
        rng.shuffle(pair)  # the coin
        ratios.append(pair[1] / pair[0])
    return ratios


@pytest.mark.parametrize("error", [1 / 16, 1 / 128])
def test_bounds_miss_as_seldom_as_they_say(error: float) -> None:
    rng, runs = Random(7), 4000
    low = sum(of_ratios(_spells(rng, 16), error).low > 1 for _ in range(runs))
    # Four standard deviations above what is allowed.
    assert low <= runs * error + 4 * math.sqrt(runs * error)
    assert low > 0  # the test has teeth: without noise enough nothing could miss


def test_counts_that_are_equal_say_nothing() -> None:
    assert of_counts([(0, 0)] * 50 + [(3, 3)], 0.01).high == math.inf
    found = of_counts([(0, 1)] * 3, 1 / 8)  # three of three, by chance one time in eight
    assert found.low == pytest.approx(1)
    assert found.high == math.inf


def test_counts_are_bounded_by_odds_and_not_by_their_sizes() -> None:
    found = of_counts([(0, 1)] * 60 + [(100, 0)] * 20, 0.001)
    assert found.ratio == 60.5 / 20.5
    assert 1 < found.low < found.ratio < found.high < 9


def test_bounds_of_counts_miss_as_seldom_as_they_say() -> None:
    rng, runs, error = Random(9), 2000, 1 / 64

    def count() -> int:  # of slow operations, which come in clusters
        return rng.randrange(1, 9) if rng.random() < 0.1 else 0

    low = sum(
        of_counts([(count(), count()) for _ in range(80)], error).low > 1 for _ in range(runs)
    )
    assert low <= runs * error + 4 * math.sqrt(runs * error)
