"""Simulated runs: equal seeds make equal pairs, and the judge meets its promises on a few of them.
The 200 of each kind are for `python -m perflab canary --calibrate`."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import pytest

from perflab.canary import calibrate
from perflab.canary.calibrate import TEMPERS, CalibratedRow, calibrated, wrong
from perflab.canary.noise import EFFECTS, CanaryEffect, MachineTemper, simulated_pairs
from perflab.canary.plan import CanaryPlan

PLAN = CanaryPlan()
SEEDS = range(900, 906)
SPELL_S = 0.0018  # a median that only a spell makes


def row(effect: CanaryEffect, machine: str = "usual") -> CalibratedRow:
    return calibrated(machine, TEMPERS[machine], effect, SEEDS, PLAN, lambda text: None)


def named(part: str) -> CanaryEffect:
    return next(each for each in EFFECTS if part in each.name)


def test_equal_seeds_make_equal_pairs() -> None:
    runs = [list(simulated_pairs(MachineTemper(), EFFECTS[0], seed, 5, 1)) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]
    assert [pair.warm_up for pair in runs[0]] == [True] * 4 + [False] * 16
    assert {pair.first for pair in runs[0]} == {"baseline", "candidate"}


def test_spells_come_and_go_and_both_sides_meet_them() -> None:
    pairs = list(simulated_pairs(MachineTemper(), EFFECTS[0], 7, 300, 0))
    p50 = [(pair.baseline.p50_s or 9.0, pair.candidate.p50_s or 9.0) for pair in pairs]
    either = sum(max(each) > SPELL_S for each in p50)
    assert 0.05 < either / len(p50) < 0.8
    assert sum(min(each) > SPELL_S for each in p50) > 0.6 * either


@pytest.mark.parametrize("machine", TEMPERS)
def test_equal_candidates_are_not_rolled_back(machine: str) -> None:
    found = row(EFFECTS[0], machine)
    assert (found.wanted, found.rolled_back, found.runs) == ("promote", 0, len(SEEDS))
    assert wrong([found]) == []


@pytest.mark.parametrize(
    ("effect", "figure"),
    [("processor time of nodes", "cpu"), ("errors", "errors"), ("write lost", "records")],
)
def test_what_is_worse_is_rolled_back_for_the_right_reason(effect: str, figure: str) -> None:
    found = row(named(effect))
    assert found.right.share == 1.0
    assert found.decided_by == {figure: len(SEEDS)}
    assert found.slow_seconds is not None
    assert found.slow_seconds < 30


def test_promises_that_are_not_kept_are_told() -> None:
    alarm = replace(row(EFFECTS[0]), rolled_back=1, promoted=5)
    assert "usual: equal candidates rolled back" in wrong([alarm])[0]
    missed = replace(alarm, effect=EFFECTS[1].name, wanted="roll back", rolled_back=5, promoted=1)
    assert "rolled back in 83.3 %" in wrong([missed])[0]


def test_files_and_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = argparse.Namespace(
        runs=1,
        first_seed=900,
        seconds=20.0,
        warm_up_s=2.0,
        out=tmp_path / "calibration",
        kind="processor",
    )
    code = calibrate.main(options, tmp_path)
    text = (tmp_path / "calibration" / "calibration.md").read_text()
    content = json.loads((tmp_path / "calibration" / "calibration.json").read_text())
    assert code == (1 if "Not as promised" in text else 0)
    assert content["first_seed"] == 900
    assert [row["machine"] for row in content["rows"]] == ["usual", "usual", "crowded", "crowded"]
    assert content["rows"][0]["effect"] == EFFECTS[1].name
    assert text in capsys.readouterr().out


@pytest.mark.parametrize("changed", [{"runs": 0}, {"first_seed": -1}, {"kind": "no such"}])
def test_bad_numbers_are_refused(
    changed: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    usual = {"runs": 1, "first_seed": 1, "seconds": 9.0, "warm_up_s": 1.0, "kind": "", "out": None}
    assert calibrate.main(argparse.Namespace(**usual | changed), tmp_path) == 2
    assert "error: --" in capsys.readouterr().err
