"""What is filed beside asv's results is shipped, comes back as it was, and costs only itself."""

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from perflab.archive.archive import read_archive
from perflab.archive.kinds import KINDS, MOST_BYTES, UNSHIPPED, FiledHead
from perflab.archive.reports import FiledItem, kept_of, read_reports
from perflab.archive.shipped import SHIPPED
from perflab.archive.status import size_of
from perflab.mutate.record import MutantResult, MutationPlan
from perflab.results.culprits import StepCulprit, write_culprits
from perflab.scaling.record import ScalingHead, ScalingRow, append_scaling
from perflab.site.build import PAGES
from perflab.site.filed_pages import peers_page, sweeps_page
from perflab.site.growth_page import growth_page
from perflab.site.load_runs import read_load_runs
from perflab.site.readiness_runs import read_runs
from perflab.sweep.record import SweepPlan
from tests.perflab.archive.test_command import clone, history, project
from tests.perflab.recorded import RECORDED, change, report_of
from tests.perflab.results.test_checkout import git
from tests.perflab.site.test_rooms import model_of
from tests.perflab.site.test_runs import filed_runs

__all__ = ["clone", "project"]  # fixtures
ROOT = Path(__file__).parents[3]
BEGAN = "2026-11-29T10:00:00+00:00"


def written(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def filed_of_each_kind(asv: Path, commit: str) -> None:
    """One thing of each kind at least, as its command leaves it."""
    import msgspec

    filed_runs(asv, commit)
    place = asv / "readiness" / "host" / "run"
    place.mkdir(parents=True)
    (place / "report.json").write_bytes(msgspec.json.encode(report_of(RECORDED)))
    change(place / "report.json", lambda report: report.update(commit=commit, quick=False))
    (place / "operations.bin").write_text("not kept")
    plan = SweepPlan(kind="sim", settings={"scenario": ""}, package="ab" * 32, first=1, seeds=2)
    written(asv / "sweep" / "sim-1" / "manifest.json", asdict(plan))
    line = {"seed": 1, "broken": "", "figures": {"reads": 5}}
    (asv / "sweep" / "sim-1" / "results.jsonl").write_text(json.dumps(line) + "\n" + '{"torn')
    record = asv / "scaling" / "scaling.jsonl"
    append_scaling(record, ScalingHead(commit=f"{commit}+", began=BEGAN, limits={}))
    row = ScalingRow(play="members", nodes=8, seed=1, figures={"join_messages": 3.0})
    append_scaling(record, row)
    asked = MutationPlan(commit=commit, core="cd" * 32, seed=1, began=BEGAN)
    written(asv / "mutate" / "cd-1" / "plan.json", asdict(asked))
    mutant = MutantResult(
        file="overlay/table.py", symbol="hear", kind="weakening", operator="a check left out",
        line=3, said="x", guard="test",
    )  # fmt: skip
    lines = asv / "mutate" / "cd-1" / "results.jsonl"
    lines.write_text(json.dumps(asdict(mutant)) + "\n")
    measured = {"name": "store: rate", "subject": "p2pcore", "kind": "observed", "layout": "A",
                "nodes": 3, "processes": 1, "unit": "1/s", "values": [900.0],
                "parameters": {"in_flight": 16}}  # fmt: skip
    machine = {"name": "host", "processor": "a made-up one", "system": "", "cores": 2}
    written(
        asv / "peer-runs" / "host" / "one.json",
        {"machine": machine, "commit": commit, "versions": {}, "began": BEGAN,
         "measurements": [measured], "format": 1},
    )  # fmt: skip
    head = {"commit": commit, "subject": "One"}
    written(
        asv / "gate" / "runs" / "20261129T100000Z-a-b" / "verdict.json",
        {"version": 1, "verdict": "passed", "exit_code": 0, "base": head, "head": head},
    )
    written(
        asv / "gate" / "calibrations" / "20261129T100000Z" / "calibration.json",
        {"version": 1, "commit": commit, "subject": "One"},
    )
    found = StepCulprit(machine="lab", environment="e", series="x", good=commit, last=commit,
                        commits=1)  # fmt: skip
    (asv / "alerts").mkdir(exist_ok=True)
    write_culprits(asv / "alerts" / "culprits.json", [found])


def test_all_that_the_site_shows_comes_along(
    project: Path, clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commit = git(project, "rev-parse", "HEAD")
    filed_of_each_kind(project / ".asv", commit)
    here = read_reports(project / ".asv")
    assert here.problems == []
    assert {each.kind for each in here.items.values()} == set(KINDS)
    assert history(project, "pack") == 0
    told = capsys.readouterr().out
    assert "load runs: 2, " in told
    git(project, "add", "--force", SHIPPED)
    git(project, "commit", "--quiet", "-m", "Ship")
    git(clone, "pull", "--quiet")
    assert history(clone, "unpack") == 0
    there = read_reports(clone / ".asv")
    assert there.problems == []
    assert {each.kind for each in there.items.values()} == set(KINDS)
    for place, item in there.items.items():
        known = here.items[place]
        assert (item.files, item.head.commit) == (known.files, known.head.commit)
    asv = clone / ".asv"
    assert not list(asv.rglob("*.bin"))
    runs = read_load_runs(asv)
    assert {each.report.kind for each in runs.runs} == {"load", "chaos", "field"}
    assert len(runs.searches) == 1
    assert [each.machine for each in read_runs(asv).runs] == ["host"]
    rooms = sweeps_page(asv), peers_page(asv), growth_page(model_of({}), asv)
    assert not any(room.problems for room in rooms)
    assert all(not room.sections[-1].empty for room in rooms)
    assert history(clone, "status") == 0
    assert "comparisons with other stores: 1, 0 kB" in capsys.readouterr().out


def test_a_record_that_went_on_goes_on_in_a_clone(project: Path, clone: Path) -> None:
    filed_of_each_kind(project / ".asv", git(project, "rev-parse", "HEAD"))
    history(project, "pack")
    history(clone, "merge", str(project / SHIPPED))
    lines = Path("mutate/cd-1/results.jsonl")
    there = clone / ".asv" / lines
    first = there.read_bytes()
    with (project / ".asv" / lines).open("ab") as file:
        file.write(first.replace(b"hear", b"tell"))
    history(project, "pack")
    (clone / ".asv" / "sweep" / "sim-1" / "manifest.json").write_text("mine")
    history(clone, "merge", str(project / SHIPPED))
    assert there.read_bytes() == first + first.replace(b"hear", b"tell")
    assert (clone / ".asv" / "sweep" / "sim-1" / "manifest.json").read_text() == "mine"
    history(project, "pack")
    there.write_bytes(first.replace(b"hear", b"forget"))
    history(clone, "merge", str(project / SHIPPED))
    assert b"forget" in there.read_bytes()  # another run's, and it stays


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 + 1])


