"""The site's own pages: what they say follows from the results, whatever state these are in."""

import csv
import datetime
import gzip
import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from perflab.gate.judge import judge
from perflab.gate.policy import load_policy
from perflab.gate.record import Measured
from perflab.gate.report import as_json
from perflab.results.history import Series
from perflab.results.suite import read_suite
from perflab.site.changes import changes_of
from perflab.site.readings import FigureReading, load_readings
from tests.perflab.recorded import copied, report_of
from tests.perflab.site.test_offline import publish
from tests.perflab.synthetic import Step, make_project, write_result

COMMITS = 40
ATOM = "{http://www.w3.org/2005/Atom}"
TODAY = datetime.date(2026, 11, 23)
WORSE = Step(benchmark=4, commit=30, factor=1.08)  # exact
SLOWER = Step(benchmark=1, commit=20, factor=1.2)  # paired, with parameters


def rebuilt(project: Path) -> Path:
    done = publish(project)
    assert done.returncode == 0, done.stdout + done.stderr
    return project / ".asv" / "html"


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("front")
    return folder, make_project(folder, commits=COMMITS, steps=(WORSE, SLOWER))


@pytest.fixture(scope="module")
def hashes(project: tuple[Path, list[str]]) -> list[str]:
    return project[1]


@pytest.fixture(scope="module")
def site(project: tuple[Path, list[str]]) -> Path:
    return rebuilt(project[0])


def test_the_overview_is_the_landing_page_and_asvs_own_pages_stay(site: Path) -> None:
    index, grid = (site / name for name in ("index.html", "grid.html"))
    assert "What changed" in index.read_text()
    assert 'href="grid.html"' in index.read_text()
    assert "summarygrid.js" in grid.read_text()
    assert '<a href="index.html">Overview</a>' in grid.read_text()
    assert list(read(site / "index.json")["benchmarks"])


def test_an_injected_change_is_found_at_its_commit_with_its_size(
    site: Path, hashes: list[str]
) -> None:
    index = (site / "index.html").read_text()
    assert "+8.0 % worse" in index
    assert "100 messages → 108 messages" in index
    found = read(site / "data" / "commits" / f"{hashes[30]}.json")["changes"]
    assert [(each["benchmark"], each["certainty"]) for each in found] == [
        ("suite0.Question4.track_it", "certain")
    ]
    steps = read(site / "data" / "commits" / f"{hashes[20]}.json")["changes"]
    assert {(each["benchmark"], each["certainty"]) for each in steps} == {
        ("suite0.Question1.track_it", "confirmed")
    }
    assert [each["case"] for each in sorted(steps, key=lambda each: each["case"])] == [0, 1, 2, 3]
    for each in steps:
        assert each["low"] < 1.2 < each["high"]
    quiet = [n for n in range(COMMITS) if n not in (20, 30)]
    for number in quiet:
        assert read(site / "data" / "commits" / f"{hashes[number]}.json")["changes"] == []


def test_the_data_are_those_of_the_results(site: Path, hashes: list[str]) -> None:
    results = site.parent / "results" / "lab"
    stored = read(results / f"{hashes[7][:8]}-virtualenv-py3.11.json")["results"]
    name = "suite0.Question3.track_it"
    series = read(site / "data" / "benchmarks" / f"{name}.json")["series"]
    listed = read(site / "data" / "site.json")
    columns = [listed["benchmarks"][number]["name"] for number, _ in listed["series"]]
    commit = read(site / "data" / "commits" / f"{hashes[7]}.json")["places"][0]
    for each in series:
        assert each["values"][7] == stored[name][0][each["case"]]
        assert each["low"][7] == stored[name][5][each["case"]]
        assert commit["values"][columns.index(name) + each["case"]] == each["values"][7]
    (about,) = [each for each in listed["benchmarks"] if each["name"] == name]
    assert about["kind"] == "observed"
    assert about["catches"] == "Catches: observed figures that grow."
    assert listed["commits"][7][:3] == [hashes[7], "Change <7> & more", "Ann"]


