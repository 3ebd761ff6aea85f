"""One detector on short series: found from twelve points on, and silent on noise of every kind.

Counts follow from fixed seeds, so they are the same everywhere; the bounds are theirs rounded up.
"""

import random
from collections.abc import Callable, Sequence

import pytest

from perflab.alerts.judge import State, What, judge
from perflab.alerts.series import AlertHistory, Point
from perflab.alerts.series import AlertSeries as Published
from perflab.gate.policy import load_policy
from perflab.gate.record import Kind
from perflab.readiness.trends import change_points
from perflab.results.history import Series
from perflab.site.changes import changes_of
from perflab.site.model import level
from perflab.stats.detector import PRINTED, changes, watch
from tests.perflab.alerts.test_judge import TODAY

SERIES = 200
STORED_RECORD = [278.2, 278.5, 278.3, 278.3, 315.1, 315.2, 315.2, 315.2, 315.2, 315.1,
                 315.1, 315.2, 315.2, 315.1, 315.3, 315.1, 315.2, 315.5, 315.2, 314.9]  # fmt: skip
DELETE_64 = [100.6, 91.9, 88.8, 89.9, 154.8, 91.2, 178.2, 151.3, 87.6, 91.8,
             169.7, 150.2, 92.4, 88.1, 87.0, 87.8, 93.0, 103.2, 170.1, 211.1]  # fmt: skip
Draw = Callable[[random.Random, int], list[float]]


def correlated(rng: random.Random, count: int, rho: float, sd: float) -> list[float]:
    noise, found = rng.gauss(0, 1), []
    for _ in range(count):
        found.append(1 + sd * noise)
        noise = rho * noise + (1 - rho * rho) ** 0.5 * rng.gauss(0, 1)
    return found


def two_speeds(rng: random.Random, count: int, share: float) -> list[float]:
    return [rng.gauss(1, 0.01) * (2.07 if rng.random() < share else 1) for _ in range(count)]


def spiky(rng: random.Random, count: int) -> list[float]:
    return [rng.gauss(1, 0.01) + (rng.random() < 0.05) * rng.uniform(0, 0.2) for _ in range(count)]


def drifting(rng: random.Random, count: int) -> list[float]:
    return [10 + 0.2 * at + rng.gauss(0, 0.1) for at in range(count)]


NOISE: dict[str, tuple[Draw, int, int]] = {
    "independent": (lambda rng, n: correlated(rng, n, 0.0, 0.02), 1, 2),
    "correlated": (lambda rng, n: correlated(rng, n, 0.5, 0.012), 2, 6),
    "two speeds, even": (lambda rng, n: two_speeds(rng, n, 0.5), 5, 8),
    "two speeds, one rare": (lambda rng, n: two_speeds(rng, n, 0.2), 3, 4),
    "spikes": (spiky, 0, 1),
    "drift": (drifting, 0, 2),
}


@pytest.mark.parametrize("kind", NOISE)
def test_noise_is_no_step(kind: str) -> None:
    """Series of so many with a false step, up or down: of 20 points, and of 40."""
    draw, of_20, of_40 = NOISE[kind]
    for points, most in ((20, of_20), (40, of_40)):
        rng = random.Random(f"{kind} {points}")
        assert sum(bool(watch(draw(rng, points)).steps) for _ in range(SERIES)) <= most


@pytest.mark.parametrize(
    ("before", "size", "least"),
    [(4, 1.1, 95), (4, 1.05, 65), (10, 1.1, 98), (10, 1.05, 80), (16, 1.1, 90), (10, 0.9, 98)],
)
def test_a_step_in_twenty_points_is_found_where_it_is(before: int, size: float, least: int) -> None:
    """Of 100 series with 1 % of noise; at 16 the new level has four points."""
    rng = random.Random(f"{before} {size}")
    found = 0
    for _ in range(100):
        values = [rng.gauss(1, 0.01) * (size if at >= before else 1) for at in range(20)]
        found += any(abs(step.at - before) <= 1 for step in watch(values).steps)
    assert found >= least


def test_what_was_told_of_few_points_stays_told() -> None:
    rng = random.Random(4)
    values = [rng.gauss(1, 0.01) * (1.2 if at >= 5 else 1) for at in range(40)]
    (step,) = watch(values).steps
    assert (step.at, step.told < 20) == (5, True)
    for points in range(step.told + 1, 40):
        assert watch(values[:points]).steps == (step,)
    assert watch(values[: step.told]).steps == ()


def test_nothing_is_made_of_ten_points() -> None:
    for before in range(1, 10):
        assert watch([1.0] * before + [2.0] * (10 - before)).steps == ()
    (step,) = watch([1.0] * 5 + [2.0] * 6).steps
    assert (step.at, step.told, step.ratio) == (5, 10, pytest.approx(2.0))


def pages(values: Sequence[float], kind: str = "paired") -> list[int]:
    """Where the site tells changes that are sure."""
    series = Series(at=list(range(len(values))), values=list(values))
    return [each.at for each in changes_of(series, kind, 0.02) if each.certainty != "likely"]


