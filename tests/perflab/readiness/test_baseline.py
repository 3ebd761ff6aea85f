"""Runs are found again, compared within their noise, and named."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from perflab.readiness.baseline import (
    FiledError,
    baseline,
    compare,
    name_baseline,
    previous,
    read_report,
    reports,
)
from perflab.readiness.conclude import conclude
from perflab.readiness.report import write_json
from perflab.readiness.targets import read_targets
from perflab.readiness.trends import histories
from perflab.readiness.trends import report as tell_trends
from perflab.report.form import Figure, ReadinessReport
from tests.perflab.recorded import RECORDED, copied, report_of, row_of, step_of


@pytest.fixture(scope="module")
def report() -> ReadinessReport:
    return report_of(RECORDED)


def with_figure(report: ReadinessReport, figure: Figure) -> ReadinessReport:
    step = replace(step_of(report, "saturation"), figures={"it": figure})
    return replace(report, steps=[step])


def figure(value: float, noise: float | None = 0.05, better: str = "lower") -> Figure:
    return Figure(value=value, unit="ms", better=better, noise=noise)  # type: ignore[arg-type]


def file(
    report: ReadinessReport, machine: Path, name: str, began: str, commit: str = "c" * 40
) -> None:
    (machine / name).mkdir(parents=True)
    write_json(
        replace(report, run=name, began=began, commit=commit), machine / name / "report.json"
    )


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [
        (figure(100), figure(110), "within noise"),
        (figure(100), figure(130), "worse"),
        (figure(100), figure(70), "better"),
        (figure(100, better="higher"), figure(130, better="higher"), "better"),
        (figure(100, 0.0), figure(102, 0.0), "within noise"),  # less than is worth a word
        (figure(100, None), figure(500, None), "unknown"),
        (figure(0), figure(5), "unknown"),
        (figure(0, None), figure(0, None), "within noise"),
    ],
)
def test_a_change_is_held_against_the_noise(
    report: ReadinessReport, before: Figure, now: Figure, verdict: str
) -> None:
    found = compare(with_figure(report, now), with_figure(report, before), "it")
    (change,) = found.changes
    assert change.verdict == verdict


def test_what_differs_beside_the_figures_is_told(report: ReadinessReport) -> None:
    then = replace(report, machine=report.machine | {"name": "other"}, quick=not report.quick)
    then = replace(then, versions=then.versions | {"python": "3.0"})
    caveats = " ".join(compare(replace(report, steps=[]), then, "it").caveats)
    for word in ("another machine: other", "quick", "3.0 then", "not measured now"):
        assert word in caveats


def test_the_previous_run_is_the_newest_before_of_its_length(
    report: ReadinessReport, tmp_path: Path
) -> None:
    for name, began in (("a", "2026-01-01"), ("b", "2026-01-02"), ("d", "2026-01-04")):
        file(report, tmp_path, name, f"{began}T00:00:00+00:00")
    file(replace(report, quick=not report.quick), tmp_path, "c", "2026-01-03T00:00:00+00:00")
    now = replace(report, began="2026-01-03T12:00:00+00:00")
    before = previous(tmp_path, now)
    assert before is not None
    assert before.run == "b"
    assert previous(tmp_path / "none", now) is None
    assert [each.run for each in reports(tmp_path)] == ["a", "b", "c", "d"]


def test_a_baseline_is_a_name_for_a_run(report: ReadinessReport, tmp_path: Path) -> None:
    file(report, tmp_path, "a", report.began)
    name_baseline(tmp_path, "v1", "a")
    assert baseline(tmp_path, "v1").run == "a"
    with pytest.raises(FiledError, match=r"'v2' on .*; there are: v1"):
        baseline(tmp_path, "v2")
    (tmp_path / "baselines.json").write_text("[]")
    with pytest.raises(FiledError, match="a table of names"):
        baseline(tmp_path, "v1")


def cut_off(report: ReadinessReport) -> ReadinessReport:
    """The same, interrupted in its second step."""
    first, *others = report.steps
    return replace(report, steps=[first, *(replace(each, seconds=None) for each in others)])


def test_a_run_that_was_interrupted_is_neither_previous_nor_baseline(
    report: ReadinessReport, tmp_path: Path
) -> None:
    assert report.unfinished == ""
    file(report, tmp_path, "a", "2026-01-01T00:00:00+00:00")
    file(cut_off(report), tmp_path, "b", "2026-01-02T00:00:00+00:00")
    before = previous(tmp_path, replace(report, began="2026-01-03T00:00:00+00:00"))
    assert before is not None
    assert before.run == "a"
    with pytest.raises(
        FiledError, match=rf"b was interrupted after 1 of {len(report.steps)} steps"
    ):
        name_baseline(tmp_path, "v1", "b")
    assert not (tmp_path / "baselines.json").exists()
    caveats = compare(report, cut_off(report), "it").caveats
    assert any("was interrupted after 1 of" in each for each in caveats)


def test_a_run_that_ended_in_its_first_step_is_concluded_as_what_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = copied(tmp_path, "run")
    (run / "outcomes.jsonl").write_text("", encoding="utf-8")
    assert conclude(run, read_targets(), ["production"], call_it="v1") == 2
    told = capsys.readouterr()
    assert "Interrupted after 0 of" in told.out
    assert "it is no baseline 'v1'" in told.err
    assert read_report(run).verdict == "unmeasured"
    assert not (run.parent / "baselines.json").exists()


def test_what_a_run_did_not_come_to_is_not_met(tmp_path: Path) -> None:
    """Only targets of the steps that ended are asked for, and all of them are met."""
    run = copied(tmp_path, "run")
    file = run / "outcomes.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if json.loads(line)["step"] == "sustained"]
    file.write_text("".join(kept), encoding="utf-8")
    met = {row.name for row in report_of(run).targets if row.state == "met"}
    targets = [each for each in read_targets() if each.name in met]
    assert targets
    assert len(targets) == 5
    assert conclude(run, targets, ["production", "goals"]) == 2
    assert read_report(run).verdict == "unmeasured"


def test_a_report_of_the_version_before_is_read(report: ReadinessReport, tmp_path: Path) -> None:
    file(report, tmp_path, "old", "2026-01-01T00:00:00+00:00")
    path = tmp_path / "old" / "report.json"
    old = json.loads(path.read_text()) | {"version": 1}
    for step in old["steps"]:
        del step["critical_path"]
        for chart in step["charts"]:
            del chart["bars"]
    path.write_text(json.dumps(old))
    assert previous(tmp_path, report) is not None


def test_a_report_of_another_version_is_refused(report: ReadinessReport, tmp_path: Path) -> None:
    file(report, tmp_path, "a", report.began)
    path = tmp_path / "a" / "report.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 99}))
    with pytest.raises(FiledError, match="version 99"):
        read_report(tmp_path / "a")
    with pytest.raises(FiledError, match="cannot be read"):
        read_report(tmp_path / "b")


def test_a_run_is_concluded_with_all_forms_and_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = copied(tmp_path, "first"), copied(tmp_path, "second")
    path = second / "manifest.json"
    path.write_text(path.read_text().replace('"began": "2026', '"began": "2027'))
    targets = read_targets()
    assert conclude(first, targets, ["production"], call_it="base") == 1
    assert conclude(second, targets, ["production"], beside="base") == 1
    assert "NOT READY" in capsys.readouterr().out
    assert {path.name for path in second.glob("report.*")} == {
        "report.json",
        "report.md",
        "report.html",
    }
    found = read_report(second)
    assert [each.with_ for each in found.comparisons] == ["the previous run", "the baseline 'base'"]
    assert {each.verdict for each in found.comparisons[0].changes} == {"within noise"}
    assert conclude(second, targets, ["production"], beside="none") == 2


def test_exit_codes_tell_the_three_verdicts_apart(tmp_path: Path) -> None:
    directory = copied(tmp_path)
    targets = [each for each in read_targets() if each.metric in ("success", "leaks")]
    assert conclude(directory, targets, ["production"], wanted="memory") == 0
    assert conclude(directory, targets, ["production"]) == 2  # the run was in memory
    (directory / "soak" / "monitor.jsonl").unlink()
    assert conclude(directory, targets, ["production"], wanted="memory") == 2
    assert conclude(directory, read_targets(), ["production"]) == 1  # throughput was missed


def test_histories_hold_targets_and_figures(report: ReadinessReport, tmp_path: Path) -> None:
    for day in range(1, 10):
        file(report, tmp_path, f"run {day}", f"2026-01-0{day}T00:00:00+00:00", f"{day}" * 40)
    found = {each.name: each for each in histories(list(reports(tmp_path)))}
    throughput = found["production: throughput"]
    assert (throughput.limit, throughput.better) == (10000, "higher")
    assert throughput.values == [row_of(report, "throughput").value] * 9
    said: list[str] = []
    assert tell_trends(tmp_path, quick=report.quick, only="throughput", write=said.append) == 0
    assert "9 runs" in said[0]
    assert any("no trend" in line for line in said)
    assert tell_trends(tmp_path, quick=not report.quick, only="", write=said.append) == 2
    assert tell_trends(tmp_path, quick=report.quick, only="nonsense", write=said.append) == 2
