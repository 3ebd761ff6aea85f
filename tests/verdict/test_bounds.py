"""Bounds on a ratio: worked by hand, and how often they miss under unkind noise."""

import math
from random import Random

import pytest

from benchmarks.verdict.bounds import of_minima, of_pairs, rounds_needed


def test_bounds_of_minima_are_order_statistics() -> None:
    base, head = [5.0, 1.0, 2.0, 4.0], [8.0, 6.0, 3.0, 7.0]
    found = of_minima(base, head, 1 / 8)  # the third of each
    assert (found.ratio, found.low, found.high) == (3.0, 3 / 4, 7.0)
    assert found.smallest == 4.0


def test_too_few_rounds_give_no_bounds() -> None:
    for found in (of_minima([1.0] * 6, [2.0] * 6, 0.01), of_pairs([1.0] * 6, [2.0] * 6, 0.01)):
        assert found.ratio == 2.0
        assert (found.low, found.high) == (0.0, math.inf)
    assert rounds_needed(0.01) == 7


def test_bounds_of_pairs_leave_out_what_the_sign_test_allows() -> None:
    base = [1.0] * 10
    head = [float(each) for each in range(1, 11)]
    # P(none of 10 below the median) = 1/1024, P(at most one) = 11/1024.
    assert of_pairs(base, head, 1 / 1024).low == 1.0
    found = of_pairs(base, head, 11 / 1024)
    assert (found.low, found.ratio, found.high) == (2.0, 5.5, 9.0)


def _spells(rng: Random, rounds: int) -> tuple[list[float], list[float]]:
    """The same program twice per round, on a machine that halves its speed for minutes, with
    processes that differ by 1 % and noise that remembers the round before."""
    slow, drift = rng.random() < 0.5, 0.0
    sides: tuple[list[float], list[float]] = [], []
    for _ in range(rounds):
        slow = slow != (rng.random() < 0.1)
        drift = 0.9 * drift + rng.gauss(0, 0.02)
        pair = [
            (2.0 if slow else 1.0) * math.exp(drift + abs(rng.gauss(0, 0.03)) + rng.gauss(0, 0.01))
            for _ in range(2)
        ]
        pair[1] *= 1.02  # whoever comes second finds warmer or colder caches
        rng.shuffle(pair)  # the coin
        for side, value in zip(sides, pair, strict=True):
            side.append(value)
    return sides


@pytest.mark.parametrize("error", [1 / 16, 1 / 128])
def test_bounds_of_minima_miss_as_seldom_as_they_say(error: float) -> None:
    rng, runs = Random(7), 4000
    low = sum(of_minima(*_spells(rng, 16), error).low > 1 for _ in range(runs))
    # Four standard deviations above what is allowed.
    assert low <= runs * error + 4 * math.sqrt(runs * error)
    assert low > 0  # the test has teeth: without noise enough nothing could miss
