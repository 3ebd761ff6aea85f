"""Bounds that may be watched: how often they miss, what they find, and what they refuse."""

import math

import numpy as np
import pytest

from perflab.stats.sequences import PairedDifferences

ERROR = 0.05
PAIRS = 150


def watched(values: np.ndarray, clip: float = 0.1, error: float = ERROR) -> int | None:
    """The pair at which zero is refuted, looked at after each one."""
    found = PairedDifferences(clip, error)
    for number, value in enumerate(values, 1):
        found.add(float(value))
        if found.above(0.0) or found.below(0.0):
            return number
    return None


def spells(rng: np.random.Generator) -> np.ndarray:
    """What a machine does to 2 * PAIRS slots: drift, spells of a neighbour, stalls."""
    slots = np.cumsum(rng.normal(0, 0.02, 2 * PAIRS))
    for begin in rng.integers(0, 2 * PAIRS, 6):
        slots[begin : begin + rng.integers(3, 120)] += rng.uniform(0.1, 0.9)
    slots[rng.random(2 * PAIRS) < 0.02] += rng.exponential(2.0)
    return slots


@pytest.mark.parametrize("seed", range(3))
def test_equal_sides_are_seldom_told_apart_though_watched_all_the_time(seed: int) -> None:
    rng = np.random.default_rng(seed)
    missed = 0
    for _ in range(100):
        pairs = spells(rng).reshape(PAIRS, 2)
        coin = rng.choice((-1, 1), PAIRS)
        missed += watched(coin * (pairs[:, 1] - pairs[:, 0])) is not None
    assert missed <= 100 * ERROR


def test_without_the_coin_the_same_machine_would_tell_equal_sides_apart() -> None:
    rng = np.random.default_rng(4)
    drifting = 0
    for _ in range(50):
        pairs = (spells(rng) + np.linspace(0, 6, 2 * PAIRS)).reshape(PAIRS, 2)
        drifting += watched(pairs[:, 1] - pairs[:, 0]) is not None
    assert drifting > 25


@pytest.mark.parametrize(("shift", "within"), [(0.05, 100), (0.1, 40), (0.2, 20)])
def test_a_difference_is_found_and_the_larger_the_sooner(shift: float, within: int) -> None:
    rng = np.random.default_rng(1)
    found = [watched(rng.normal(shift, 0.08, PAIRS), error=0.004) for _ in range(100)]
    assert sum(each is not None for each in found) >= 95
    assert np.median([each for each in found if each]) <= within


def test_bounds_hold_the_truth_and_narrow() -> None:
    rng = np.random.default_rng(2)
    wide = []
    found = PairedDifferences(0.1, 0.01)
    for count in (40, 400):
        while found.count < count:
            found.add(rng.normal(0.07, 0.05))
        bounds = found.bounds()
        assert bounds.low < 0.07 < bounds.high
        assert bounds.low < bounds.estimate < bounds.high
        assert found.above(bounds.low - 1e-9)
        assert not found.above(bounds.low + 1e-3)
        assert found.below(bounds.high + 1e-9)
        wide.append(bounds.high - bounds.low)
    assert wide[1] < wide[0] / 2


def test_a_stall_moves_the_estimate_no_more_than_the_clip_does() -> None:
    calm, stalled = PairedDifferences(0.1, 0.01), PairedDifferences(0.1, 0.01)
    for number in range(50):
        calm.add(0.01 * (-1) ** number)
        stalled.add(math.inf if number == 7 else 0.01 * (-1) ** number)
    assert abs(stalled.estimate() - calm.estimate()) < 0.1 / 40


def test_power_says_what_could_have_been_seen() -> None:
    rng = np.random.default_rng(3)
    found = PairedDifferences(0.1, 0.004)
    for value in rng.normal(0, 0.05, 100):
        found.add(value)
    bounds = found.bounds()
    assert bounds.power(0.0) < 0.01
    assert bounds.power(bounds.could_see) == pytest.approx(0.8)
    assert bounds.power(0.1) > 0.99
    # As often as said, and more, for it may be found at any of the looks.
    seen = [watched(rng.normal(bounds.could_see, 0.05, 100), error=0.004) for _ in range(100)]
    assert sum(each is not None for each in seen) >= 75


def test_too_few_pairs_refute_nothing() -> None:
    found = PairedDifferences(0.1, 0.01)
    assert found.bounds().could_see == math.inf
    for _ in range(5):
        found.add(math.inf)
    bounds = found.bounds()
    assert (bounds.low, bounds.high) == (-math.inf, math.inf)
    assert bounds.power(1.0) == 0.0


def test_equal_values_have_bounds_too() -> None:
    found = PairedDifferences(0.03, 0.004)
    for _ in range(200):
        found.add(0.0)
    bounds = found.bounds()
    assert -0.0025 < bounds.low < 0 < bounds.high < 0.0025
    assert bounds.power(0.0025) == 1.0


@pytest.mark.parametrize(("clip", "error"), [(0.0, 0.1), (math.inf, 0.1), (1.0, 0.0), (1.0, 1.0)])
def test_settings_out_of_range_are_refused(clip: float, error: float) -> None:
    with pytest.raises(ValueError, match="0"):
        PairedDifferences(clip, error)


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        PairedDifferences(1.0, 0.1).add(math.nan)
