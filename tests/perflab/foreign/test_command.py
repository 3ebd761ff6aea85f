"""Results of other projects: the site, the alerts, the history and the trends of three forms."""

import csv
import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from perflab.foreign.command import main
from tests.perflab.foreign.projects import (
    entry,
    git,
    make_repository,
    noisy,
    write_config,
    write_old,
    write_result,
)

SORT, READ, SIZE, RATE = (
    "sorting.Sort.time_sort",
    "io.Read.time_read",
    "io.Read.peakmem_read",
    "io.Read.track_rate",
)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """Times alone, on one machine in one environment; the suite lies in a folder of the code's."""
    repository = tmp_path / "pkg"
    commits = make_repository(repository, 40)
    git(repository, "tag", "v1", commits[20])
    config = write_config(repository / "asv_bench", repo="..", branches=["main"])
    suite = {name: entry(name) for name in (SORT, READ)}
    rising, flat = noisy(1, 40, 2e-3, steps={34: 1.3}), noisy(2, 40, 5e-6)
    for number, commit in enumerate(commits):
        values = {SORT: [rising[number]], READ: [flat[number]]}
        write_result(config.parent / "results", commit, values, suite)
    return config


@pytest.fixture
def several(tmp_path: Path) -> Path:
    """Parameters, memory, a rate, two Pythons on two machines, some commits missing; the results
    are a repository of their own, and `repo` is an address of which asv has a mirror beside it."""
    source = tmp_path / "source"
    commits = make_repository(source, 40, package="source")
    config = write_config(
        tmp_path / "results-repo", repo="https://example.org/pkg.git", results_dir="results"
    )
    git(tmp_path, "clone", "--quiet", "--mirror", str(source), str(config.parent / "pkg"))
    sizes = {"params": [["'a'", "'b'"], ["10", "1000"]], "param_names": ["what", "size"]}
    suite = {
        READ: entry(READ, **sizes),
        SIZE: entry(SIZE, unit="bytes", type="peakmemory"),
        RATE: entry(RATE, unit="rows/s"),
    }
    for seed, (machine, python) in enumerate([("box", "3.11"), ("box", "3.12"), ("lab", "3.12")]):
        falling = noisy(seed, 40, 2e6, steps={32: 0.7})
        times = [noisy(10 * seed + case, 40, 1e-3 * (case + 1)) for case in range(4)]
        for number, commit in enumerate(commits):
            if number % 5 == 3 and number < 25:
                continue
            values: dict[str, list[float | None]] = {
                READ: [each[number] for each in times],
                SIZE: [5e7],
                RATE: [falling[number]],
            }
            write_result(
                config.parent / "results", commit, values, suite, machine=machine, python=python,
                requirements={"numpy": "2.1"},
            )  # fmt: skip
    return config


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """asv's form 1 without versions of benchmarks, figures with units of their own, failures."""
    repository = tmp_path / "pkg"
    commits = make_repository(repository, 30)
    config = write_config(tmp_path / "bench", repo=str(repository), html_dir="public")
    count, score = "size.Index.track_entries", "fit.Model.track_score"
    suite = {
        SORT: entry(SORT, params=[["1", "2"]], param_names=["n"]),
        count: entry(count, unit="entries"),
        score: entry(score, unit="points"),
    }
    for each in suite.values():
        del each["version"]
    for number, commit in enumerate(commits):
        values = {
            SORT: {"params": [["1", "2"]], "result": [0.1, None if number == 29 else 0.2]},
            count: 100 + (number >= 25),
            score: 80.0 if number < 26 else 70.0,
        }
        write_old(config.parent / "results", commit, values, suite)
    (config.parent / "perflab.toml").write_text(f"""
[[benchmark]]
match = "*.track_*"
kind = "exact"

[[benchmark]]
match = "{score}"
better = "higher"

[[headline]]
benchmark = "{score}"
title = "The score of a model"
""")
    return config


def run(config: Path, command: str, *more: str) -> int:
    return main([*command.split(), "--config", str(config), *more])


def site_json(config: Path, html: str = "html") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((config.parent / html / "data" / "site.json").read_text())
    return found


