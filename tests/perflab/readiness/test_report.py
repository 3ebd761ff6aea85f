"""A report says what the record says, and a damaged or doubtful record is never met."""

import json
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import msgspec
import pytest

from perflab.load.summary import read_load_step
from perflab.readiness.record import Durability, ReadinessRecordError, read_record
from perflab.readiness.report import _capacity, build, write_json
from perflab.readiness.targets import durability_of, read_targets
from perflab.report.finding import Curve
from perflab.report.form import SCHEMA, ReadinessReport, schema
from perflab.stats.usl import fit
from tests.perflab.recorded import CAUSES, RECORDED, change, copied, report_of, row_of, step_of

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture(scope="module")
def report() -> ReadinessReport:
    return report_of(RECORDED)


def test_every_target_has_its_figure(report: ReadinessReport) -> None:
    production = [row for row in report.targets if row.set == "production"]
    # The run is from before there were disks, and had no blackout.
    unmeasured = {row.scope for row in production if row.state == "unmeasured"}
    assert unmeasured == {"blackout"}
    assert row_of(report, "acknowledged records lost").value == 0
    assert row_of(report, "no leak").value == 0
    assert row_of(report, "success").value == 1
    assert row_of(report, "throughput").state == "not met"  # as it was, on a crowded machine
    assert report.verdict == "not met"
    assert "layout A" in row_of(report, "throughput").circumstances


def test_a_load_step_has_its_spectrum_and_curves(report: ReadinessReport) -> None:
    step = step_of(report, "sustained")
    assert step.samples == 1050  # 150 per second for 7 s
    assert [each.rank for each in step.spectrum] == [50, 75, 90, 95, 99, 99.9, 99.99]
    ms = [each.ms for each in step.spectrum if each.ms is not None]
    assert ms == sorted(ms)
    assert [each.beyond for each in step.spectrum] == [525, 262, 105, 52, 10, 1, 0]
    titles = [chart.title for chart in step.charts]
    assert "Throughput and errors over time" in titles
    assert "Resident memory by process" in titles
    throughput = step.charts[titles.index("Throughput and errors over time")]
    width = throughput.lines[0].x[1] - throughput.lines[0].x[0]
    assert sum(y or 0 for y in throughput.lines[0].y) * width == pytest.approx(1050, rel=0.01)


def test_faults_are_marked_on_every_curve_over_time() -> None:
    found = read_load_step(CAUSES / "lossy")
    over_time = [chart for chart in found.charts if chart.x_label == "s"]
    assert len(over_time) >= 4
    for chart in over_time:
        (mark,) = [mark for mark in chart.marks if "lossy" in mark.text]
        assert mark.end_s is not None
        assert 0 < mark.begin_s < mark.end_s < 14.5
    (recovery,) = [each for each in found.observations if each.metric == "recovery"]
    assert (list(recovery.values), recovery.missing) == ([], 1)  # nothing to compare it with
    (lost,) = [each for each in found.observations if each.metric == "lost"]
    assert list(lost.values) == [0]


def test_capacity_is_fitted_with_what_it_leaves_over(report: ReadinessReport) -> None:
    assert {law.what for law in report.capacity} == {
        "stores by operations in flight",
        "retrieves by operations in flight",
    }
    for law in report.capacity:
        assert len(law.residuals) == len(law.levels) == 9
        assert law.fits == (max(map(abs, law.residuals)) <= 0.15)
        assert law.fits or law.peak_n is None


def test_a_law_that_falls_has_no_peak_where_nothing_was_measured() -> None:
    rates = {float(nodes): [40_000 / nodes] * 3 for nodes in range(3, 9)}
    law = _capacity("scale", Curve(what="stores by nodes", unit="nodes", rates=rates), fit(rates))
    assert law.fits
    assert law.peak_n is not None
    assert law.peak_n < 3
    assert law.sentences == [
        "Stores by nodes: at most 13,333/s were measured, with 3 nodes.",
        "By the law it falls from 3 nodes on.",
    ]


def test_what_was_not_measured_is_told(report: ReadinessReport) -> None:
    assert any("Critical path" in line for line in report.not_measured)


