"""The table of seconds per suite is whole, adds up, and is held against what asv recorded."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perflab import __main__ as command_line
from perflab.bench.budget import BUILD_S, SHORT_S, SUITES, WHOLE_S, BudgetJudgement, judge, report
from perflab.bench.command import SHORT
from perflab.results.asv_results import stored

ROOT = Path(__file__).parents[3]
SUITE_FILES = {path.stem for path in (ROOT / "benchmarks").glob("[!_]*.py")}
# What asv 0.6.6 left behind after a commit on a machine with five times the work that it has cores
# for: two suites, without the columns that nobody reads here.
RECORDED = Path(__file__).parents[1] / "recorded"
CROWDED = 5
BASELINE_S = f"{SUITES['baseline'].seconds:.0f}"

Change = Callable[[dict[str, Any], dict[str, Any]], None]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results folder with the recorded files in it, as if the machine had not been crowded."""

    def quicken(suite: dict[str, Any], commit: dict[str, Any]) -> None:
        duration = commit["result_columns"].index("duration")
        for cells in commit["results"].values():
            cells[duration] /= CROWDED
        commit["durations"] = {key: took / CROWDED for key, took in commit["durations"].items()}

    folder = tmp_path / "results"
    shutil.copytree(RECORDED, folder)
    judged(folder, quicken)
    return folder


def result_file(results: Path) -> Path:
    (path,) = results.glob("machine/*.json")
    return path


def judged(results: Path, change: Change | None = None) -> BudgetJudgement:
    """The judgement on the recorded files, after a change of the suite's or the commit's."""
    if change is not None:
        paths = results / "benchmarks.json", result_file(results)
        suite, commit = (json.loads(path.read_text()) for path in paths)
        change(suite, commit)
        for path, content in zip(paths, (suite, commit), strict=True):
            path.write_text(json.dumps(content))
    return judge(results, stored(result_file(results)))


def test_every_suite_has_its_row() -> None:
    assert SUITE_FILES
    assert not SUITE_FILES - SUITES.keys()


def test_the_rows_sum_within_the_budgets() -> None:
    assert all(budget.seconds > 0 for budget in SUITES.values())
    assert BUILD_S + sum(budget.seconds for budget in SUITES.values()) <= WHOLE_S == 540
    short = [budget.seconds for budget in SUITES.values() if budget.short]
    assert BUILD_S + sum(short) <= SHORT_S == 90


def test_the_short_selection_is_that_of_the_table() -> None:
    for suite, budget in SUITES.items():
        assert bool(re.match(SHORT, f"{suite}.Some.track_thing")) == budget.short
        assert not re.match(SHORT, f"{suite}s.Some.track_thing")


def test_the_documentation_repeats_the_table() -> None:
    text = (ROOT / "docs" / "suite.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (short|) *\|", text, re.MULTILINE)
    documented = {suite: (float(seconds), short == "short") for suite, seconds, short in rows}
    assert documented == {name: (row.seconds, row.short) for name, row in SUITES.items()}


def test_a_recorded_commit_is_added_up(results: Path) -> None:
    judgement = judged(results)
    assert judgement.over == judgement.unknown == ()
    commit = json.loads(result_file(results).read_text())
    duration = commit["result_columns"].index("duration")
    for suite in ("baseline", "memory"):
        own = [cells[duration] for name, cells in commit["results"].items() if suite in name]
        caches = [took for key, took in commit["durations"].items() if f" {suite}:" in key]
        assert own
        assert caches
        assert judgement.recorded_s[suite] == pytest.approx(sum(own) + sum(caches))


def test_a_commit_on_a_crowded_machine_is_over() -> None:
    judgement = judged(RECORDED)
    assert [sentence.split(" took")[0] for sentence in judgement.over] == ["baseline", "memory"]
    assert judgement.unknown == ()
    assert judgement.recorded_s == pytest.approx({"baseline": 18.7, "memory": 39.1}, abs=0.05)