def nested(path: Path) -> None:
    path.write_text("[" * 100_000)


def infinite(path: Path) -> None:
    path.write_text('{"version": 1, "value": 1e999}')


def another(path: Path) -> None:
    path.write_text('{"format": "of somebody else", "version": 99}\n')


def binary(path: Path) -> None:
    path.write_bytes(os.urandom(64))


def link(path: Path) -> None:
    secret = next(each for each in path.parents if each.name == "spoilt").with_name("secret")
    shutil.move(path, secret)
    path.symlink_to(secret)


SPOILT: list[Callable[[Path], None]] = [torn, nested, infinite, another, binary, link]


@pytest.mark.parametrize("how", SPOILT)
def test_what_is_damaged_is_told_in_a_line_and_costs_itself(tmp_path: Path, how: object) -> None:
    assert callable(how)
    asv = tmp_path / "asv"
    filed_of_each_kind(asv, "a" * 40)
    whole = read_reports(asv).items
    for place, item in whole.items():
        folder = tmp_path / "spoilt"
        shutil.copytree(asv, folder, symlinks=True)
        origin = "scaling/scaling.jsonl" if item.kind == "scaling" else place
        first = folder / origin
        if first.is_dir():  # of a run that was made its record: what a history has is the report
            for path in first.glob("*"):
                if path.name not in item.files and path.is_file():
                    path.unlink()
            first = first / next(iter(item.files))
        how(first)
        found = read_reports(folder)
        assert found.items.keys() == whole.keys() - {place}, place
        (problem,) = found.problems
        assert problem.startswith(f"{origin}: ")
        assert "\n" not in problem
        assert len(problem) < 400
        shutil.rmtree(folder)