def test_the_json_is_what_the_published_schema_says(
    report: ReadinessReport, tmp_path: Path
) -> None:
    assert json.loads((DOCS / SCHEMA).read_text()) == schema()
    write_json(report, tmp_path / "report.json")
    text = (tmp_path / "report.json").read_bytes()
    assert msgspec.json.decode(text, type=ReadinessReport) == report
    assert b"NaN" not in text


def test_a_run_that_was_killed_has_a_report(tmp_path: Path) -> None:
    directory = copied(tmp_path)
    outcomes = directory / "outcomes.jsonl"
    lines = outcomes.read_text().splitlines(keepends=True)
    outcomes.write_text("".join(lines[:3]) + lines[3][:20])  # the last line was being written
    report = report_of(directory)
    assert row_of(report, "acknowledged records lost").state == "unmeasured"
    assert "ended before" in row_of(report, "acknowledged records lost").reason
    assert row_of(report, "median latency").state == "met"


@pytest.mark.parametrize(
    ("file", "text", "target", "says"),
    [
        ("sustained/record/manifest.json", "{", "median latency", "cannot be read"),
        ("sustained/record/operations-0.bin", "nonsense", "success", "cannot be read"),
        ("saturation/run.json", "{}", "throughput", "cannot be read"),
        ("soak/monitor.jsonl", "", "no leak", "empty"),
        ("churn/record/outcome.json", '{"figures": {}}', "acknowledged records lost", "missing"),
    ],
)
def test_a_damaged_record_is_unmeasured(
    tmp_path: Path, file: str, text: str, target: str, says: str
) -> None:
    directory = copied(tmp_path)
    (directory / file).write_text(text)
    row = row_of(report_of(directory), target)
    assert row.state == "unmeasured"
    assert says in row.reason


def test_a_file_that_is_gone_is_unmeasured(tmp_path: Path) -> None:
    directory = copied(tmp_path)
    (directory / "saturation" / "run.json").unlink()
    assert row_of(report_of(directory), "throughput").state == "unmeasured"


def test_a_generator_that_was_the_bottleneck_decides_nothing(tmp_path: Path) -> None:
    directory = copied(tmp_path)

    def bound(result: dict[str, Any]) -> None:
        result |= {"generator_bound": True, "generator_reasons": ["it had no time left"]}

    change(directory / "sustained" / "record" / "result.json", bound)
    report = report_of(directory)
    for name in ("median latency", "success", "errors"):
        assert row_of(report, name).state == "unmeasured"
    assert "it had no time left" in row_of(report, "success").reason
    assert [each.cause for each in report.advice if each.rule == "generator"]
    assert not step_of(report, "sustained").figures


def test_a_loss_is_a_loss_in_a_run_that_measures_nothing_else(tmp_path: Path) -> None:
    directory = copied(tmp_path)

    def as_faults(manifest: dict[str, Any]) -> None:
        (step,) = [each for each in manifest["steps"] if each["name"] == "sustained"]
        step["tags"].append("faults")
        step["metrics"].append("lost")

    def bound(lost: int) -> None:
        change(
            directory / "sustained" / "record" / "result.json",
            lambda result: result.update(generator_bound=True, records_lost=lost),
        )

    change(directory / "manifest.json", as_faults)
    bound(0)
    assert row_of(report_of(directory), "acknowledged records lost").state == "unmeasured"
    bound(3)
    row = row_of(report_of(directory), "acknowledged records lost")
    assert (row.state, row.value) == ("not met", 3)
    assert row_of(report_of(directory), "success").state == "unmeasured"


@pytest.mark.parametrize(("code", "state"), [(1, "met"), (2, "unmeasured"), (None, "unmeasured")])
def test_how_a_step_ended_decides_whether_it_counts(
    tmp_path: Path, code: int | None, state: str
) -> None:
    directory = copied(tmp_path)
    path = directory / "outcomes.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        if line["step"] == "soak":
            line["exit_code"] = code
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert row_of(report_of(directory), "no leak").state == state


