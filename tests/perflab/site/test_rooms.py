"""Pages of what other commands filed: each shows its data, or says what would fill it."""

import json
from dataclasses import asdict
from pathlib import Path

from perflab.gate.policy import load_policy
from perflab.mutate.record import MutantResult, MutationPlan
from perflab.results.history import History, Place, PublishedCommit, Series
from perflab.results.suite import Benchmark
from perflab.scaling.record import ScalingHead, ScalingRow, append_scaling
from perflab.site.checks import CalibrationSummary, PowerSummary, RateSummary
from perflab.site.filed_pages import calibration_chart, capacity_page, peers_page, sweeps_page
from perflab.site.growth_page import growth_page
from perflab.site.load_runs import LoadRuns
from perflab.site.model import SiteModel, build_model
from perflab.site.mutation_page import mutation_page
from perflab.site.readiness_runs import Runs
from perflab.site.readings import Readings


def model_of(values: dict[int, float]) -> SiteModel:
    """One benchmark of messages by nodes, at one commit."""
    benchmark = Benchmark(
        name="counts.Messages.track_messages", file="f.json", suite="counts", unit="messages",
        kind="exact", layout="C", catches="", cannot_see="", version="1",
        param_names=("operation", "nodes"), params=(("'store'",), ("8", "32")),
    )  # fmt: skip
    commit = PublishedCommit(hash="a" * 40, subject="One", author="Ann", date_ms=0, tags=[])
    place = Place(machine="lab", environment="e", params={}, commits=[0], measured_ms={0: 0})
    series = {
        (0, benchmark.name, case): Series(at=[0], values=[value], low=[None], high=[None])
        for case, value in values.items()
    }
    history = History(commits=[commit], places=[place], series=series)
    return build_model(
        project="p", generated_ms=0, history=history, suite=[benchmark], readings=Readings(),
        policy=load_policy(),
    )  # fmt: skip


def test_no_room_is_empty(tmp_path: Path) -> None:
    rooms = (
        sweeps_page(tmp_path),
        capacity_page(Runs(), LoadRuns()),
        growth_page(model_of({}), tmp_path),
        peers_page(tmp_path),
        mutation_page(tmp_path),
    )
    for room in rooms:
        assert room.problems == []
        assert all(each.empty and each.command and each.fills for each in room.sections)


def test_figures_are_drawn_by_the_number_of_nodes(tmp_path: Path) -> None:
    (suite, _) = growth_page(model_of({0: 6.0, 1: 7.0}), tmp_path).sections
    (chart,) = suite.charts
    (line,) = chart.lines
    assert (line.label, line.x, line.y) == ("store", [8.0, 32.0], [6.0, 7.0])


def test_a_record_of_scaling_is_tables_and_charts(tmp_path: Path) -> None:
    file = tmp_path / "scaling" / "scaling.jsonl"
    append_scaling(file, ScalingHead(commit="b" * 40, began="2026-11-29T10:00", limits={}))
    for nodes, seed, value in ((8, 1, 10.0), (8, 2, 30.0), (64, 1, 40.0)):
        figures = {"join_messages": value, "store_s_p50": value / 1000, "lost_ppm": 0.0}
        append_scaling(file, ScalingRow(play="members", nodes=nodes, seed=seed, figures=figures))
    (_, members) = growth_page(model_of({}), tmp_path).sections
    assert members.table is not None
    assert members.table.head == ["nodes", "join messages", "store P50, ms"]
    assert members.table.rows == [["8", "20", "20"], ["64", "40", "40"]]
    assert [chart.title for chart in members.charts] == ["Join messages", "Store P50, ms"]
    assert members.charts[0].lines[0].y == [20.0, 40.0]
    assert members.lines == ["0 at every size: lost ppm."]
    other = tmp_path / "scaling" / "abc" / "scaling.jsonl"  # the same, as a history has it
    other.parent.mkdir()
    other.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1]))
    assert len(growth_page(model_of({}), tmp_path).sections) == 2
    other.unlink()
    file.write_text("{}\n")
    assert growth_page(model_of({}), tmp_path).problems[0].startswith("scaling/scaling.jsonl: ")


def test_a_comparison_with_other_stores_is_told_side_by_side(tmp_path: Path) -> None:
    def measured(subject: str, what: str, unit: str, values: list[float]) -> dict[str, object]:
        return {"name": f"store: {what}", "subject": subject, "layout": "A", "unit": unit,
                "values": values, "parameters": {"in_flight": 16}}  # fmt: skip

    folder = tmp_path / "peer-runs" / "lab"
    folder.mkdir(parents=True)
    content = {
        "began": "2026-11-29T10:00:00+00:00",
        "commit": "c" * 40,
        "machine": {"processor": "a made-up one", "cores": 2},
        "measurements": [
            measured("p2pcore", "rate", "1/s", [900.0, 1000.0, 2000.0]),
            measured("p2pcore", "p99", "s", [0.002]),
            measured("ceiling", "rate", "1/s", [3000.0]),
        ],
    }
    (folder / "one.json").write_text(json.dumps(content))
    (folder / "torn.json").write_text("{")
    room = peers_page(tmp_path)
    (section,) = room.sections
    assert section.table is not None
    rows = {row[3]: row[4:] for row in section.table.rows}
    assert rows == {"p2pcore": ["1,000 /s", "–", "2 ms"], "ceiling": ["3,000 /s", "–", "–"]}
    assert sorted(zip(section.charts[0].bars, section.charts[0].lines[0].y, strict=True)) == [
        ("ceiling", 3000.0),
        ("p2pcore", 1000.0),
    ]
    assert "peer-runs/lab/torn.json" in room.problems[0]