def test_what_is_too_large_or_too_many_stays_behind(tmp_path: Path) -> None:
    line = {"seed": 1, "broken": "", "figures": {"reads": 5}}
    filed_of_each_kind(tmp_path, "a" * 40)
    results = tmp_path / "sweep" / "sim-1" / "results.jsonl"
    results.write_text((json.dumps(line) + "\n") * 5000)
    (problem,) = read_reports(tmp_path).problems
    assert problem.startswith("sweep/sim-1: ")
    assert "sweeps have at most 200,000" in problem

    def load(number: int, group: str, machine: str = "m", size: int = 10) -> FiledItem:
        head = FiledHead(began=f"2026-11-{number:02}", group=group)
        place = f"load/{machine}/{number}"
        return FiledItem(kind="load", place=place, head=head, files={"report.json": b" " * size})

    runs = [load(n, "spike") for n in range(1, 7)] + [load(9, "burst"), load(1, "spike", "n")]
    assert set(kept_of(runs)) == {"load/m/4", "load/m/5", "load/m/6", "load/m/9", "load/n/1"}
    large = [load(n, f"s{n}", size=KINDS["load"].all_bytes // 2) for n in range(1, 9)]
    assert set(kept_of(large)) == {"load/m/7", "load/m/8"}


def test_pruning_takes_what_is_more_than_is_kept(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filed_of_each_kind(project / ".asv", git(project, "rev-parse", "HEAD"))
    history(project, "pack")
    for day in range(1, 5):
        place = project / SHIPPED / "gate" / "calibrations" / f"2026110{day}T000000Z"
        written(place / "calibration.json", {"version": 1, "commit": "", "subject": ""})
    before = read_archive(project / SHIPPED).reports
    assert history(project, "prune", "--dry-run") == 0
    assert "; of reports: 4" in capsys.readouterr().out
    assert read_archive(project / SHIPPED).reports == before
    assert history(project, "prune") == 0
    after = read_archive(project / SHIPPED).reports
    assert len(before) - len(after) == 4
    assert not [each for each in (project / SHIPPED).rglob("*") if not any(each.parent.iterdir())]


def test_each_page_is_shipped_or_says_why_not() -> None:
    shown = {page for kind in KINDS.values() for page in kind.pages}
    pages = {href for href, _ in PAGES}
    of_results = {"benchmarks.html", "compare.html", "grid.html"}  # asv's own
    assert shown | of_results == pages
    for each in UNSHIPPED:
        assert each.why
        assert set(each.pages) <= pages
    documented = (ROOT / "docs" / "history.md").read_text(encoding="utf-8")
    for kind in KINDS.values():
        assert f"| {kind.what} |" in documented
    assert all(each.what in documented for each in UNSHIPPED)


def test_the_whole_is_small() -> None:
    assert sum(kind.all_bytes for kind in KINDS.values()) <= 0.6 * MOST_BYTES
    assert all(kind.most_bytes <= kind.all_bytes for kind in KINDS.values() if kind.newest == 1)
    assert size_of(ROOT / SHIPPED) <= MOST_BYTES
    names = [path.name for path in (ROOT / SHIPPED).rglob("*") if path.is_file()]
    assert all(re.fullmatch(r".*\.jsonl?", name) for name in names)
    assert read_archive(ROOT / SHIPPED).left_alone == []