def test_times_on_one_machine(plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(plain, "site") == 0
    index = (plain.parent / "html" / "index.html").read_text()
    assert SORT in index
    assert "Change 34 of the code" in index
    assert "+30" in index
    assert "Readiness" not in index
    assert "make " not in index
    assert not (plain.parent / "html" / "runs.html").exists()
    listed = site_json(plain)
    assert [place["label"] for place in listed["places"]] == ["box, Python 3.11"]
    assert not listed["ours"]
    assert not listed["problems"]
    capsys.readouterr()
    assert run(plain, "trends", "--only", "sort") == 0
    told = capsys.readouterr().out
    assert "worse at" in told
    assert "Change 34 of the code" in told
    assert "(observed, lower is better)" in told
    assert run(plain, "alerts") == 2  # a suspect: figures with noise are not measured again here
    assert "suspect" in capsys.readouterr().out
    assert run(plain, "alerts") == 0
    assert run(plain, "site") == 0
    assert "suspect: " in (plain.parent / "html" / "index.html").read_text()


def test_machines_environments_and_parameters_are_told_apart(
    several: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(several, "site") == 0
    listed = site_json(several)
    labels = {place["label"] for place in listed["places"]}
    assert labels == {"box, Python 3.11", "box, Python 3.12", "lab, Python 3.12"}
    assert {len(place["commits"]) for place in listed["places"]} == {35}
    about = {each["name"]: each for each in listed["benchmarks"]}
    assert about[READ]["cases"] == ["a, 10", "a, 1000", "b, 10", "b, 1000"]
    assert about[RATE]["reads"] == {"unit": "rows/s", "inverted": True}
    assert about[SIZE]["reads"] == {"unit": "bytes", "inverted": False}
    capsys.readouterr()
    assert run(several, "trends", "--machine", "lab", "--only", "rate") == 0
    told = capsys.readouterr().out
    assert "% worse at" in told
    assert "higher is better" in told
    assert "box" not in told
    assert run(several, "trends", "--machine", "attic") == 2
    assert "there are those of box, lab" in capsys.readouterr().out
    assert run(several, "alerts") == 2
    told = capsys.readouterr().out
    assert "3 new suspects" in told
    assert told.count(RATE) == 3


def test_the_form_that_asv_wrote_until_2019(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(old, "site") == 0
    listed = site_json(old, "public")
    assert not listed["problems"]
    kinds = {each["name"]: each["kind"] for each in listed["benchmarks"]}
    assert sorted(kinds.values()) == ["exact", "exact", "observed"]
    index = (old.parent / "public" / "index.html").read_text()
    assert "The score of a model" in index
    assert "1 failed" in index
    with gzip.open(old.parent / "public" / "data" / "results.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    scores = [row["value"] for row in rows if row["benchmark"] == "fit.Model.track_score"]
    assert [float(each) for each in scores] == pytest.approx([80.0] * 26 + [70.0] * 4)
    files = sorted((old.parent / "results" / "oldbox").glob("*.json"))
    assert json.loads(files[0].read_bytes())["version"] == 1  # nothing of theirs was changed
    capsys.readouterr()
    assert run(old, "trends") == 0
    told = capsys.readouterr().out
    assert "fit.Model.track_score: 70 points now" in told
    assert "−12.5 % worse at" in told
    assert "Change 26 of the code: 80 points → 70 points (certain)" in told
    assert run(old, "alerts") == 1  # exact figures are worse for certain
    found = json.loads((old.parent / ".asv" / "alerts" / "alerts.json").read_text())
    slower = {each["series"] for each in found["findings"] if each["what"] == "slower"}
    assert slower == {"size.Index.track_entries", "fit.Model.track_score"}


def test_a_history_is_kept_and_merged_in_a_clone(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(plain, "history pack") == 0
    git(plain.parents[1], "add", "-A", "asv_bench/.asv-history", "asv_bench/asv.conf.json")
    git(plain.parents[1], "commit", "--quiet", "-m", "Ship it")
    git(tmp_path, "clone", "--quiet", str(plain.parents[1]), "clone")
    clone = tmp_path / "clone" / "asv_bench" / "asv.conf.json"
    assert run(clone, "site") == 0
    assert len(site_json(clone)["places"][0]["commits"]) == 40
    assert run(clone, "history status") == 0
    assert "commits kept in .asv-history: 40" in capsys.readouterr().out


def test_results_of_another_repository_are_refused(
    plain: Path, several: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_repository(several.parent / "other", 3, package="other")
    other = ["--repo", str(several.parent / "other")]
    for command in ("site", "trends"):
        assert run(plain, command, *other) == 2
        told = "".join(capsys.readouterr())
        assert "no commit of " in told
        assert "40 " in told
    assert run(plain, "alerts", *other) == 2
    assert "has no results of this branch" in capsys.readouterr().out
    (plain.parent / "results" / "benchmarks.json").unlink()
    before = sorted((plain.parent / "results").rglob("*"))
    assert run(plain, "history merge", str(several.parent / "results")) == 2
    assert "nothing in it is of this repository" in capsys.readouterr().err
    assert sorted((plain.parent / "results").rglob("*")) == before


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"repo": "https://example.org/x.git"}, "no clone of it is here: name one by --repo"),
        ({"repo": 7}, "repo is a text, not 7"),
        ({}, "repo is a text, not None"),
        ({"repo": ".", "dvcs": "hg"}, "dvcs is git, not 'hg'"),
        ({"repo": ".", "branches": ["gone"]}, "there is no branch 'gone' in"),
        ({"repo": ".", "results_dir": ["a"]}, "results_dir is a text, not"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_said_in_a_line(
    tmp_path: Path,
    settings: dict[str, object],
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_repository(tmp_path / "x", 1)
    config = write_config(tmp_path / "x", **settings)
    for command in ("site", "alerts", "trends", "history status"):
        assert run(config, command) == 2
        error = capsys.readouterr().err
        assert told in error
        assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[benchmark]]\nmatch = "x"\nkind = "fast"', "kind is one of"),
        ('[[benchmark]]\nmach = "x"', "did you mean 'match'?"),
        ("[[benchmark", "perflab.toml"),
    ],
)
def test_a_table_that_cannot_be_used_is_said_in_a_line(
    plain: Path, text: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (plain.parent / "perflab.toml").write_text(text)
    assert run(plain, "trends") == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


def test_there_has_to_be_a_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["site", "--config", str(tmp_path / "asv.conf.json")]) == 2
    assert "--config names a suite's asv.conf.json" in capsys.readouterr().err


def test_the_four_commands_load_neither_benchmarks_nor_the_core() -> None:
    look = (
        "import sys, perflab.foreign.command, perflab.foreign.plugin\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('benchmarks', 'p2pcore')])"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_this_repository_s_command_takes_another_project(
    plain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from perflab.__main__ import main as ours

    assert ours(["trends", "--config", str(plain)]) == 0
    assert "Change 34 of the code" in capsys.readouterr().out
    for words in ("alerts --confirm", "alerts --power", "trends --quick"):
        assert ours([*words.split(), "--config", str(plain)]) == 2
        assert words.split()[1] in capsys.readouterr().err