def test_the_feed_tells_of_the_commits_that_made_something_worse(
    site: Path, hashes: list[str]
) -> None:
    entries = ElementTree.parse(site / "regressions.atom").getroot().findall(f"{ATOM}entry")
    newest, older = entries
    assert "+8.0 % suite0.Question4.track_it" in (newest.findtext(f"{ATOM}title") or "")
    assert f"{hashes[30][:8]} Change <30> & more" in (newest.findtext(f"{ATOM}title") or "")
    assert "(certain)" in (newest.findtext(f"{ATOM}content") or "")
    link = newest.find(f"{ATOM}link")
    assert link is not None
    assert link.get("href") == f"commit.html?commit={hashes[30][:8]}"
    assert "and 3 more" in (older.findtext(f"{ATOM}title") or "")


def test_the_export_has_every_value(site: Path, hashes: list[str]) -> None:
    with gzip.open(site / "data" / "results.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == COMMITS * (3 + 3 * 4)
    found = [
        row
        for row in rows
        if row["commit"] == hashes[7]
        and row["benchmark"] == "suite0.Question3.track_it"
        and row["case"] == "retrieve, 64"
    ]
    series = read(site / "data" / "benchmarks" / "suite0.Question3.track_it.json")["series"]
    assert [float(row["value"]) for row in found] == [series[2]["values"][7]]
    assert found[0]["kind"] == "observed"


@pytest.mark.parametrize("commits", [0, 1])
def test_a_history_that_hardly_began_has_a_page(tmp_path: Path, commits: int) -> None:
    make_project(tmp_path, commits=1)
    if not commits:
        for path in (tmp_path / ".asv" / "results" / "lab").glob("*-*.json"):
            path.unlink()
    index = (rebuilt(tmp_path) / "index.html").read_text()
    assert ("No benchmark has a value yet" in index) == (commits == 0)
    assert "Readiness was not measured" in index


def test_broken_and_partial_results_cost_only_themselves(tmp_path: Path) -> None:
    hashes = make_project(tmp_path, commits=6)
    results = tmp_path / ".asv" / "results"
    paths = [results / "lab" / f"{each[:8]}-virtualenv-py3.11.json" for each in hashes]

    def change(number: int, how: Callable[[dict[str, Any]], None]) -> None:
        content = read(paths[number])
        how(content)
        write_result(results, content)

    def fail(content: dict[str, Any]) -> None:
        rows = content["results"]
        rows["suite0.Question0.track_it"][0] = None
        rows["suite0.Question1.track_it"][0][2] = float("nan")
        rows["suite0.Question2.track_it"][2] = "of an older suite"
        rows["suite0.Question3.track_it"] = rows["suite0.Question3.track_it"][:3]

    change(5, fail)
    paths[1].write_text("{ torn")
    change(2, lambda content: content.update(version=1))
    (results / "gone").mkdir()
    site = rebuilt(tmp_path)
    listed = read(site / "data" / "site.json")
    assert len(listed["problems"]) == 2
    assert any("asv update" in line for line in listed["problems"])
    index = (site / "index.html").read_text()
    assert "1 failed" in index
    assert "asv update" in index
    commit = read(site / "data" / "commits" / f"{hashes[5]}.json")["places"][0]
    columns = [listed["benchmarks"][number]["name"] for number, _ in listed["series"]]
    assert commit["failed"] == [columns.index("suite0.Question0.track_it")]
    assert commit["values"][columns.index("suite0.Question1.track_it") + 2] is None
    assert commit["values"][columns.index("suite0.Question2.track_it")] is None
    assert commit["values"][columns.index("suite0.Question3.track_it")] is not None


def test_a_readiness_run_heads_the_page_and_a_torn_one_is_told(tmp_path: Path) -> None:
    hashes = make_project(tmp_path, commits=2)
    runs = tmp_path / ".asv" / "readiness" / "lab"
    run = copied(runs, "run-1")
    report = report_of(run)
    import msgspec

    content = msgspec.to_builtins(report) | {"commit": hashes[0], "quick": False}
    (run / "report.json").write_bytes(msgspec.json.encode(content))
    (run / "report.html").write_text("<h1>the report</h1>")
    (runs / "run-2").mkdir()
    (runs / "run-2" / "report.json").write_text("{}")
    site = rebuilt(tmp_path)
    index = (site / "index.html").read_text()
    assert "NOT READY" in index
    assert "1 commit since" in index
    assert 'href="runs/lab/run-1/report.html"' in index
    assert (site / "runs" / "lab" / "run-1" / "report.html").is_file()
    assert "readiness run lab/run-2" in index
    assert f"not ready, {hashes[0][:8]}" in (site / "badge-readiness.svg").read_text()
    (entry,) = ElementTree.parse(site / "readiness.atom").getroot().findall(f"{ATOM}entry")
    assert "NOT READY" in (entry.findtext(f"{ATOM}title") or "")


def test_the_last_gate_is_told(tmp_path: Path) -> None:
    make_project(tmp_path, commits=1)
    runs = tmp_path / ".asv" / "gate" / "runs"
    for moment, code in (("20261122T080000Z", 0), ("20261123T170500Z", 1)):
        outcome = judge(Measured(commit="a" * 40), Measured(commit="b" * 40), load_policy(), TODAY)
        content = json.loads(as_json(outcome)) | {"exit_code": code, "verdict": "regression"}
        (runs / f"{moment}-aaaaaaaa-bbbbbbbb").mkdir(parents=True)
        (runs / f"{moment}-aaaaaaaa-bbbbbbbb" / "verdict.json").write_text(json.dumps(content))
    site = rebuilt(tmp_path)
    assert "2026-11-23 17:05Z" in (site / "index.html").read_text()
    assert "regression, bbbbbbbb" in (site / "badge-gate.svg").read_text()
    (runs / "20261123T170500Z-aaaaaaaa-bbbbbbbb" / "verdict.json").write_text("[]")
    told = (rebuilt(tmp_path) / "index.html").read_text()
    assert "gate/runs/20261123T170500Z-aaaaaaaa-bbbbbbbb/verdict.json" in told


def test_alerts_and_calibration_are_told_where_they_were_filed(tmp_path: Path) -> None:
    (commit,) = make_project(tmp_path, commits=1)
    rate = {"found": 4, "of": 1000, "low": 0.0011, "high": 0.0102}
    finding = {"what": "slower", "series": "a.b('x')", "machine": "lab", "commit": commit}
    files: dict[str, dict[str, Any]] = {
        "alerts/alerts.json": {
            "version": 1,
            "exit_code": 1,
            "verdict": "slower",
            "written": "2026-11-23T17:00:00+00:00",
            "tip": commit,
            "findings": [
                finding | {"state": "alarm", "ratio": 1.25},
                finding | {"state": "dismissed", "ratio": 1.5},
            ],
        },
        "gate/calibrations/20261123T120000Z/calibration.json": {
            "version": 1,
            "commit": commit,
            "subject": "Measure",
            "about": {"processor": "a made-up one"},
            "minutes": 60.0,
            "gates": 1000,
            "promised": 0.01,
            "alarms": {"whole": rate, "paired": rate},
            "undecided": {"whole": rate},
            "power": [
                {"kind": "paired", "slowdown": 0.05, "found": rate | {"found": 990}}
                | dict.fromkeys(("undecided", "blamed_others"), rate)
            ],
        },
    }
    assert "gate --calibrate" in (rebuilt(tmp_path) / "calibration.html").read_text()
    for name, content in files.items():
        path = tmp_path / ".asv" / name
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content))
    site = rebuilt(tmp_path)
    index = " ".join((site / "index.html").read_text().split())
    assert "alarm: a.b(&#39;x&#39;) slower" in index
    assert "× 1.25" in index
    assert "× 1.5<" not in index
    assert "0.4 % false alarms" in index
    page = (site / "calibration.html").read_text()
    assert "As promised" in page
    assert "99 %" in page


