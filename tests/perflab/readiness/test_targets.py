"""Targets are read strictly and judged in three values, never in favour of the unknown."""

import math
import re
from pathlib import Path

import pytest

from perflab.readiness.targets import (
    SHIPPED_SETS,
    Asked,
    Target,
    TargetVerdict,
    judge,
    overall,
    read_targets,
)
from perflab.report.finding import Observation
from perflab.report.form import State
from perflab.stats.thresholds import AGGREGATES, METRICS, TargetError, parse_threshold, percentile

STEP = Asked(name="steady", tags=["sustained"], metrics=list(METRICS))


def target(metric: str, threshold: str, scope: str = "") -> Target:
    parsed = parse_threshold(threshold, metric)
    unit = METRICS[metric].unit_of(parsed.aggregate)
    return Target(name="it", metric=metric, threshold=parsed, unit=unit, scope=scope)


def verdict(metric: str, threshold: str, *observed: Observation, scope: str = "") -> TargetVerdict:
    (found,) = judge([target(metric, threshold, scope)], [STEP], observed)
    return found


def seen(
    metric: str, *values: float, seconds: float | None = None, step: str = "steady"
) -> Observation:
    return Observation(step=step, metric=metric, values=values, seconds=seconds)


def test_the_shipped_targets_state_what_was_promised() -> None:
    found = read_targets()
    assert {each.set for each in found} == set(SHIPPED_SETS)
    production = [
        (each.metric, each.threshold.text, each.unit) for each in found if each.set == "production"
    ]
    assert production == [
        ("latency", "p(50) < 200", "ms"),
        ("requests", "rate > 10000", "1/s"),
        ("success", "rate > 99%", "share"),
        ("errors", "rate < 1%", "share"),
        ("leaks", "value == 0", "processes"),
        ("recovery", "max <= 30", "s"),
        ("lost", "count == 0", "records"),
        ("lost", "count == 0", "records"),  # in a blackout
        ("recovery", "max <= 15", "s"),
    ]
    assert all(each.scope and each.why for each in found)


@pytest.mark.parametrize(
    ("metric", "text", "values", "state"),
    [
        ("latency", "p(50) < 200", (100.0, 150.0, 900.0), "met"),
        ("latency", "p(50) < 150", (100.0, 150.0, 900.0), "not met"),
        ("latency", "med<=150", (100.0, 150.0, 900.0), "met"),
        ("latency", "max < 900.1", (100.0, 150.0, 900.0), "met"),
        ("latency", "avg > 400", (100.0, 150.0, 900.0), "not met"),
        ("latency", "count >= 3", (100.0, 150.0, 900.0), "met"),
        ("success", "rate > 99%", (0.995,), "met"),
        ("success", "rate > 0.99", (0.99,), "not met"),
        ("leaks", "value == 0", (0.0,), "met"),
        ("leaks", "value == 0", (1.0,), "not met"),
        ("lost", "count == 0", (0.0,), "met"),
    ],
)
def test_a_threshold_is_held_against_its_figure(
    metric: str, text: str, values: tuple[float, ...], state: State
) -> None:
    assert verdict(metric, text, seen(metric, *values)).state == state


def test_a_counter_has_a_rate_only_over_a_time() -> None:
    assert verdict("requests", "rate > 100", seen("requests", 900.0, seconds=3.0)).value == 300
    assert verdict("requests", "rate > 100", seen("requests", 900.0)).state == "unmeasured"
    assert verdict("requests", "rate > 1", seen("requests", 9.0, seconds=0.0)).state == "unmeasured"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("text", ["p(50) < 200", "max > 1", "avg != 3", "min >= 0"])
def test_what_is_no_figure_is_never_met(bad: float, text: str) -> None:
    found = verdict("latency", text, seen("latency", 1.0, bad))
    assert (found.state, found.value) == ("unmeasured", None)


def test_nothing_passes_for_being_unknown() -> None:
    assert verdict("latency", "p(50) < 200").state == "unmeasured"
    assert verdict("latency", "p(50) < 200", seen("latency")).state == "unmeasured"
    assert verdict("latency", "p(50) < 200", seen("latency", 1.0), scope="soak").state == (
        "unmeasured"
    )
    bound = Observation(step="steady", metric="latency", values=[1.0], unusable="generator bound")
    found = verdict("latency", "p(50) < 200", bound)
    assert found.state == "unmeasured"
    assert "generator bound" in found.reason


def test_a_percentile_needs_values_beyond_it() -> None:
    assert percentile([float(n) for n in range(1, 1001)], 99.9) == 999
    assert percentile([float(n) for n in range(1, 101)], 99) == 99
    assert percentile([3.0, 1.0, 2.0], 50) == 2
    assert percentile([3.0, 1.0, 2.0], 100) == 3
    with pytest.raises(ValueError, match="needs 1,000 values, there are 999"):
        percentile([1.0] * 999, 99.9)
    assert verdict("latency", "p(99) < 5", seen("latency", *[1.0] * 99)).state == "unmeasured"


