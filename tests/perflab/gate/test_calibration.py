"""Nothing of a calibration gets lost on the way into files."""

import json

from perflab.gate.calibration import (
    Calibration,
    Noise,
    Power,
    as_json,
    as_markdown,
    as_promised,
)
from perflab.stats.rates import Rate


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