def test_a_sweep_says_how_many_seeds_are_broken(tmp_path: Path) -> None:
    folder = tmp_path / "sweep" / "sim-1"
    folder.mkdir(parents=True)
    plan = {"kind": "sim", "settings": {"scenario": "churn"}, "package": "ab" * 32}
    (folder / "manifest.json").write_text(json.dumps(plan | {"first": 1, "seeds": 3}))
    lines = [{"seed": 1, "broken": "", "figures": {"reads": 5}},
             {"seed": 2, "broken": "a record is lost", "figures": {"reads": 6}}]  # fmt: skip
    (folder / "results.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    (asked, broken) = sweeps_page(tmp_path).sections
    assert asked.table is not None
    assert asked.table.rows == [
        ["–", "sim (scenario churn)", "2 of 3", "1", "reads 11", "code abababab"]
    ]
    assert broken.lines == ["sim, seed 2: a record is lost"]


def test_a_sweep_is_drawn_by_how_many_seeds_have_how_much(tmp_path: Path) -> None:
    folder = tmp_path / "sweep" / "sim-1"
    folder.mkdir(parents=True)
    plan = {"kind": "sim", "settings": {}, "package": "ab" * 32, "commit": "e" * 40,
            "began": "2026-11-29T10:00:00+00:00"}  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(plan | {"first": 1, "seeds": 30}))
    lines = [
        {"seed": n, "broken": "", "figures": {"reads": n % 24, "share": n / 100, "same": 3}}
        for n in range(1, 31)
    ]
    (folder / "results.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    asked, drawn = sweeps_page(tmp_path).sections
    assert asked.table is not None
    assert (asked.table.rows[0][0], asked.table.rows[0][-1]) == ("2026-11-29 10:00", "eeeeeeee")
    reads, share = drawn.charts
    assert (reads.bars[0], reads.bars[-1]) == ("0 to 1", "22 to 23")
    assert reads.lines[0].y[:2] == [3.0, 4.0]  # seeds 24, 1 and 25; 2, 3, 26 and 27
    assert sum(each or 0 for each in share.lines[0].y) == 30
    assert share.bars[0].startswith("0.01 to ")


def test_a_slowdown_is_drawn_by_how_often_it_is_found() -> None:
    rates = [RateSummary(found=n, of=10, low=0, high=1) for n in (10, 2)]
    power = [
        PowerSummary(kind="paired", slowdown=slow, found=rate, undecided=rate, blamed_others=rate)
        for slow, rate in zip((0.1, 0.02), rates, strict=True)
    ]
    found = calibration_chart(
        CalibrationSummary(
            when="", commit="", subject="", about={}, minutes=1, gates=1, promised=0.01, alarms={},
            undecided={}, power=power,
        )
    )  # fmt: skip
    (line,) = found.lines
    assert (line.label, line.x, line.y) == ("paired", [2.0, 10.0], [20.0, 100.0])


def test_mutants_are_told_by_who_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "mutate" / "one"
    folder.mkdir(parents=True)
    plan = MutationPlan(commit="d" * 40 + "+", core="ab" * 32, seed=7, began="2026-11-29T10:00")
    (folder / "plan.json").write_text(json.dumps(asdict(plan)))

    def mutant(symbol: str, kind: str, guard: str, *by: str) -> str:
        found = MutantResult(
            file="session/link.py", symbol=symbol, kind=kind, operator="a check left out", line=9,
            said="x → False", guard=guard, by=list(by), reached=2 * bool(by),
        )  # fmt: skip
        return json.dumps(asdict(found)) + "\n"

    (folder / "results.jsonl").write_text(
        mutant("Link.hear", "weakening", "test", "tests/session/test_link.py::test_one[a]")
        + mutant("Link.tell", "weakening", "test", "tests/session/test_link.py::test_two")
        + mutant("Link.time", "weakening", "nobody")
        + mutant("Link.tell", "slowdown", "unreached")
    )
    noticed, whom, slow, weak, functions = mutation_page(tmp_path).sections
    assert noticed.about == (
        "Core of commit dddddddd, changed since, begun 2026-11-29 10:00, seed 7. 4 mutants were "
        "tried."
    )
    assert noticed.lines[-1].startswith("Of 3 weakenings in all 2 were noticed: 66.7 %")
    slowdowns, weakenings = noticed.charts
    assert weakenings.bars == ["session"]
    assert {line.label: line.y for line in weakenings.lines} == {"a test": [2.0], "nobody": [1.0]}
    assert [line.label for line in slowdowns.lines] == ["nobody executes it"]
    assert whom.charts[0].bars == ["tests/session/test_link.py"]
    assert slow.table is not None
    assert slow.table.rows[0][-1] == "nobody executes it"
    assert weak.title == "Weakenings that nobody noticed (1)"
    assert functions.table is not None
    assert ["session/link.py", "tests/session/test_link.py", "Link.hear, Link.tell"] in (
        functions.table.rows
    )
    (folder / "results.jsonl").write_text("{}\n")
    assert mutation_page(tmp_path).problems[0].startswith("mutate/one: results.jsonl: ")
