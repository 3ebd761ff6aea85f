"""Changes are found where they were made, noise is left alone, and a forecast needs a trend."""

import random
from pathlib import Path

import pytest

from perflab.readiness.report import write_json
from perflab.readiness.trends import FigureHistory, change_points, forecast, report
from tests.perflab.recorded import RECORDED, report_of


def noisy(levels: list[float], seed: int, sigma: float = 1.0) -> list[float]:
    rng = random.Random(seed)
    return [level + rng.gauss(0, sigma) for level in levels]


def history(values: list[float], limit: float | None = None) -> FigureHistory:
    return FigureHistory(
        name="it",
        unit="ms",
        better="lower",
        limit=limit,
        values=values,
        commits=["c"] * len(values),
    )


def test_a_step_is_found_near_where_it_was_made() -> None:
    found = [change_points(noisy([100.0] * 12 + [106.0] * 12, seed)) for seed in range(10)]
    assert all(any(abs(shift.at - 12) <= 1 for shift in each) for each in found)
    assert sum(len(each) - 1 for each in found) <= 1  # one in a hundred is allowed to chance


def test_noise_is_left_alone() -> None:
    assert sum(bool(change_points(noisy([100.0] * 24, seed))) for seed in range(40)) <= 3


def test_two_steps_are_two() -> None:
    (first, second) = change_points(noisy([10.0] * 10 + [20.0] * 10 + [5.0] * 10, 3))
    assert (first.at, second.at) == (10, 20)
    assert first.after == pytest.approx(second.before)


@pytest.mark.parametrize("values", [[], [1.0], [1.0] * 7, [2.0] * 30])
def test_nothing_is_made_of_too_little_or_of_no_change(values: list[float]) -> None:
    assert change_points(values) == []


def test_a_drift_is_forecast_to_its_limit() -> None:
    drift = noisy([10.0 + 0.2 * n for n in range(30)], 7, sigma=0.1)
    assert change_points(drift) == []
    found = forecast(history(drift, limit=20.0))
    assert found.runs is not None
    assert found.runs[0] <= (20.0 - drift[-1]) / 0.2 + 1
    assert found.runs[1] >= (20.0 - drift[-1]) / 0.2 - 1
    assert "if nothing changes" in found.reason
    assert "away from the limit" in forecast(history(drift, limit=5.0)).reason
    assert forecast(history(drift[:4], limit=20.0)).reason == "a forecast needs 8 runs, there are 4"


def test_what_never_differs_has_no_trend() -> None:
    """0.1 + 0.1 + … is not a multiple of 0.1: rounding made a slope with an interval as narrow."""
    found = forecast(history([5148.762315] * 24, limit=10_000.0))
    assert (found.reason, found.per_run, found.runs) == ("no trend: always the same", None, None)


def test_no_trend_has_no_forecast() -> None:
    found = forecast(history(noisy([10.0] * 20, 5), limit=20.0))
    assert found.runs is None
    assert found.reason == "no trend"
    assert found.per_run is not None
    assert found.per_run[1] < 0 < found.per_run[2]


def test_what_is_filed_is_told_where_nothing_fits(tmp_path: Path) -> None:
    said: list[str] = []
    assert report(tmp_path, quick=False, only="", write=said.append) == 2
    assert said == [f"error: no runs in {tmp_path}: python -m perflab readiness files them"]
    (tmp_path / "run").mkdir()
    quick = report_of(RECORDED)
    assert quick.quick
    write_json(quick, tmp_path / "run" / "report.json")
    assert report(tmp_path, quick=False, only="", write=said.append) == 2
    assert said[-1] == (
        f"error: no runs, but 1 quick in {tmp_path}: trends with --quick shows what is there"
    )
    assert report(tmp_path, quick=True, only="", write=said.append) == 0
    assert report(tmp_path, quick=True, only="nonesuch", write=said.append) == 2
    assert "with a figure like 'nonesuch'" in said[-1]