def alarms(values: Sequence[float], kind: Kind = Kind.PAIRED) -> list[int]:
    """Where alerts tell steps."""
    commits = [f"{number:040x}" for number in range(len(values))]
    series = Published(
        machine="box", environment="env", benchmark="a.B.c", params=(), unit="s", kind=kind,
        higher_is_better=False,
        points=tuple(Point(n, commit, values[n]) for n, commit in enumerate(commits)),
    )  # fmt: skip
    report = judge(AlertHistory((series,), ()), commits, load_policy(), TODAY, window=1000)
    return [commits.index(each.commit) for each in report.findings]


@pytest.mark.parametrize("seed", range(6))
def test_site_alerts_and_trends_tell_the_same_steps(seed: int) -> None:
    rng = random.Random(seed)
    first, second = rng.randrange(4, 25), rng.randrange(35, 50)
    values = [
        rng.gauss(1, 0.01) * (1.15 if at >= first else 1) * (0.8 if at >= second else 1)
        for at in range(60)
    ]
    told = [step.at for step in watch(values).steps]
    assert len(told) == 2
    assert pages(values) == told
    assert [shift.at for shift in change_points(values)] == told
    # An alarm that has gone again is none; the improvement is noted.
    assert alarms(values) == told[1:]
    assert alarms(values[:second]) == pages(values[:second]) == told[:1]


def test_a_record_that_grew_in_a_history_of_twenty_commits_is_told() -> None:
    """memory.StoredRecord of the shipped history: 278 to 315 bytes at its fifth commit."""
    assert pages(STORED_RECORD) == alarms(STORED_RECORD) == [4]
    (change,) = changes_of(Series(at=list(range(20)), values=STORED_RECORD), "paired", 0.005)
    assert (change.worse, change.certainty) == (True, "confirmed")
    assert 1.13 < change.ratio < 1.135


def test_a_machine_of_two_speeds_has_no_likely_change() -> None:
    """baseline.Clock of the shipped history, delete: "+107 % worse, likely" it was called."""
    series = Series(at=list(range(20)), values=DELETE_64)
    assert changes_of(series, "observed", 0.05) == []
    called = 0
    for seed in range(SERIES):
        values = two_speeds(random.Random(seed), 20, 0.3)
        called += bool(changes_of(Series(at=list(range(20)), values=values), "observed", 0.05))
    assert called <= 4


@pytest.mark.parametrize("points", [2, 3, 6])
def test_a_step_at_the_tip_is_likely_until_it_is_confirmed(points: int) -> None:
    rng = random.Random(9)
    values = [rng.gauss(1, 0.01) for _ in range(40)]
    values += [rng.gauss(1.3, 0.01) for _ in range(points)]
    (found,) = changes_of(Series(at=list(range(len(values))), values=values), "observed", 0.05)
    assert found.at == 40
    assert found.certainty in ("likely", "confirmed")


def test_the_level_of_the_front_page_is_that_after_the_change_it_tells() -> None:
    """It was the median of five points of both levels, beside a value of the new one."""
    series = Series(at=list(range(0, 84, 2)), values=[1.0] * 40 + [1.3, 1.31])
    (found,) = changes_of(series, "paired", 0.02)
    assert level(series, 82, [found.at]) == (pytest.approx(1.305), 2)
    assert level(series, 79, [found.at]) == (1.0, 5)
    assert level(series, 82) == (1.0, 5)
    assert level(series, -1, [found.at]) is None


def test_no_change_is_smaller_than_what_is_printed() -> None:
    """2,164 to 2,164.08 bytes was "0 % worse, certain"; what adds up is told once."""
    creeping = [2164 * (1 + 0.0002 * at) for at in range(7)]
    series = Series(at=list(range(7)), values=creeping)
    (first, second) = changes_of(series, "exact", 0.0)
    assert (first.at, second.at) == (3, 6)
    assert (first.old, second.old) == (creeping[0], creeping[3])
    assert min(first.ratio, second.ratio) > 1 + PRINTED
    assert pages([2164.0] * 5 + [2164.08] * 5, "exact") == []
    assert alarms([2164.0] * 5 + [2164.08] * 5, Kind.EXACT) == []
    assert [step.at for step in changes([5.0, 5.0, 6.0]).steps] == [2]


def test_zero_to_something_has_no_percentage() -> None:
    from perflab.alerts.report import as_markdown, as_table

    values = [0.0] * 5 + [3.0] * 5
    commits = [f"{number:040x}" for number in range(10)]
    points = tuple(Point(n, commit, values[n]) for n, commit in enumerate(commits))
    series = Published(
        machine="box", environment="env", benchmark="a.B.c", params=(), unit="losses",
        kind=Kind.EXACT, higher_is_better=False, points=points,
    )  # fmt: skip
    report = judge(AlertHistory((series,), ()), commits, load_policy(), TODAY, window=50)
    (finding,) = report.findings
    assert (finding.what, finding.state) == (What.SLOWER, State.ALARM)
    for form in (as_table(report), as_markdown(report)):
        assert "0 → 3" in form
        assert "%" not in form.splitlines()[1]
        assert "inf" not in form
    # Back at zero nothing is left of it, but for a note that it is better.
    assert alarms([0.0] * 5 + [3.0] * 5 + [0.0] * 5, Kind.EXACT) == [10]
