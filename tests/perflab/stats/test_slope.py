"""Slopes are found, and their intervals hold under noise from independent to a random walk."""

import math
import random

import pytest

from perflab.stats.slope import block_minima, slope, student_quantile

POINTS = 30


def noise(rho: float, seed: int, points: int = POINTS) -> list[float]:
    """AR(1) of unit variance; a random walk of unit steps for rho = 1."""
    rng = random.Random(f"{rho} {seed}")
    step = math.sqrt(1 - rho * rho) if rho < 1 else 1.0
    value, found = (rng.gauss(0, 1) if rho < 1 else 0.0), []
    for _ in range(points):
        value = rho * value + step * rng.gauss(0, 1)
        found.append(value)
    return found


@pytest.mark.parametrize(
    ("confidence", "freedom", "expected"),
    [(0.95, 7, 2.3646), (0.95, 28, 2.0484), (0.99, 28, 2.7633), (0.999, 28, 3.6739),
     (0.999, 7, 5.4079)],
)  # fmt: skip
def test_students_quantile(confidence: float, freedom: int, expected: float) -> None:
    """From the tables of the distribution."""
    assert student_quantile(confidence, freedom) == pytest.approx(expected, rel=0.01)


def test_a_straight_line_is_exact() -> None:
    found = slope(range(POINTS), [5 + 3 * x for x in range(POINTS)], 0.99)
    assert (found.low, found.estimate, found.high) == pytest.approx((3, 3, 3))


def test_a_constant_has_no_slope() -> None:
    found = slope(range(POINTS), [7e7] * POINTS, 0.999)
    assert abs(found.low) < 1e-6
    assert abs(found.high) < 1e-6


# At a confidence of 99 % an upward slope should be seen by chance in 0.5 % of series. With 30
# points it is 0.2, 1.3, 1.5, 1.2 and 2.2 % (2,000 seeds of each); the bounds leave room for 1,000.
@pytest.mark.parametrize(
    ("rho", "most"), [(0, 0.01), (0.5, 0.025), (0.8, 0.025), (0.95, 0.025), (1, 0.035)]
)
def test_false_alarms_are_as_rare_as_stated(rho: float, most: float) -> None:
    alarms = sum(slope(range(POINTS), noise(rho, seed), 0.99).low > 0 for seed in range(1000))
    assert alarms <= most * 1000


@pytest.mark.parametrize("rho", [0, 0.5, 0.95, 1])
def test_the_interval_holds_the_slope(rho: float) -> None:
    held = 0
    for seed in range(500):
        series = [2 * x + value for x, value in enumerate(noise(rho, seed))]
        found = slope(range(POINTS), series, 0.99)
        held += found.low <= 2 <= found.high
    assert held >= 0.95 * 500


def test_a_single_step_does_not_make_a_trend() -> None:
    series = [0.0] * 15 + [1e6] * 15
    found = slope(range(POINTS), series, 0.99)
    assert found.autocorrelation == 1
    assert found.low < 0 < found.high


def test_blocks_keep_the_lowest() -> None:
    at = [0.5 * n for n in range(21)]
    values = [100.0 + n for n in range(21)]
    values[7] = 1e9  # a spike
    centres, lowest = block_minima(at, values, (0, 10), 5)
    assert centres == [1, 3, 5, 7, 9]
    assert lowest == [100, 104, 108, 112, 116]


def test_empty_blocks_are_left_out() -> None:
    centres, lowest = block_minima([-1, 0, 1, 2, 8, 10, 11], [0, 5, 4, 3, 2, 1, 0], (0, 10), 5)
    assert centres == [1, 3, 9]
    assert lowest == [4, 3, 1]
    assert block_minima([], [], (0, 10), 5) == ([], [])


@pytest.mark.parametrize(
    ("x", "y", "confidence", "words"),
    [
        ([1, 2, 3], [1, 2, 3], 0.99, "8 points"),
        ([*range(7), 6], [0] * 8, 0.99, "ascend"),
        (range(8), [0] * 8, 1.0, "confidence"),
        (range(8), [0] * 9, 0.9, "8, 9"),
    ],
)
def test_what_has_no_slope_is_refused(
    x: list[float], y: list[float], confidence: float, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        slope(x, y, confidence)
