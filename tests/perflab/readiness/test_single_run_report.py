"""The report of a single run is its record's, and is made again when that has changed."""

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from perflab.__main__ import main
from perflab.readiness.single_run_report import PAGE, REPORT, build_run, filed_run, is_run
from perflab.report.form import RUN_VERSION
from perflab.report.render import run_html
from tests.perflab.recorded import CAUSES, RECORDED, change


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CAUSES / "slow", tmp_path / "run"))


def test_a_report_is_made_once_and_again_when_its_record_changed(run: Path) -> None:
    first, page = filed_run(run)
    assert (first.scenario, first.run, first.kind) == ("slow", "run", "load")
    assert first.steps[0].critical_path is not None
    change(run / REPORT, lambda report: report.update(said="read from here"))
    later_ns = (run / PAGE).stat().st_mtime_ns + 1_000_000_000
    for name in (REPORT, PAGE):
        os.utime(run / name, ns=(later_ns, later_ns))
    there, drawn = filed_run(run)
    assert there.said == "read from here"
    assert (there.scenario, drawn) == (first.scenario, run_html(there))
    change(run / "result.json", lambda content: content.update(records_lost=3))
    os.utime(run / "result.json", ns=(later_ns + 1, later_ns + 1))
    again, new = filed_run(run)
    assert "3 acknowledged records lost" in again.said
    assert "3 acknowledged records lost" in new
    assert page != new


def test_a_report_without_its_record_is_all_there_is(run: Path) -> None:
    report, page = filed_run(run)
    for path in run.iterdir():
        if path.name != REPORT:
            path.unlink()
    assert filed_run(run) == (report, page)
    assert [path.name for path in run.iterdir()] == [REPORT]
    change(run / REPORT, lambda content: content.update(version=99))
    with pytest.raises(ValueError, match=f"version 99; only .* version {RUN_VERSION} is"):
        filed_run(run)


def test_a_report_of_an_older_form_is_made_again(run: Path) -> None:
    (run / PAGE).write_text("an older page")
    older = asdict(build_run(run)) | {"version": 0}
    (run / REPORT).write_text(json.dumps(older))
    report, page = filed_run(run)
    assert report.version == RUN_VERSION
    assert page != "an older page"


def test_no_verdict_rests_on_a_run_that_was_killed_or_that_its_generator_held_back(
    run: Path,
) -> None:
    change(
        run / "result.json",
        lambda content: content.update(
            faults=[], generator_bound=True, generator_reasons=["it came late"]
        ),
    )
    bound = build_run(run)
    assert (bound.state, bound.said) == (
        "unmeasured",
        "its generator was the bottleneck: it came late",
    )
    (run / "result.json").unlink()
    killed = build_run(run)
    assert (killed.state, killed.said) == ("unmeasured", "it was killed before its end")
    assert killed.steps[0].seconds is not None


def test_a_chaos_run_has_its_promise_and_its_figures() -> None:
    report = build_run(RECORDED / "churn" / "record")
    assert (report.kind, report.state, report.said) == ("chaos", "met", "kept")
    facts = report.steps[0].facts
    assert facts["promise"] == "kept"
    outcome = json.loads((RECORDED / "churn" / "record" / "outcome.json").read_text())
    assert facts["writes acknowledged"] == f"{outcome['figures']['writes_acknowledged']:,}"
    assert facts["store p50"] == f"{outcome['figures']['store_p50_ms']} ms"


def test_a_goal_that_was_missed_is_no_broken_promise(tmp_path: Path) -> None:
    directory = tmp_path / "churn"
    shutil.copytree(RECORDED / "churn" / "record", directory)
    missed = "p99_times is 1.35, the goal is 1.2"
    change(directory / "outcome.json", lambda outcome: outcome.update(missed=[missed]))
    report = build_run(directory)
    assert (report.state, report.said) == ("not met", "kept; goals missed: 1")
    assert report.steps[0].facts["promise"] == "kept"
    assert f"goal missed: {missed}" in report.steps[0].events
    assert "promise broken" not in [each.rule for each in report.advice]


def test_the_command_makes_the_report_of_one_run(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert is_run(run)
    assert not is_run(RECORDED)  # of readiness
    assert main(["report", str(run)]) == 1
    said = capsys.readouterr().out
    assert "service did not come back" in said
    assert str(run / PAGE) in said
    (run / "manifest.json").write_text('{"scenario": {}}')
    assert main(["report", str(run)]) == 2
    assert "manifest.json" in capsys.readouterr().err
