"""The rules are those of the targets, and promtool finds that they fire when they should."""

import argparse
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from perflab.production.command import RULES, TESTS, add_rules_arguments, rules_main
from perflab.production.objectives import plan_of
from perflab.production.rules import RuleSet, duration
from perflab.readiness.targets import read_targets
from perflab.stats.thresholds import TargetError


def write(folder: Path, *more: str) -> int:
    parser = argparse.ArgumentParser()
    add_rules_arguments(parser)
    return rules_main(parser.parse_args([*more, "--output", str(folder)]))


def alerts(rules: dict[str, Any]) -> list[dict[str, Any]]:
    return [rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule]


def promtool_tests(promtool: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [promtool, "test", "rules", TESTS]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("scale", ["1", "60"])
def test_promtool_finds_the_rules_right_and_sees_them_fire(
    promtool: str, tmp_path: Path, scale: str
) -> None:
    assert write(tmp_path, "--scale", scale) == 0
    checked = subprocess.run(
        [promtool, "check", "rules", RULES], cwd=tmp_path, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stderr
    tested = promtool_tests(promtool, tmp_path)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_promtool_finds_a_factor_that_is_wrong(promtool: str, tmp_path: Path) -> None:
    write(tmp_path)
    file = tmp_path / RULES
    written = file.read_text(encoding="utf-8")
    assert "> 0.144" in written
    file.write_text(written.replace("> 0.144", "> 0.154"), encoding="utf-8")
    tested = promtool_tests(promtool, tmp_path)
    assert tested.returncode == 1
    assert "14.69 x the budget" in tested.stdout + tested.stderr


def test_windows_and_factors_are_those_of_the_workbook() -> None:
    plan = plan_of(each for each in read_targets() if each.set == "production")
    burns = [each for each in alerts(RuleSet(plan=plan).rules()) if "Failed" in each["alert"]]
    found = [(each["labels"]["severity"], each["labels"]["window"]) for each in burns]
    assert found == [("page", "1h"), ("page", "6h"), ("ticket", "1d"), ("ticket", "3d")]
    for each, short, limit in zip(
        burns, ("5m", "30m", "2h", "6h"), (0.144, 0.06, 0.03, 0.01), strict=True
    ):
        assert f"rate{short}" in each["expr"]
        assert each["expr"].count(f"> {limit:g} ") == 2


def test_each_target_is_held_or_left_out_with_a_reason() -> None:
    targets = read_targets()
    plan = plan_of(targets)
    told = {each.target for each in plan.objectives} | {name for name, _ in plan.left_out}
    # Errors and success are one figure with one budget; recovery says how long a node may be away.
    assert {each.name for each in targets} - told == {"errors", "recovery"}
    assert all(reason for _, reason in plan.left_out)
    assert plan.recovery_s == 30


def test_a_burn_that_cannot_be_is_no_alert() -> None:
    plan = plan_of(each for each in read_targets() if each.name == "median latency")
    assert [each.factor for each in plan.objectives[0].windows()] == [1]


def test_targets_without_a_share_are_refused() -> None:
    with pytest.raises(TargetError, match="none of the targets"):
        plan_of(each for each in read_targets() if each.metric == "leaks")


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--scale", "61", "--scale is 1 to 60, not 61"),
        ("--scale", "nan", "--scale is 1 to 60, not nan"),
        ("--least-rate", "0", "--least-rate is above 0, not 0"),
        ("--job", 'a"b', "--job is letters"),
        ("--hold", "all", "--hold all: there are the sets goals, production"),
    ],
)
def test_bad_options_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str, words: str
) -> None:
    assert write(tmp_path / "out", option, value) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_is_written_can_be_read_again(tmp_path: Path) -> None:
    write(tmp_path, "--hold", "goals", "--job", "other")
    rules = yaml.safe_load((tmp_path / RULES).read_text(encoding="utf-8"))
    assert all('job="other"' in each["expr"] for each in alerts(rules))


@pytest.mark.parametrize(
    ("seconds", "text"), [(259_200, "3d"), (5400, "90m"), (300, "5m"), (2.5, "2500ms"), (5, "5s")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
