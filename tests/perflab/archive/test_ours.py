"""Another project's measurements beside ours: nothing of ours is lost, nothing of theirs is ours.

The histories are made up, in the forms that public ones have: a folder of results, an archive of
one, and clones that keep them in a folder of their own.
"""

import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perflab.archive.archive import read_archive, read_suite
from perflab.archive.form import HistoryError
from perflab.archive.ours import ours
from perflab.archive.shipped import SHIPPED, unpack
from perflab.archive.status import require_results
from perflab.bench.command import publish
from perflab.results.asv_config import MeasureError
from perflab.results.asv_process import Plain, run_asv
from perflab.results.project import own_project
from tests.perflab.archive.test_command import clone, commits, history, project
from tests.perflab.results.test_checkout import git
from tests.perflab.synthetic import make_project

ROOT = Path(__file__).parents[3]
__all__ = ["clone", "project"]  # fixtures

LATE_MS = 1_900_000_000_000  # their clock is years ahead
THEIRS = "x.time_a"


def theirs(results: Path, machine: str = "lab", commit: str = "7" * 40) -> None:
    """Results of a project that measures one thing, on a machine of the same name as ours."""
    (results / machine).mkdir(parents=True)
    entry = {
        "name": THEIRS, "code": "", "version": "1", "type": "time", "unit": "seconds",
        "params": [], "param_names": [],
    }  # fmt: skip
    (results / "benchmarks.json").write_text(json.dumps({"version": 2, THEIRS: entry}))
    (results / machine / "machine.json").write_text(json.dumps({"version": 1, "machine": machine}))
    content = {
        "version": 2, "commit_hash": commit, "env_name": "e", "date": 1,
        "params": {"machine": machine, "python": "3"}, "python": "3", "requirements": {},
        "env_vars": {}, "durations": {},
        "result_columns": ["result", "params", "version", "started_at", "duration"],
        "results": {THEIRS: [[1.0], [], "1", LATE_MS, 1.0]},
    }  # fmt: skip
    (results / machine / f"{commit[:8]}-e.json").write_text(json.dumps(content))


def source_of(folder: Path, form: str) -> Path:
    """A foreign history in one of the forms."""
    place = {"clone": "bench/data", "nested": "data"}.get(form, "results")
    theirs(folder / "theirs" / place)
    if form == "archive":
        with tarfile.open(folder / "theirs.tar.gz", "w:gz") as packed:
            packed.add(folder / "theirs" / place, "results")
        return folder / "theirs.tar.gz"
    if form == "folder":
        return folder / "theirs" / place
    nested = folder / "theirs" / ("bench" if form == "clone" else ".")
    text = '{"version": 1, // a comment, as asv allows\n "repo": "..", "results_dir": "data",}'
    (nested / "asv.conf.json").write_text(text)
    (folder / "theirs" / "readiness" / "lab" / "run").mkdir(parents=True)
    report = folder / "theirs" / "readiness" / "lab" / "run" / "report.json"
    report.write_text(json.dumps({"commit": "7" * 40, "quick": False, "began": "2030-01-01"}))
    report.with_name("report.html").write_text("READY")
    return folder / "theirs"


def site_of(root: Path) -> Any:
    publish(root, lambda _: None)
    return json.loads((root / ".asv" / "html" / "data" / "site.json").read_text())


@pytest.mark.parametrize("form", ["folder", "archive", "clone", "nested"])
def test_another_project_is_refused_whole(clone: Path, tmp_path: Path, form: str) -> None:
    history(clone, "unpack")
    before = tree(clone / ".asv")
    with pytest.raises(HistoryError, match="nothing in it is of this repository"):
        history(clone, "merge", str(source_of(tmp_path, form)))
    assert tree(clone / ".asv") == before
    assert len(site_of(clone)["benchmarks"]) == 6


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*.*")
        if path.is_file() and path.name != "lock"
    }


