"""Slopes that are known, and crossings that follow from them."""

from random import Random

import pytest

from perflab.capacity.forecast import outlook, trend

DAYS = [float(day) for day in range(40)]


def noisy(slope: float, seed: int, level: float = 10.0) -> list[float]:
    rng = Random(seed)
    return [level + slope * day + rng.gauss(0, 0.2) for day in DAYS]


def test_the_interval_holds_the_slope() -> None:
    found = [trend(DAYS, noisy(0.05, seed)) for seed in range(100)]
    held = sum(each.low <= 0.05 <= each.high for each in found)
    assert held >= 90
    assert sum(abs(each.per_day - 0.05) < 0.01 for each in found) >= 90


def test_bad_values_do_not_move_it() -> None:
    values = noisy(0.05, 1)
    values[5] = values[20] = values[38] = 500.0
    assert trend(DAYS, values).per_day == pytest.approx(0.05, abs=0.01)


def test_when_a_limit_is_crossed() -> None:
    found = outlook(DAYS, noisy(0.05, 2), 14.0)
    assert found.state == "crosses"
    assert found.days is not None
    assert found.days[0] < (14 - 10 - 0.05 * 39) / 0.05 < found.days[1]


def test_what_does_not_go_anywhere_has_no_trend() -> None:
    states = [outlook(DAYS, noisy(0.0, seed), 14.0).state for seed in range(60)]
    assert states.count("no trend") >= 54
    assert outlook(DAYS, noisy(-0.05, 1), 14.0).state == "away"
    assert outlook(DAYS, noisy(0.05, 1), 9.0).state == "beyond"


def test_what_is_before_the_last_change_does_not_count() -> None:
    values = [*noisy(0.0, 3)[:20], *(value / 2 for value in noisy(0.0, 4)[20:])]
    found = outlook(DAYS, values, 14.0)
    assert found.points <= 21
    assert found.state in ("no trend", "away")
    assert outlook(DAYS[:5], values[:5], 14.0).state == "too few"


def test_a_trend_needs_points() -> None:
    with pytest.raises(ValueError, match="needs 8 points"):
        trend(DAYS[:7], DAYS[:7])
    with pytest.raises(ValueError, match="different times"):
        trend([1.0] * 9, DAYS[:9])
