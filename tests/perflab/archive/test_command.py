"""`python -m perflab history` and what make does by itself, on real repositories and files."""

import argparse
import json
import os
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from perflab.archive import command
from perflab.archive.archive import read_archive
from perflab.archive.form import HistoryError
from perflab.archive.shipped import SHIPPED, unpack, warn_of_namesake
from perflab.archive.sources import read_source
from perflab.bench.command import publish
from perflab.results.asv_config import MeasureError, alone
from perflab.results.checkout import CheckoutError
from perflab.results.project import own_project
from tests.perflab.results.test_checkout import git
from tests.perflab.synthetic import make_project

ROOT = Path(__file__).parents[3]


def history(root: Path, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.main(parser.parse_args(arguments), own_project(root))


def commits(root: Path) -> set[str]:
    """Those with a file of asv's."""
    return {path.name[:8] for path in (root / ".asv" / "results").glob("*/*-*.json")}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository that ships the history of its thirty commits, measured on one machine."""
    root = tmp_path / "project"
    make_project(root, commits=30)
    shutil.copy(ROOT / ".gitattributes", root)
    assert history(root, "pack") == 0
    git(root, "add", SHIPPED, ".gitattributes", "asv.conf.json", "suites")
    git(root, "commit", "--quiet", "-m", "Ship it")
    return root


@pytest.fixture
def clone(project: Path, tmp_path: Path) -> Path:
    git(tmp_path, "clone", "--quiet", str(project), "clone")
    return tmp_path / "clone"


def test_a_fresh_clone_shows_the_history_at_once(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no environment of asv's, and no library but those of `site`."""
    absent = tmp_path / "absent"
    absent.mkdir()
    for library in ("psutil", "pyperf", "rich"):
        (absent / f"{library}.py").write_text("raise ImportError('not in the extra site')")
        monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.setenv("PYTHONPATH", f"{absent}{os.pathsep}{ROOT}")
    lines: list[str] = []
    publish(clone, lines.append)
    assert not [line for line in lines if "left out" in line]
    assert f"== taken from {SHIPPED}: results of 30 commits" in lines
    site = json.loads((clone / ".asv" / "html" / "data" / "site.json").read_text())
    assert [len(place["commits"]) for place in site["places"]] == [30]
    assert (clone / ".asv" / "html" / "graphs").is_dir()
    assert not (clone / ".asv" / "env").exists()
    assert git(clone, "status", "--porcelain", "--", SHIPPED) == ""


@pytest.mark.parametrize("torn", [b"", b'{"version": 2, "suite0.Ques', b"[]", b"\xff"])
def test_a_torn_list_of_benchmarks_is_healed(clone: Path, torn: bytes) -> None:
    results = clone / ".asv" / "results"
    unpack(clone, results, lambda _: None)
    path = results / "benchmarks.json"
    whole = path.read_bytes()
    (deleted, *_) = results.glob("lab/*-*.json")
    deleted.unlink()
    path.write_bytes(torn)
    lines: list[str] = []
    unpack(clone, results, lines.append)
    (line,) = lines
    assert line.startswith(f"== healed: {path}: ")
    assert json.loads(path.read_bytes()) == json.loads(whole)
    assert not deleted.exists()  # nothing else is brought back
    assert path.with_name("benchmarks.json.torn").read_bytes() == torn
    # Without a list in the repository there is none, and `make bench` discovers it.
    shutil.rmtree(clone / SHIPPED)
    path.write_bytes(torn)
    unpack(clone, results, lambda _: None)
    with pytest.raises(MeasureError, match="make bench"):
        publish(clone, lambda _: None)


def test_it_is_laid_out_once_in_each_state(clone: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    results = clone / ".asv" / "results"

    def told() -> list[str]:
        lines.clear()
        unpack(clone, results, lines.append)
        return lines

    assert told() == [f"== taken from {SHIPPED}: results of 30 commits"]
    (deleted, torn, *_) = sorted(results.glob("lab/*-*.json"))
    deleted.unlink()  # to be measured again
    assert told() == []
    assert not deleted.exists()
    make_project(tmp_path / "more", commits=1, machines=("mine",))
    history(clone, "pack", str(tmp_path / "more"), "--all-commits")
    torn.write_text("{")
    for _ in range(2):  # what could not be done is tried again
        assert [line.partition(":")[0] for line in told() if "note" in line] == ["== note"] * 2
    assert deleted.exists()


def test_a_namesake_with_another_processor_is_told(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    known = {"lab": {"cpu": "another", "num_cpu": "2"}, "new": {}, "version": 1}
    (tmp_path / ".asv-machine.json").write_text(json.dumps(known))
    lines: list[str] = []
    for name in ("new", "lab"):
        warn_of_namesake(clone, name, lines.append)
    (line,) = lines
    assert "'lab' of .asv-history has cpu 'a made-up one', and this one 'another'" in line


def test_git_merges_what_two_clones_measured(project: Path, tmp_path: Path) -> None:
    for number, name in enumerate(("one", "two")):
        git(tmp_path, "clone", "--quiet", str(project), name)
        root = tmp_path / name
        history(root, "unpack")
        (measured,) = (root / ".asv" / "results").glob(f"lab/{sorted(commits(root))[number]}-*")
        content = json.loads(measured.read_text())
        for row in content["results"].values():
            row[3] += 1
        content["results"]["suite0.Question0.track_it"][0] = [4242 + number]
        measured.write_text(json.dumps(content))
        assert history(root, "pack") == 0
        git(root, "commit", "--quiet", "--all", "-m", f"Measured by {name}")
    git(tmp_path / "one", "pull", "--quiet", "--no-rebase", str(tmp_path / "two"), "main")
    entries = read_archive(tmp_path / "one" / SHIPPED).entries.values()
    found = [entry.results["suite0.Question0.track_it"].result for entry in entries]
    assert len(found) == 30
    assert {4242, 4243} <= {values[0] for values in found if values}


@pytest.mark.parametrize("form", ["clone", "results", "kept", "tar.gz", "zip"])
def test_results_are_merged_from_wherever_they_lie(
    project: Path, tmp_path: Path, form: str
) -> None:
    shutil.move(project / ".asv", tmp_path / "moved")
    source = {
        "clone": project,
        "results": tmp_path / "moved" / "results",
        "kept": project / SHIPPED,
    }.get(form, tmp_path / f"packed.{form}")
    if form == "tar.gz":
        with tarfile.open(source, "w:gz") as tar:
            tar.add(tmp_path / "moved" / "results", "night/results")
    elif form == "zip":
        with zipfile.ZipFile(source, "w") as packed:
            for path in (project / SHIPPED).rglob("*.jsonl"):
                packed.write(path, path.relative_to(project / SHIPPED))
    other = tmp_path / "other"
    make_project(other, commits=30, machines=("mine",))
    assert history(other, "merge", str(source)) == 0
    assert len(list((other / ".asv" / "results" / "lab").glob("*-*.json"))) == 30
    assert {path.name for path in (other / ".asv" / "results").iterdir()} == {
        "benchmarks.json", "lab", "mine",
    }  # fmt: skip


def test_an_archive_cannot_write_elsewhere(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as packed:
        packed.writestr("../escaped.json", "{}")
        packed.writestr("/escaped.json", "{}")
    with pytest.raises(HistoryError, match=r"bad\.zip: no measurements there"):
        read_source(tmp_path / "bad.zip")
    assert not list(tmp_path.rglob("escaped.json"))
    (tmp_path / "cut.tar.gz").write_bytes(b"\x1f\x8b\x08\x00cut")
    with pytest.raises(HistoryError, match=r"cut\.tar\.gz"):
        read_source(tmp_path / "cut.tar.gz")
    with pytest.raises(HistoryError, match="no such folder or archive"):
        read_source(tmp_path / "absent")


def test_a_branch_is_fetched_and_the_clone_stays_as_it_was(project: Path, clone: Path) -> None:
    git(project, "checkout", "--quiet", "--orphan", "benchmark-results")
    git(project, "rm", "-r", "-f", "--quiet", ".")
    (project / "results").mkdir()
    shutil.copytree(project / ".asv" / "results" / "lab", project / "results" / "lab")
    git(project, "add", "results")
    git(project, "commit", "--quiet", "-m", "A night")
    before = git(clone, "for-each-ref"), git(clone, "rev-parse", "--is-shallow-repository")
    assert history(clone, "fetch") == 0
    assert len(commits(clone)) == 30
    assert (
        git(clone, "for-each-ref"),
        git(clone, "rev-parse", "--is-shallow-repository"),
    ) == before
    with pytest.raises(HistoryError, match="could not fetch 'nothing' of 'origin'"):
        history(clone, "fetch", "origin", "nothing")
    with pytest.raises(HistoryError, match="'--upload-pack=x' is no remote"):
        history(clone, "fetch", "--", "--upload-pack=x")


def test_what_is_packed_can_be_chosen_and_named(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(project, "reset", "--soft", "HEAD~10")
    make_project(tmp_path / "other", commits=1, machines=("mine",))
    other, into = str(tmp_path / "other"), str(tmp_path / "into")
    with pytest.raises(HistoryError, match="--as names one machine, and these are 2: lab, mine"):
        history(project, "pack", str(project), other, "--into", into, "--as", "reference")
    with pytest.raises(
        HistoryError, match="no results of machine 'nobody'; there are those of lab"
    ):
        history(project, "pack", "--into", into, "--machine", "nobody")
    assert not Path(into).exists()
    asked = ["pack", str(project), other, "--into", into, "--machine", "lab", "--as", "reference"]
    assert history(project, *asked) == 0
    assert "left out: 8 that are not on the branch" in capsys.readouterr().out
    assert [path.name for path in Path(into, "machines").iterdir()] == ["reference.jsonl"]
    assert len(read_archive(Path(into)).entries) == 22  # 21, and a tag
    assert history(project, *asked, "--all-commits") == 0
    assert len(read_archive(Path(into)).entries) == 30


def test_pruning_removes_from_both_places_what_it_said(
    project: Path, clone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["prune", "--days", "0", "--one-in", "7"]
    assert history(project, *asked, "--dry-run") == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.partition("; ")[2] for line in told] == ["would go: 23 (lab 23)"] * 2
    assert len(commits(project)) == 30
    assert history(project, *asked) == 0
    kept = read_archive(project / SHIPPED).entries.values()
    branch = git(project, "rev-list", "--reverse", "main").split()
    # Firsts of stretches, the tag, the last measured.
    assert [branch.index(entry.commit_hash) for entry in kept] == [0, 7, 14, 21, 25, 28, 29]
    assert commits(project) == {entry.commit_hash[:8] for entry in kept}
    with pytest.raises(HistoryError, match="--one-in 0"):
        history(project, "prune", "--one-in", "0")
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{clone}", "shallow")
    with pytest.raises(CheckoutError, match="unshallow"):
        history(tmp_path / "shallow", *asked)
    with alone(project), pytest.raises(MeasureError, match="another run"):
        history(project, *asked)


def test_status_tells_where_what_is(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert history(clone, "status") == 0
    told = capsys.readouterr().out
    assert "main: 31 commits, 30 of them measured" in told
    assert f"commits kept in {SHIPPED}: 30; in asv's results: 0" in told
    assert "which has 6 of 6 benchmarks of the suite" in told


def test_two_machines_share_the_commits_of_a_range(project: Path, tmp_path: Path) -> None:
    """As docs/cluster.md has it: half of the commits each under one name, and one more machine."""
    other = tmp_path / "second"
    git(tmp_path, "clone", "--quiet", str(project), "second")
    make_project(tmp_path / "third", commits=30, machines=("third",))
    history(other, "unpack")
    places = [root / ".asv" / "results" / "lab" for root in (project, other)]
    measured = sorted(path.name for path in places[0].glob("*-*.json"))
    for half, place in enumerate(places):
        for name in measured[1 - half :: 2]:
            (place / name).unlink()
    assert history(project, "merge", str(other), str(tmp_path / "third")) == 0
    assert sorted(path.name for path in places[0].glob("*-*.json")) == measured
    kept = project / ".asv" / "results" / "third"
    assert len(list(kept.glob("*-*.json"))) == len(measured) == 30