def test_lost_records_are_not_met_and_told(tmp_path: Path) -> None:
    directory = copied(tmp_path)

    def lose(outcome: dict[str, Any]) -> None:
        outcome["counts"]["findings"] = {"lost": 2}
        outcome["breaches"] = ["key 7: an acknowledged value was never read again"]
        outcome["kept"] = False

    change(directory / "churn" / "record" / "outcome.json", lose)
    report = report_of(directory)
    row = row_of(report, "acknowledged records lost")
    assert (row.state, row.value) == ("not met", 2)
    (advice,) = [each for each in report.advice if each.rule == "promise broken"]
    assert any("key 7" in line for line in advice.evidence)


@pytest.mark.parametrize(
    ("file", "how", "says"),
    [
        ("manifest.json", {"version": 2}, "version 2"),
        ("manifest.json", {"format": "x"}, "'x'"),
        ("manifest.json", {"seed": "one"}, r"\$.seed"),
    ],
)
def test_another_form_is_refused(tmp_path: Path, file: str, how: dict[str, Any], says: str) -> None:
    directory = copied(tmp_path)
    change(directory / file, lambda content: content.update(how))
    with pytest.raises(ReadinessRecordError, match=says):
        read_record(directory)


def test_an_outcome_of_a_strange_step_is_refused(tmp_path: Path) -> None:
    directory = copied(tmp_path)
    line = {"step": "other", "seconds": 1.0, "exit_code": 0, "message": ""}
    with (directory / "outcomes.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    with pytest.raises(ReadinessRecordError, match="'other' is no step"):
        read_record(directory)


def test_the_first_line_says_what_nodes_had_done(tmp_path: Path) -> None:
    """The recorded run had its records in memory."""
    report = report_of(RECORDED)
    assert report.durability == "memory"
    assert report.summary[0].startswith("NOT READY, records in memory: ")
    assert any(line.startswith("Disks: ") for line in report.not_measured)
    directory = copied(tmp_path)
    change(directory / "manifest.json", keep("synced"))
    report = report_of(directory)
    assert report.summary[0].startswith("NOT READY, records synced to disk: ")
    assert any(line.startswith("Power: ") for line in report.not_measured)


def keep(*durabilities: str) -> Callable[[dict[str, Any]], None]:
    """Of the steps, in turn."""

    def steps(manifest: dict[str, Any]) -> None:
        for step, durability in zip(manifest["steps"], cycle(durabilities), strict=False):
            step["durability"] = durability

    return steps


@pytest.mark.parametrize(
    ("measured", "wanted", "verdict"),
    [
        (["memory"], "memory", "met"),
        (["memory"], "buffered", "unmeasured"),
        (["memory"], "synced", "unmeasured"),
        (["synced"], "synced", "met"),
        (["synced"], "memory", "met"),
        (["buffered"], "synced", "unmeasured"),
        (["synced", "memory"], "synced", "unmeasured"),
    ],
)
def test_memory_alone_is_ready_only_where_it_is_meant(
    tmp_path: Path, measured: list[str], wanted: Durability, verdict: str
) -> None:
    directory = copied(tmp_path)
    change(directory / "manifest.json", keep(*measured))
    easy = tmp_path / "easy.toml"
    easy.write_text(f'version = 1\ndurability = "{wanted}"\n[thresholds]\nsuccess = "rate > 1%"\n')
    targets = read_targets(easy)
    report = build(read_record(directory), targets, ["own"], durability_of(easy))
    assert report.verdict == verdict
    assert {row.state for row in report.targets} == {"met"}
    told = [line for line in report.summary if line.startswith("The targets are for ")]
    assert len(told) == (verdict == "unmeasured")


def test_a_cut_of_the_power_is_told(tmp_path: Path) -> None:
    directory = copied(tmp_path)
    change(directory / "manifest.json", keep("synced"))

    def cut(outcome: dict[str, Any]) -> None:
        outcome["figures"]["writes_taken_back"] = 12

    change(directory / "churn" / "record" / "outcome.json", cut)
    report = report_of(directory)
    assert step_of(report, "churn").facts["power cut"] == "12 unsynced writes taken from disks"
    assert not any(line.startswith("Power: ") for line in report.not_measured)