def slow(seconds: float) -> Change:
    def change(suite: dict[str, Any], commit: dict[str, Any]) -> None:
        cells = commit["results"]["baseline.Cpu.track_cpu_seconds"]
        cells[commit["result_columns"].index("duration")] = seconds

    return change


def test_a_suite_beyond_its_row_is_over(results: Path) -> None:
    judgement = judged(results, slow(11))
    (sentence,) = judgement.over
    assert re.fullmatch(rf"baseline took \d+\.\d s, its budget is {BASELINE_S} s", sentence)


def test_the_sums_are_held_too(results: Path) -> None:
    over = judged(results, slow(WHOLE_S)).over
    assert [sentence.split(" took")[0] for sentence in over] == [
        "baseline",
        "the short selection",
        "the whole suite",
    ]


def test_a_build_beyond_its_row_is_over(results: Path) -> None:
    def change(suite: dict[str, Any], commit: dict[str, Any]) -> None:
        commit["durations"]["<build>"] = BUILD_S + 1

    assert judged(results, change).over == ("the build took 16.0 s, its budget is 15 s",)


def test_no_number_is_no_pass(results: Path) -> None:
    over = judged(results, slow(float("nan"))).over
    assert f"baseline took nan s, its budget is {BASELINE_S} s" in over


def drop_result(suite: dict[str, Any], commit: dict[str, Any]) -> None:
    del commit["results"]["baseline.Cpu.track_cpu_seconds"]


def fail_result(suite: dict[str, Any], commit: dict[str, Any]) -> None:
    commit["results"]["baseline.Cpu.track_cpu_seconds"][0] = None


def drop_preparation(suite: dict[str, Any], commit: dict[str, Any]) -> None:
    del commit["durations"][f"<setup_cache {cache_of(suite)}>"]


def cache_of(suite: dict[str, Any]) -> str:
    return str(suite["baseline.Cpu.track_cpu_seconds"]["setup_cache_key"])


@pytest.mark.parametrize("change", [drop_result, fail_result, drop_preparation])
def test_what_was_not_measured_whole_is_not_judged(results: Path, change: Change) -> None:
    judgement = judged(results, change)
    assert judgement.unknown == ("baseline was not measured whole",)
    assert "baseline" not in judgement.recorded_s
    assert report(results, lambda _: None) == 2


def test_a_suite_without_a_row_is_not_judged(results: Path) -> None:
    def change(suite: dict[str, Any], commit: dict[str, Any]) -> None:
        suite["novel.New.track_x"] = {"version": "1"}
        commit["results"]["novel.New.track_x"] = [[1.0], [], "1", 0, 2.0]

    assert judged(results, change).unknown == ("novel has no row in the table",)


def test_preparation_of_an_earlier_version_does_not_count(results: Path) -> None:
    before = judged(results).recorded_s

    def change(suite: dict[str, Any], commit: dict[str, Any]) -> None:
        commit["durations"]["<setup_cache baseline:9999>"] = 1000.0

    assert judged(results, change).recorded_s == before


def test_the_command_prints_the_newest_results(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command_line, "results_dir", lambda _: results)
    recorded = result_file(results)
    old = recorded.with_name("00000000-old.json")
    old.write_text("{}")
    os.utime(old, (1, 1))
    assert command_line.main(["budget"]) == 0
    output = capsys.readouterr().out
    assert f"commit {recorded.name[:8]} on machine" in output
    assert re.search(rf"^baseline +{BASELINE_S} +\d+\.\d  short$", output, re.MULTILINE)
    assert re.search(rf"^latency +{SUITES['latency'].seconds:g} +-  whole$", output, re.MULTILINE)
    old.unlink()
    judged(results, slow(11))
    assert command_line.main(["budget"]) == 1
    assert "OVER: baseline" in capsys.readouterr().out


def test_nothing_measured_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(tmp_path, print) == 2
    assert "make bench" in capsys.readouterr().out
