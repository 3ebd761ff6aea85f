"""Steps close to the tip: found, placed, and not seen where there is none."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from perflab.alerts import power
from perflab.alerts.power import NoiseModel, drawn, measured
from perflab.stats.detector import START, changes, watch


def series(model: NoiseModel, points: int, seed: int = 1) -> list[float]:
    return drawn(model, np.random.default_rng(seed), 1, points)[0].tolist()


def stepped(values: Sequence[float], at: int, ratio: float) -> list[float]:
    return [value * (ratio if place >= at else 1) for place, value in enumerate(values)]


def test_a_step_is_found_soon_placed_and_measured() -> None:
    values = stepped(series(NoiseModel(0.01), 110), 100, 1.05)
    (step,) = watch(values).steps
    assert step.first <= 100 <= step.last
    assert step.told < 110
    assert step.ratio == pytest.approx(1.05, abs=0.015)


def test_what_was_told_stays_told() -> None:
    values = stepped(stepped(series(NoiseModel(0.01, 0.3), 160), 60, 1.2), 120, 0.8)
    steps = watch(values).steps
    assert [round(math.log(step.ratio), 1) for step in steps] == [0.2, -0.2]
    for points in range(50, 160, 10):
        assert watch(values[:points]).steps == tuple(each for each in steps if each.told < points)


@pytest.mark.parametrize("spikes", [(105,), (100, 103, 107), (107, 108, 109), (104, 106, 108, 109)])
def test_spikes_are_no_step(spikes: tuple[int, ...]) -> None:
    values = series(NoiseModel(0.01), 110)
    for place, size in zip(spikes, (0.2, 0.06, 0.11, 0.16), strict=False):
        values[place] += size
    assert watch(values).steps == ()


def test_a_step_among_spikes_is_found() -> None:
    values = stepped(series(NoiseModel(0.01, spikes=True), 130), 120, 1.05)
    assert [step.first <= 120 <= step.last for step in watch(values).steps] == [True]


@pytest.mark.parametrize("ratio", [1.08, 1 / 1.08])
def test_what_is_better_if_it_is_higher_is_seen_in_a_mirror(ratio: float) -> None:
    values = stepped(series(NoiseModel(0.027, 0.5), 330, seed=5), 300, ratio)
    (step,) = watch(values).steps
    (other,) = watch([1 / value for value in values], higher_is_better=True).steps
    assert (other.at, other.told) == (step.at, step.told)
    assert other.ratio == pytest.approx(1 / step.ratio)


def test_a_machine_of_two_speeds_is_noisy_and_not_slower() -> None:
    fast = np.random.default_rng(3).random(200) < 0.7
    watched = watch([0.55 if each else 1.08 for each in fast])
    assert watched.steps == ()
    assert watched.smallest > 1.3


def test_the_smallest_step_follows_the_noise() -> None:
    quiet, noisy, slow = (
        watch(series(model, 200)).smallest
        for model in (NoiseModel(0.01), NoiseModel(0.03), NoiseModel(0.01, 0.6))
    )
    assert 1 < quiet < slow < noisy


def test_values_that_never_differ_and_then_do() -> None:
    assert watch([5.0] * 60).steps == ()
    (step,) = watch([5.0] * 50 + [5.1] * 4).steps
    assert (step.at, step.ratio) == (50, pytest.approx(1.02, rel=1e-4))
    assert watch([5.0] * 50 + [9.0] * 3).steps == ()


def test_values_about_zero_have_steps_too() -> None:
    noise = np.random.default_rng(1).standard_normal(80)
    values = [0.1 * each + (1.0 if place >= 60 else 0.0) for place, each in enumerate(noise)]
    (step,) = watch(values).steps
    assert (step.first <= 60 <= step.last, step.ratio > 2) == (True, True)
    assert watch([0.0] * 60).steps == ()


@pytest.mark.parametrize("points", [0, 1, START - 1])
def test_a_short_series_says_nothing(points: int) -> None:
    watched = watch([1.0, 2.0] * (points // 2) + [1.0] * (points % 2))
    assert watched.steps == ()
    assert math.isnan(watched.smallest)


def test_an_exact_figure_has_a_step_at_each_change() -> None:
    steps = changes([4.0, 4.0, 5.0, 5.0, 4.0]).steps
    assert [(step.at, step.told, step.ratio) for step in steps] == [(2, 2, 1.25), (4, 4, 0.8)]
    assert [step.ratio for step in changes([0.0, 3.0]).steps] == [math.inf]


@pytest.mark.parametrize(
    "model", [NoiseModel(0.02), NoiseModel(0.012, 0.5), NoiseModel(0.02, spikes=True)]
)
def test_power_and_false_alarms_on_drawn_histories(
    model: NoiseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short form of `alerts --power`: docs/alerts.md has the long one."""
    monkeypatch.setattr(power, "BOUND_SERIES", 500)
    monkeypatch.setattr(power, "WARM_UP", 60)
    row = measured(model, series=40, history=150)
    assert row.false <= 0.05
    assert row.found_soon >= 0.9
    assert row.found_later == 1
    assert math.isnan(row.best_soon) or row.best_soon > 0.95
    assert str(row).startswith(f"| {model} |")