def test_noise_alone_is_no_change_and_a_step_at_the_tip_is_likely() -> None:
    rng = random.Random(3)
    values = [rng.gauss(1, 0.02) for _ in range(200)]
    bare = Series(at=list(range(200)), values=values)
    assert changes_of(bare, "paired", 0.02) == []
    stepped = Series(at=bare.at, values=[*values[:-2], 1.3, 1.31])
    (found,) = changes_of(stepped, "paired", 0.02)
    assert (found.before, found.at, found.certainty) == (197, 198, "likely")
    assert found.worse
    assert 1.25 < found.low < found.ratio < found.high < 1.36


def test_one_last_point_is_likely_but_for_observed_figures() -> None:
    rng = random.Random(3)
    values = [rng.gauss(1, 0.02) for _ in range(40)]
    one = Series(at=list(range(41)), values=[*values, 1.5])
    two = Series(at=list(range(42)), values=[*values, 1.5, 1.5])
    assert [len(changes_of(one, kind, 0.05)) for kind in ("paired", "observed")] == [1, 0]
    assert [each.at for each in changes_of(two, "observed", 0.05)] == [40]


def test_what_asv_finds_in_a_short_noisy_series_is_no_change() -> None:
    """asv gives nearly each point of these a step of its own."""
    series = Series(at=list(range(8)), values=[0.6, 0.9, 0.7, 2.0, 1.1, 3.2, 0.8, 3.4])
    assert changes_of(series, "observed", 0.05) == []
    spell = Series(at=list(range(8)), values=[1.0, 1.01, 1.0, 1.02, 1.41, 1.39, 1.4, 1.43])
    assert changes_of(spell, "paired", 0.02) == []
    assert changes_of(spell, "seeded", 0.02)[0].certainty == "likely"


