"""What rolls back, what promotes, what does neither, and what decides alone."""

import math
from dataclasses import replace
from typing import Any

import pytest

from perflab.canary.judge import FIGURES, LEAST_PAIRS, CanaryJudge
from perflab.canary.record import Ruling
from tests.perflab.canary.slots import pair


def ruled(pairs: int, **candidate: Any) -> Ruling:
    """The ruling on so many pairs whose candidate is so, or that at their end."""
    judge = CanaryJudge(FIGURES)
    for number in range(pairs):
        if ruling := judge.take(pair(number, **candidate)):
            return ruling
    return judge.end("time is over")


def test_equal_sides_are_promoted_and_not_before_guards_have_seen_something() -> None:
    ruling = ruled(300)
    assert (ruling.verdict, ruling.decided_by, ruling.pairs) == ("promote", "", LEAST_PAIRS)
    assert ruling.seconds == pytest.approx(LEAST_PAIRS / 5)


@pytest.mark.parametrize(
    ("name", "candidate"),
    [
        ("p50", {"p50_s": 0.0011}),
        ("p50", {"p50_s": None}),
        ("tail", {"beyond": 3}),
        ("cpu", {"cpu_s": 0.033}),
        ("client-cpu", {"client_cpu_s": 0.022}),
        ("errors", {"failed": 1}),
    ],
)
def test_each_figure_rolls_back_alone(name: str, candidate: dict[str, Any]) -> None:
    ruling = ruled(300, **candidate)
    assert (ruling.verdict, ruling.decided_by) == ("roll back", name)
    assert ruling.why.startswith(f"{name} +")


@pytest.mark.parametrize(
    "candidate", [{"cpu_s": 0.0309}, {"p50_s": 0.00097}, {"cpu_s": 0.015}, {"beyond": 0}]
)
def test_a_little_worse_or_much_better_is_promoted(candidate: dict[str, Any]) -> None:
    assert ruled(300, **candidate).verdict == "promote"


def test_what_is_not_clear_is_held_and_said_with_its_power() -> None:
    ruling = ruled(8)
    assert ruling.verdict == "hold"
    assert "time is over" in ruling.why
    assert "power 0% for +10.2 %" in ruling.why


@pytest.mark.parametrize("warm_up", [False, True])
def test_one_broken_record_rolls_back_at_once(warm_up: bool) -> None:
    judge = CanaryJudge(FIGURES)
    assert judge.take(pair(0, warm_up=warm_up)) is None
    ruling = judge.take(pair(1, warm_up=warm_up, broken=["record 7 is lost"]))
    assert ruling is not None
    assert (ruling.verdict, ruling.decided_by, ruling.pairs) == ("roll back", "records", 2)
    assert judge.take(pair(2)) is ruling


def test_a_baseline_that_breaks_its_promise_is_no_measure() -> None:
    judge, odd = CanaryJudge(FIGURES), pair(0, broken=["record 7 is stale"])
    swapped = replace(odd, baseline=odd.candidate, candidate=odd.baseline)
    ruling = judge.take(swapped)
    assert ruling is not None
    assert ruling.verdict == "hold"
    assert "baseline" in ruling.why


def test_a_baseline_that_does_not_serve_promotes_nobody() -> None:
    judge = CanaryJudge(FIGURES)
    for number in range(200):
        odd = pair(number, failed=2)
        assert judge.take(replace(odd, baseline=replace(odd.baseline, failed=2))) is None
    ruling = judge.end("time is over")
    assert ruling.verdict == "hold"
    assert "400 of the baseline's own 20,000 operations failed" in ruling.why


def test_errors_count_in_the_warm_up_and_times_do_not() -> None:
    judge = CanaryJudge(FIGURES)
    for number in range(60):
        assert judge.take(pair(number, warm_up=True, cpu_s=0.09)) is None
    standings = {each.name: each.pairs for each in judge.standings()}
    assert standings == {"p50": 0, "tail": 0, "cpu": 0, "client-cpu": 0, "errors": 60}


def test_a_candidate_that_answers_nothing_is_rolled_back_within_seconds() -> None:
    ruling = ruled(300, failed=100, p50_s=None, beyond=100)
    assert ruling.verdict == "roll back"
    assert ruling.pairs <= 20


def test_what_cannot_be_seen_never_promotes() -> None:
    assert ruled(300, cpu_s=None).verdict == "hold"
    judge = CanaryJudge(["p50", "errors"])
    for number in range(LEAST_PAIRS):
        ruling = judge.take(pair(number, cpu_s=None))
    assert ruling is not None
    assert ruling.verdict == "promote"


def test_a_candidate_that_is_gone_is_rolled_back() -> None:
    judge = CanaryJudge(FIGURES)
    judge.take(pair(0))
    ruling = judge.gone("its process ended with 3")
    assert (ruling.verdict, ruling.decided_by) == ("roll back", "gone")
    assert judge.end("time is over") is ruling


def test_standings_are_in_percent_and_points() -> None:
    judge = CanaryJudge(FIGURES)
    for number in range(80):
        judge.take(pair(number, cpu_s=0.0312, failed=0))
    found = {each.name: each for each in judge.standings()}
    assert found["cpu"].estimate == pytest.approx(4, abs=1e-3)
    assert (found["cpu"].margin, found["cpu"].target) == pytest.approx((5, 10.25))
    assert (found["errors"].margin, found["errors"].target) == pytest.approx((0.25, 0.5))
    assert found["errors"].power == 1.0
    assert found["cpu"].low is not None


def test_figures_that_there_are_not_are_refused() -> None:
    with pytest.raises(ValueError, match="p99"):
        CanaryJudge(["p99"])
    with pytest.raises(ValueError, match="nothing"):
        CanaryJudge([])


def test_margins_are_below_what_has_to_be_found() -> None:
    for figure in FIGURES.values():
        assert 0 <= figure.luck < figure.margin / 2 < figure.clip / 2
        assert math.isfinite(figure.shown(2 * figure.margin) or math.nan)
