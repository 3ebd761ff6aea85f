"""Rates have the intervals of the textbook, and nothing gets lost on the way into files."""

import json
import math

import pytest

from perflab.gate.calibration import (
    Calibration,
    Noise,
    Power,
    Rate,
    as_json,
    as_markdown,
    as_promised,
)


@pytest.mark.parametrize(
    ("found", "of", "low", "high"),
    [
        # The ends have closed forms: 1 - 0.025^(1/n) and its like.
        (0, 30, 0.0, 1 - 0.025 ** (1 / 30)),
        (30, 30, 0.025 ** (1 / 30), 1.0),
        (0, 2000, 0.0, 1 - 0.025 ** (1 / 2000)),
        # Table of Clopper and Pearson's limits, as any textbook has it.
        (19, 20, 0.7513, 0.9987),
        (5, 10, 0.1871, 0.8129),
        (1, 20, 0.0013, 0.2487),
    ],
)
def test_intervals_are_clopper_and_pearsons(found: int, of: int, low: float, high: float) -> None:
    rate = Rate(found, of)
    assert rate.low == pytest.approx(low, abs=6e-5)
    assert rate.high == pytest.approx(high, abs=6e-5)


def test_a_rate_of_nothing_is_everything() -> None:
    rate = Rate(0, 0)
    assert math.isnan(rate.share)
    assert (rate.low, rate.high) == (0.0, 1.0)


def calibration(alarms: int) -> Calibration:
    rate = Rate(alarms, 2000)
    power = Power(
        kind="paired",
        slowdown=0.05,
        found=Rate(1990, 2000),
        undecided=Rate(10, 2000),
        blamed_others=Rate(0, 2000),
        by_benchmark={"cpu.clock": Rate(5, 10), "cpu.insert": Rate(10, 10)},
    )
    return Calibration(
        commit="c" * 40,
        subject="A commit",
        about={"cores": "2"},
        minutes=60.0,
        rounds=1400,
        seeds=64,
        apart=30.0,
        gates=2000,
        budget="10m",
        promised=0.01,
        alarms={"paired": rate, "whole": rate},
        undecided={"paired": Rate(90, 2000), "whole": Rate(100, 2000)},
        parts=[Rate(0, 0), Rate(alarms, 2000)],
        power=[power],
        noise=Noise(middle=0.004, ninth=0.02, spell=0.9),
        replay_s=100.0,
    )


def test_the_promise_is_broken_when_the_rate_is_surely_higher() -> None:
    assert as_promised(calibration(0))
    assert as_promised(calibration(28))  # 1.4 %, and 0.93 % is not refuted
    assert not as_promised(calibration(40))


def test_the_files_hold_every_rate_with_its_interval() -> None:
    found = calibration(4)
    content = json.loads(as_json(found))
    assert content["alarms"]["whole"] == {"found": 4, "of": 2000, "low": 0.000545, "high": 0.005113}
    assert content["power"][0]["by_benchmark"]["cpu.clock"]["found"] == 5
    assert content["parts"][0]["of"] == 0
    text = as_markdown(found)
    assert "| whole | 0.2 % (0.0545 % to 0.511 %) | 5 % (" in text
    assert "Found least often at 5 %, paired: `cpu.clock` 50 %" in text
