"""The scalability law is found again in what it made, and says when it does not hold."""

import math
import random

import pytest

from perflab.stats.usl import CapacityError, Law, fit

LEVELS = [1, 2, 4, 8, 16, 32, 64, 128, 256]
TRUE = Law(rate=2000, contention=0.03, coherency=0.00004)


def made(law: Law, noise: float, seed: int, repeats: int = 7) -> dict[float, list[float]]:
    rng = random.Random(seed)
    return {
        n: [law.throughput(n) * math.exp(rng.gauss(0, noise)) for _ in range(repeats)]
        for n in LEVELS
    }


def test_the_law_is_found_again_without_noise() -> None:
    found = fit(made(TRUE, 0, 1))
    assert found.law.rate == pytest.approx(TRUE.rate)
    assert found.law.contention == pytest.approx(TRUE.contention)
    assert found.law.coherency == pytest.approx(TRUE.coherency)
    assert max(map(abs, found.residuals)) < 1e-9
    assert found.peak_n == pytest.approx(TRUE.peak_at)
    assert found.peak_extrapolated is False  # numpy's own is none that JSON can hold


def test_the_peak_is_where_more_gives_less() -> None:
    peak = TRUE.peak_at
    assert TRUE.throughput(peak) > max(TRUE.throughput(peak / 1.1), TRUE.throughput(peak * 1.1))
    assert Law(100, 0.1, 0).peak_at == math.inf


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    inside = 0
    for seed in range(40):
        found = fit(made(TRUE, 0.05, seed))
        assert found.peak_per_s is not None
        truth = TRUE.throughput(TRUE.peak_at)
        inside += found.peak_per_s.low <= truth <= found.peak_per_s.high
    assert inside >= 32  # of 95 %; a bootstrap of seven repeats is a little narrow


def test_what_a_latency_allows_is_littles_law() -> None:
    found = fit(made(TRUE, 0, 1))
    allowed = found.allowed(0.002)
    assert allowed is not None
    assert allowed.n / allowed.per_s.estimate == pytest.approx(0.002)
    assert not allowed.extrapolated
    peak = found.allowed(10.0)  # nothing is answered faster for waiting longer
    assert peak is not None
    assert peak.n == pytest.approx(TRUE.peak_at)
    assert found.allowed(0.0001) is None  # one alone takes longer


def test_extrapolation_is_marked() -> None:
    law = Law(rate=1000, contention=0.001, coherency=1e-6)  # its peak lies near 1,000
    found = fit(made(law, 0, 1))
    assert found.peak_extrapolated
    allowed = found.allowed(10.0)
    assert allowed is not None
    assert allowed.extrapolated


def test_joined_work_is_contention_below_zero() -> None:
    found = fit(made(Law(1000, -0.002, 0.0001), 0, 1))
    assert found.law.contention == pytest.approx(-0.002)


def test_a_curve_that_is_no_such_law_extrapolates_nothing() -> None:
    rates = made(TRUE, 0, 1)
    rates[8] = [4 * rate for rate in rates[8]]
    found = fit(rates)
    assert not found.fits
    assert found.peak_n is None
    assert found.allowed(1000.0) is None


@pytest.mark.parametrize(
    ("rates", "says"),
    [
        ({1: [1.0], 2: [2.0]}, "needs 5 levels"),
        ({n: [] for n in range(1, 6)}, "same repeats"),
        ({1: [1.0], 2: [1.0], 3: [1.0], 4: [1.0], 5: [1.0, 2.0]}, "same repeats"),
        ({n: [math.nan] for n in range(1, 6)}, "above 0"),
        ({n: [0.0] for n in range(1, 6)}, "above 0"),
        ({n: [1.0] for n in range(5)}, "above 0"),
    ],
)
def test_too_little_is_told(rates: dict[float, list[float]], says: str) -> None:
    with pytest.raises(CapacityError, match=says):
        fit(rates)
