"""Rates have the intervals of the textbook."""

import math

import pytest

from perflab.stats.rates import Rate


@pytest.mark.parametrize(
    ("found", "of", "low", "high"),
    [
        # The ends have closed forms: 1 - 0.025^(1/n) and its like.
        (0, 30, 0.0, 1 - 0.025 ** (1 / 30)),
        (30, 30, 0.025 ** (1 / 30), 1.0),
        (0, 2000, 0.0, 1 - 0.025 ** (1 / 2000)),
        # Table of Clopper and Pearson's limits, as any textbook has it.
        (19, 20, 0.7513, 0.9987),
        (5, 10, 0.1871, 0.8129),
        (1, 20, 0.0013, 0.2487),
    ],
)
def test_intervals_are_clopper_and_pearsons(found: int, of: int, low: float, high: float) -> None:
    rate = Rate(found, of)
    assert rate.low == pytest.approx(low, abs=6e-5)
    assert rate.high == pytest.approx(high, abs=6e-5)


def test_a_rate_of_nothing_is_everything() -> None:
    rate = Rate(0, 0)
    assert math.isnan(rate.share)
    assert (rate.low, rate.high) == (0.0, 1.0)
