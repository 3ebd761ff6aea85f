"""What a gate says of the time that is left, on a clock that the test moves."""

import pytest

from perflab.gate.clock import USUAL_S, BudgetClock


class Time:
    """A clock that stands still."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def time() -> Time:
    return Time()


def begun(time: Time, pace: float, budget_s: float = 3600) -> BudgetClock:
    """Operations are counted, so many times as slowly as usual; instructions begin."""
    clock = BudgetClock(budget_s, time)
    clock.expect([("operations", 1.0), ("instructions", 1.0), ("rounds", 0.5)])
    clock.begin("operations")
    time.now_s += pace * USUAL_S["operations"]
    clock.begin("instructions")
    return clock


@pytest.mark.parametrize("pace", [0.5, 1.0, 3.0])
def test_what_is_left_follows_what_was_measured(time: Time, pace: float) -> None:
    clock = begun(time, pace)
    left_s = pace * (USUAL_S["instructions"] + USUAL_S["rounds"] / 2)
    assert clock.to_go_s() == pytest.approx(left_s)
    time.now_s += 10
    assert clock.to_go_s() == pytest.approx(left_s - 10)


def test_a_slower_stage_corrects_the_guess(time: Time) -> None:
    clock = begun(time, 1.0)
    time.now_s += 3 * USUAL_S["instructions"]
    clock.begin("rounds")
    took_s = USUAL_S["operations"] + 3 * USUAL_S["instructions"]
    pace = took_s / (USUAL_S["operations"] + USUAL_S["instructions"])
    assert clock.to_go_s() == pytest.approx(pace * USUAL_S["rounds"] / 2)


def test_it_never_says_more_than_the_budget_leaves(time: Time) -> None:
    clock = begun(time, 3.0, budget_s=200)
    assert clock.to_go_s() == pytest.approx(200 - 3 * USUAL_S["operations"])
    assert clock.left()()
    assert not clock.left(0.1)()


def test_before_anything_was_measured_nothing_is_said(time: Time) -> None:
    clock = BudgetClock(600, time)
    clock.expect([("operations", 1.0)])
    clock.begin("operations")
    assert clock.to_go_s() is None
    assert clock.told() == "0:00 of 10:00 at most"


def test_a_last_stage_that_takes_longer_is_not_about_to_end(time: Time) -> None:
    clock = begun(time, 1.0)
    clock.begin("rounds")
    time.now_s += 2 * USUAL_S["rounds"]
    assert clock.to_go_s() is None


def test_it_tells_minutes(time: Time) -> None:
    clock = begun(time, 1.0, budget_s=600)
    expected_s = round(USUAL_S["instructions"] + USUAL_S["rounds"] / 2)
    elapsed_s = round(USUAL_S["operations"])
    told = f"{elapsed_s // 60}:{elapsed_s % 60:02d} of 10:00 at most, about "
    assert clock.told() == f"{told}{expected_s // 60}:{expected_s % 60:02d} to go"