def test_of_a_mixture_only_ours_is_taken(
    project: Path,
    clone: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Their list of benchmarks came later, and lies where ours was: it is theirs all the same."""
    mixture = tmp_path / "mixture"
    shutil.copytree(project / ".asv" / "results", mixture)
    theirs(tmp_path / "theirs", "other")
    shutil.copytree(tmp_path / "theirs", mixture, dirs_exist_ok=True)
    assert history(clone, "merge", str(mixture)) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line for line in told if "set apart: 1 results of 1 commits and their list" in line]
    assert len(commits(clone)) == 30
    assert not (clone / ".asv" / "results" / "other").exists()
    assert not (clone / ".asv" / "results" / "benchmarks.json").exists()
    assert len(site_of(clone)["benchmarks"]) == 6  # of the repository's own history
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert run_asv(clone, ["publish", "--no-pull"], Plain(lambda _: None)) == 0
    index = json.loads((clone / ".asv" / "html" / "index.json").read_text())
    assert (len(index["benchmarks"]), list(index["machines"])) == (6, ["lab"])
    assert history(clone, "pack") == 0
    assert git(clone, "status", "--porcelain", "--", SHIPPED) == ""


def older_form(text: str) -> str:
    content = json.loads(text)
    rows = content.pop("result_columns") and content["results"]
    return json.dumps(content | {"version": 1, "results": {name: rows[name][0] for name in rows}})


UNREADABLE: dict[str, Callable[[str], str]] = {
    "asv's form 1": older_form,
    "torn": lambda text: text[: len(text) // 2],
    "empty": lambda _: "",
    "a value of another type": lambda text: text.replace('"date": 1', '"date": "soon"'),
    "a list": lambda _: "[]",
}


@pytest.mark.parametrize("how", UNREADABLE)
def test_what_cannot_be_read_of_theirs_is_theirs(
    project: Path, clone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    """asv's form 1, as public histories have it, and any damage: by itself and in a mixture."""
    strange = tmp_path / "strange"
    theirs(strange, "other")
    file = strange / "other" / "77777777-e.json"
    file.write_text(UNREADABLE[how](file.read_text()))
    (strange / "benchmarks.json").write_text('{"version": 1}')
    with pytest.raises(HistoryError, match="nothing in it is of this repository"):
        history(clone, "merge", str(strange))
    assert "set apart: 1 results of 1 commits and their list" in capsys.readouterr().out
    (strange / "benchmarks.json").unlink()
    mixture = tmp_path / "mixture"
    shutil.copytree(project / ".asv" / "results", mixture)
    shutil.copytree(strange, mixture, dirs_exist_ok=True)
    assert history(clone, "merge", str(mixture)) == 0
    assert "set apart: 1 results of 1 commits, which" in capsys.readouterr().out
    assert len(commits(clone)) == 30
    shutil.copytree(strange, clone / ".asv" / "results", dirs_exist_ok=True)
    assert history(clone, "pack") == 0
    assert git(clone, "status", "--porcelain", "--", SHIPPED) == ""


@pytest.mark.parametrize("how", UNREADABLE)
def test_what_cannot_be_read_of_ours_is_one_line(
    project: Path, clone: Path, tmp_path: Path, how: str
) -> None:
    ours_too = tmp_path / "ours"
    shutil.copytree(project / ".asv" / "results", ours_too)
    file = next((ours_too / "lab").glob("*-*.json"))
    text = json.dumps(json.loads(file.read_text()) | {"date": 1})
    file.write_text(UNREADABLE[how](text))
    with pytest.raises(HistoryError, match=str(file)):
        history(clone, "merge", str(ours_too))
    assert not (clone / ".asv" / "results").exists()


def test_what_was_copied_over_ours_by_hand_is_found_out(
    clone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history(clone, "unpack")
    theirs(tmp_path / "theirs", "other")
    results = clone / ".asv" / "results"
    shutil.copytree(tmp_path / "theirs", results, dirs_exist_ok=True)
    assert history(clone, "pack") == 0
    assert "set apart: 1 results" in capsys.readouterr().out
    assert git(clone, "status", "--porcelain", "--", SHIPPED) == ""
    lines: list[str] = []
    unpack(clone, results, lines.append)
    assert lines == [
        f"== healed: {results / 'benchmarks.json'} was another project's; taken from {SHIPPED}"
    ]
    assert THEIRS not in json.loads((results / "benchmarks.json").read_text())
    lines.clear()
    unpack(clone, results, lines.append)
    assert lines == []


@pytest.mark.parametrize(
    "text", ["", '{"version": 2, ', "[" * 3000, '{"version": 2, "x": 1}', None]
)
def test_a_torn_list_of_benchmarks_is_healed(clone: Path, text: str | None) -> None:
    """Whether the kept history was laid out by hand or by `site`, which does it once."""
    lines: list[str] = []
    results = clone / ".asv" / "results"
    unpack(clone, results, lines.append)
    path = results / "benchmarks.json"
    whole = path.read_bytes()
    path.unlink() if text is None else path.write_text(text)
    deleted = next(results.glob("lab/*-*.json"))
    deleted.unlink()  # to be measured again
    lines.clear()
    unpack(clone, results, lines.append)
    (line,) = lines
    assert line.startswith(f"== healed: {path}")
    assert not deleted.exists()
    assert path.read_bytes() == whole
    lines.clear()
    unpack(clone, results, lines.append)
    assert lines == []


def test_a_torn_list_that_nothing_heals_is_one_line(clone: Path, tmp_path: Path) -> None:
    history(clone, "unpack")
    shutil.rmtree(clone / SHIPPED)
    (clone / ".asv" / "results" / "benchmarks.json").write_text("")
    with pytest.raises(MeasureError, match=r"benchmarks\.json: not whole.*make bench") as told:
        publish(clone, lambda _: None)
    assert len(str(told.value).splitlines()) == 1


def test_a_list_that_is_theirs_is_not_published_as_ours(clone: Path, tmp_path: Path) -> None:
    """Without a kept history nothing says what ours was."""
    history(clone, "unpack")
    shutil.rmtree(clone / SHIPPED)
    require_results(own_project(clone), lambda _: None)
    theirs(tmp_path / "theirs")
    shutil.copy(tmp_path / "theirs" / "benchmarks.json", clone / ".asv" / "results")
    with pytest.raises(MeasureError, match="of another project: `make bench` lists ours"):
        require_results(own_project(clone), lambda _: None)


def test_a_kept_list_that_became_theirs_is_mended_and_loses_nothing(
    project: Path, tmp_path: Path
) -> None:
    """As 7cd56e3 left it after a merge: the list of another project, and a clock years ahead."""
    theirs(tmp_path / "theirs")
    suite = json.loads((tmp_path / "theirs" / "benchmarks.json").read_text())
    polluted = {"form": 1, "measured_ms": LATE_MS, "benchmarks": suite}
    (project / SHIPPED / "suite.jsonl").write_text(json.dumps(polluted) + "\n")
    lines = (project / SHIPPED / "machines" / "lab.jsonl").read_text().splitlines()
    foreign = json.loads(lines[0]) | {"commit_hash": "7" * 40}
    with (project / SHIPPED / "machines" / "lab.jsonl").open("a") as file:
        file.write(json.dumps(foreign) + "\n")
    told: list[str] = []
    unpack(project, project / ".asv" / "results", told.append)
    assert [line for line in told if line.startswith(f"== note: set apart from {SHIPPED}: 1 resu")]
    assert "77777777" not in commits(project)
    assert history(project, "pack") == 0
    kept = read_archive(project / SHIPPED)
    assert len(kept.entries) == 31  # nobody asked to remove any
    suite_now = read_suite(project / SHIPPED)
    assert suite_now is not None
    assert THEIRS not in suite_now.benchmarks


def test_what_git_learns_later_is_laid_out_then(project: Path, clone: Path) -> None:
    git(project, "reset", "--quiet", "--hard")
    git(project, "checkout", "--quiet", "-b", "side", "HEAD~1")
    git(project, "commit", "--quiet", "--allow-empty", "-m", "Aside")
    side = git(project, "rev-parse", "HEAD")
    lines = (clone / SHIPPED / "machines" / "lab.jsonl").read_text().splitlines()
    entry = json.loads(lines[0]) | {"commit_hash": side}
    with (clone / SHIPPED / "machines" / "lab.jsonl").open("a") as file:
        file.write(json.dumps(entry) + "\n")
    results = clone / ".asv" / "results"
    unpack(clone, results, lambda _: None)
    assert side[:8] not in commits(clone)
    git(clone, "fetch", "--quiet", "origin", "side")
    unpack(clone, results, lambda _: None)
    assert side[:8] in commits(clone)


@pytest.mark.parametrize("link", ["lab", "benchmarks.json", "readiness"])
def test_a_source_with_a_link_out_of_it_is_refused(
    clone: Path, project: Path, tmp_path: Path, link: str
) -> None:
    """Else a stranger's branch could have any file of this machine published."""
    source = tmp_path / "source"
    shutil.copytree(project / ".asv", source / ".asv")
    secret = tmp_path / "secret"
    make_project(secret, commits=1)
    place = source / ".asv" / "results" / link
    target = secret / ".asv" / "results" / link
    if link == "readiness":
        place = source / ".asv" / "readiness" / "lab" / "run" / "report.html"
        target = secret / "asv.conf.json"
        place.parent.mkdir(parents=True)
        place.with_name("report.json").write_text("{}")
    shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
    place.symlink_to(target)
    with pytest.raises(HistoryError, match=r"is a link that leaves .*source: nothing"):
        history(clone, "merge", str(source))


def test_a_list_of_benchmarks_belongs_to_what_names_it(project: Path) -> None:
    kept = read_archive(project / SHIPPED)
    known = {entry.commit_hash for entry in kept.entries.values()}
    own, apart = ours(kept, known)
    assert not apart
    assert own == kept
    own, apart = ours(kept, set())
    assert (own.entries, own.suite, apart.suite) == ({}, None, True)
    half = set(sorted(known)[:3])
    own, apart = ours(kept, half)  # a branch of ours that was not fetched
    assert (len(own.entries), apart.suite) == (3, False)
    assert own.suite is not None
    assert own.suite.measured_ms == own.measured_ms