def test_what_never_came_is_longer_than_all_that_did() -> None:
    def state(text: str, missing: int) -> State:
        came = Observation(step="steady", metric="latency", values=[1.0] * 8, missing=missing)
        return verdict("latency", text, came).state

    assert state("p(50) < 2", 2) == "met"
    assert state("p(90) < 2", 2) == "not met"
    assert state("max < 2", 1) == "not met"
    assert state("p(50) > 0", 10) == "not met"  # nothing passes for never ending
    assert verdict("recovery", "max <= 30", seen("recovery")).state == "unmeasured"


def test_every_step_in_scope_is_asked_and_the_worst_decides() -> None:
    steps = [
        Asked(name=name, tags=["sustained"], metrics=["latency"]) for name in ("slow", "quick")
    ]
    wanted = [target("latency", "p(50) < 200", "sustained")]
    both = [seen("latency", 300.0, 300.0, step="slow"), seen("latency", 100.0, 100.0, step="quick")]
    (found,) = judge(wanted, steps, both)
    assert (found.state, found.step, found.value) == ("not met", "slow", 300)
    (found,) = judge(wanted, steps, both[1:])  # the slow one has nothing to say
    assert (found.state, found.step) == ("unmeasured", "slow")
    (found,) = judge(wanted, steps[1:], both)
    assert (found.state, found.step) == ("met", "quick")


def test_overall_is_the_worst_and_never_met_without_a_verdict() -> None:
    def state(name: State) -> TargetVerdict:
        return TargetVerdict(
            target=target("lost", "count == 0"), state=name, value=0, step="", reason=""
        )

    assert overall([]) == "unmeasured"
    assert overall([state("met")]) == "met"
    assert overall([state("met"), state("unmeasured")]) == "unmeasured"
    assert overall([state("unmeasured"), state("not met"), state("met")]) == "not met"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[thresholds]\nlatencey = 'p(95) < 200'", "did you mean 'latency'"),
        ("[treshold]\n", "did you mean 'thresholds'"),
        ("[[target]]\nname='x'\nmetric='latency'\nthresold='p(95) < 2'", "'threshold'"),
        ("[[target]]\nname='x'\nmetric='latency'", "target[0] needs 'threshold'"),
        ("[thresholds]\nlatency = 'p95 < 200'", "aggregate of the trend 'latency': 'p95'"),
        ("[thresholds]\nlatency = 'p < 200'", "p takes a rank"),
        ("[thresholds]\nlatency = 'p(101) < 200'", "up to 100"),
        ("[thresholds]\nlatency = 'p(95) =< 200'", "unknown operator: '=<'"),
        ("[thresholds]\nlatency = 'p(95) < nan'", "'nan' is no limit"),
        ("[thresholds]\nlatency = 'p(95) < fast'", "'fast' is no number"),
        ("[thresholds]\nlatency = 'p(95) 200'", "is no threshold"),
        ("[thresholds]\nlatency = 'p(95) < 5%'", "not in %"),
        ("[thresholds]\nsuccess = 'rate > 99'", "or write 99%"),
        ("[thresholds]\nlatency = [3]", "thresholds.latency[0] is a text"),
        ("[[target]]\nname='x'\nmetric='lost'\nthreshold='count == 0'\nunit='s'", "not in 's'"),
        (
            "[[target]]\nname='x'\nmetric='lost'\nthreshold='count == 0'\nscope='fault'",
            "did you mean 'faults'",
        ),
        ("[thresholds]\nlost = ['count == 0', 'count == 0']", "two targets"),
        ("", "no target"),
        ("= 3", "Invalid statement"),
    ],
)
def test_a_typo_is_one_line_that_names_it(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"version = 1\n{text}" if text != "= 3" else text)
    with pytest.raises(TargetError) as caught:
        read_targets(path, scopes=["faults", "sustained"])
    assert str(caught.value).startswith("mine.toml: ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_version_and_an_absent_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("version = 2\n[thresholds]\nlost = 'count == 0'")
    with pytest.raises(TargetError, match="version = 1 is expected, not 2"):
        read_targets(path)
    with pytest.raises(TargetError, match="cannot be read"):
        read_targets(tmp_path / "none.toml")


def test_k6_shorthand_asks_every_step_that_measures_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("version = 1\n[thresholds]\nlatency = ['p(95) < 200', 'max < 1_000']")
    found = read_targets(path)
    assert [each.threshold.limit for each in found] == [200, 1000]
    assert {(each.scope, each.set) for each in found} == {("", "own")}


def test_the_manual_has_a_row_for_each_metric_with_its_aggregates() -> None:
    text = (Path(__file__).parents[3] / "docs" / "readiness.md").read_text(encoding="utf-8")
    table = text[text.index("| metric |") :].split("\n\n")[0]
    rows = {
        name: row
        for row in table.splitlines()[2:]
        for name in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    assert rows.keys() == METRICS.keys()
    for name, metric in METRICS.items():
        for aggregate in AGGREGATES[metric.kind]:
            assert f"`{aggregate}" in rows[name] or "the same" in rows[name], (name, aggregate)
