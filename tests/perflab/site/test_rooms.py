"""Pages of what other commands filed: each shows its data, or says what would fill it."""

import json
from dataclasses import asdict
from pathlib import Path

from perflab.gate.policy import load_policy
from perflab.mutate.record import MutantResult, MutationPlan
from perflab.results.history import History, Place, PublishedCommit, Series
from perflab.results.suite import Benchmark
from perflab.scaling.record import ScalingHead, ScalingRow, append_scaling
from perflab.site.filed_pages import capacity_page, peers_page, sweeps_page
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
        figures = {"join_messages": value}
        append_scaling(file, ScalingRow(play="members", nodes=nodes, seed=seed, figures=figures))
    (_, members) = growth_page(model_of({}), tmp_path).sections
    assert members.table is not None
    assert members.table.rows == [["8", "20"], ["64", "40"]]
    assert members.charts[0].lines[0].y == [20.0, 40.0]
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
    assert asked.table.rows == [["sim (scenario churn)", "2 of 3", "1", "reads 11", "abababab"]]
    assert broken.lines == ["sim, seed 2: a record is lost"]


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