def test_a_step_has_its_place_and_size_whatever_asv_adds_to_it() -> None:
    rng = random.Random(5)
    values = [rng.gauss(1, 0.01) for _ in range(30)] + [rng.gauss(0.9, 0.01) for _ in range(30)]
    series = Series(at=list(range(60)), values=values)
    (found,) = changes_of(series, "paired", 0.02)
    assert (found.before, found.at, found.certainty) == (29, 30, "confirmed")
    assert found.low < 0.9 < found.high
    assert not found.worse


def test_a_figure_about_zero_changes_only_beyond_its_noise() -> None:
    """Growth of memory may be negative, and has no ratio then."""
    rng = random.Random(7)
    values = [rng.gauss(0, 1) for _ in range(40)]
    series = Series(at=list(range(40)), values=values)
    assert changes_of(series, "paired", 0.02) == []
    risen = Series(at=series.at, values=values[:20] + [each + 50 for each in values[20:]])
    (found,) = changes_of(risen, "paired", 0.02)
    assert (found.at, found.certainty, found.worse) == (20, "confirmed", True)
    below = Series(at=series.at, values=[each - 10 for each in risen.values])
    (found,) = changes_of(below, "paired", 0.02)
    assert found.ratio == math.inf
    assert FigureReading(unit="bytes").change(found.ratio) == "from 0"


def test_an_exact_figure_changes_at_every_difference_and_from_zero_too() -> None:
    series = Series(at=[0, 1, 4, 5], values=[0.0, 0.0, 2.0, 1.0])
    first, second = changes_of(series, "exact", 0.0)
    assert (first.before, first.at, first.ratio) == (1, 4, float("inf"))
    assert (second.ratio, second.worse) == (0.5, False)


def test_what_people_read_is_turned_where_higher_is_better() -> None:
    rate = FigureReading(unit="operations/s", inverted=True)
    assert rate.text(0.0001) == "10,000 operations/s"
    assert rate.change(1.25) == "−20.0 %"
    assert rate.text(0.0) == "∞"
    plain = FigureReading(unit="seconds")
    assert plain.text(0.00123456) == "1.235 ms"
    assert plain.text(0.0) == "0 s"
    assert plain.change(1.00001) == "0 %"
    assert plain.change(float("inf")) == "from 0"
    assert FigureReading(unit="bytes").text(12_345) == "12.35 kB"


def test_headlines_name_what_the_suite_has() -> None:
    """A renamed benchmark would leave the front page without a word."""
    import ast

    root = Path(__file__).parents[3] / "benchmarks"
    for headline in load_readings().headline:
        name = headline.benchmark
        module, klass, function = name.split(".")
        tree = ast.parse((root / f"{module}.py").read_text())
        (found,) = [
            node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == klass
        ]
        assert function in [each.name for each in found.body if isinstance(each, ast.FunctionDef)]
        entry = {name: {"unit": "1", "params": [], "param_names": []}}
        (benchmark,) = read_suite(entry, root)
        assert benchmark.catches.startswith("Catches:")
        assert benchmark.cannot_see
