"""What asv's files hold after years, crashes and strangers: a copy that stock asv can publish."""

import json
import math
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perflab.results.suite import MAX_CASES, SuiteError
from perflab.site.clean_results import Copied, copy_results
from perflab.site.publish import publish_copy
from tests.perflab.site.test_offline import ROOT, git
from tests.perflab.synthetic import Step, make_project

ONE, FOUR = "suite0.Question0.track_it", "suite0.Question1.track_it"
HUGE = 10**400


@pytest.fixture
def project(tmp_path: Path) -> Path:
    make_project(tmp_path, commits=12, benchmarks=3, steps=(Step(benchmark=2, commit=6, factor=2),))
    return tmp_path


def results_of(project: Path) -> Path:
    return project / ".asv" / "results"


def files(project: Path) -> list[Path]:
    """In the order of commits."""
    listed = git(project, "rev-list", "--reverse", "main").split()
    return [results_of(project) / "lab" / f"{each[:8]}-virtualenv-py3.11.json" for each in listed]


def edit(path: Path, change: Callable[[Any], object]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def copied(project: Path) -> Copied:
    folder = project / "copy"
    shutil.rmtree(folder, ignore_errors=True)
    commits = git(project, "rev-list", "main").split()
    return copy_results(results_of(project), folder, commits)


def test_what_is_whole_is_copied_to_the_byte(project: Path) -> None:
    edit(files(project)[3], lambda c: c["results"][FOUR][0].__setitem__(1, math.nan))
    edit(files(project)[4], lambda c: c["results"][FOUR].__setitem__(0, None))
    edit(files(project)[5], lambda c: c["results"][FOUR][5].__setitem__(1, -math.inf))
    done = copied(project)
    assert (done.files, done.left_out) == (12, [])
    for path in files(project):
        assert (project / "copy" / "lab" / path.name).read_bytes() == path.read_bytes()


def row(name: str, column: int | slice, value: object) -> Callable[[Any], object]:
    return lambda content: content["results"][name].__setitem__(column, value)


def put(**changes: object) -> Callable[[Any], object]:
    return lambda content: content.update(changes)


MENDED: list[tuple[Callable[[Any], object], str]] = [
    (row(FOUR, 0, [1.0, math.inf, -math.inf, 2.0]), "2 of 4 values infinite"),
    (row(FOUR, 0, [1.0, 1e308, HUGE, 2.0]), "2 of 4 values infinite"),
    (row(FOUR, 0, ["fast", True, [1.0], 2.0]), "3 of 4 values infinite or no numbers"),
    (row(FOUR, 0, {"a": 1}), "values are no list"),
    (row(FOUR, 1, None), "parameters are no list"),
    (row(FOUR, 1, [[1, 2], ["64"]]), "no text"),
    (row(FOUR, 3, 10**20), "started at"),
    (row(FOUR, 3, "today"), "started at"),
    (row(FOUR, 5, [1.0, 2.0]), "statistics"),
    (row(FOUR, 5, [HUGE] * 4), "statistics"),
    (row(FOUR, slice(5, 7), [[0.0] * 4, [1e-300] * 4]), "surer than"),
    (put(env_vars=[]), "env_vars"),
    (lambda c: c["results"].update({ONE: 7}), "row is no list"),
    (put(env_vars=None), "env_vars"),
]  # fmt: skip
REFUSED: list[tuple[Callable[[Any], object], str]] = [
    (put(version=1), "version 1 of asv's form"),
    (put(date="today"), "date is 'today'"),
    (put(date=10**18), "not from 1970 to 9998"),
    (put(params={"machine": "other"}), "of machine 'other'"),
    (put(params={"machine": "lab", "cpu": ["a", "b"]}), "cpu"),
    (put(params={"machine": "lab", "cpu": "x" * 300}), "longer than 200"),
    (put(params={"machine": "lab", "..": ""}), "asv cannot tell places"),
    (put(params=[]), "list"),
    (put(commit_hash=["a"]), "unhashable"),
    (put(result_columns=["result", "params", "version", "wall"]), "wall"),
    (put(durations=[]), "durations"),
    (put(env_name=True), "env_name is True"),
    (put(env_name=math.nan), "env_name is 'NaN'"),
    (lambda c: c.pop("requirements"), "it has no 'requirements'"),
    (put(results=[]), "items"),
    (put(results={"\ud800": []}), "half a character"),
]


@pytest.mark.parametrize(("change", "said"), [*MENDED, *REFUSED])
def test_what_asv_cannot_take_is_told_in_a_line_and_costs_itself_alone(
    project: Path, change: Callable[[Any], object], said: str
) -> None:
    path = files(project)[3]
    edit(path, change)
    done = copied(project)
    (line,) = done.left_out
    assert line.startswith(f"lab/{path.name}: ")
    assert said in line
    assert done.files == 12 - any(change is each for each, _ in REFUSED)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "Expecting value"),
        (b'{"version": 2, "res', "Unterminated"),
        (b'{"version": 2, "env_name": "\xff"}', "utf-8"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b'{"version": ' + b"[" * 100_000, "too many brackets"),
        (b"[]", "version None"),
    ],
)
def test_torn_files_stay_behind(project: Path, data: bytes, said: str) -> None:
    files(project)[3].write_bytes(data)
    done = copied(project)
    (line,) = done.left_out
    assert said in line
    assert done.files == 11


def test_files_of_other_names_and_commits_stay_behind(project: Path) -> None:
    path, *others = files(project)
    path.rename(path.with_name("00000000-x.json"))
    edit(others[0], put(commit_hash="0" * 40))
    (path.parent / "folder.json").mkdir()
    done = copied(project)
    assert done.files == 10
    assert done.elsewhere == 1
    named, folder, elsewhere = sorted(done.left_out, key=lambda each: each[-4:])[::-1]
    assert {"named after" in each for each in (named, folder, elsewhere)} == {True, False}
    assert any("1 measured commits are on no published branch" in each for each in done.left_out)
    assert any("folder.json" in each for each in done.left_out)


@pytest.mark.parametrize("about", [b"", b"[]", b'{"version": 1}', b'{"version": 9}'])
def test_a_torn_machine_costs_its_description_alone(project: Path, about: bytes) -> None:
    (results_of(project) / "lab" / "machine.json").write_bytes(about)
    done = copied(project)
    assert done.files == 12
    (line,) = done.left_out
    assert line.startswith("lab/machine.json: ")
    machine = json.loads((project / "copy" / "lab" / "machine.json").read_text())
    assert machine == {"machine": "lab", "version": 1}


def suite_with(project: Path, **entries: Any) -> Copied:
    path = results_of(project) / "benchmarks.json"
    edit(path, lambda content: content.update(entries))
    return copied(project)


def entry(name: str, **changes: object) -> dict[str, object]:
    return {"name": name, "version": "1", "params": [], "param_names": [], "unit": "s", **changes}


def test_benchmarks_that_asv_would_confuse_stay_behind(project: Path) -> None:
    two, many = ["1", "2"], [str(each) for each in range(MAX_CASES + 1)]
    wrong: dict[str, Any] = {
        "a.b[1]": entry("a.b[1]"),  # unlike the following ones, asv can name a file after it
        "a.b:1": entry("a.b:1"),
        "a.b/1": entry("a.b/1"),
        "a.b(1)": entry("a.b(1)"),
        "x" * 300: entry("x" * 300),
        "many": entry("many", params=[many], param_names=["n"]),
        "endless": entry("endless", params=[many] * 9, param_names=list("abcdefghi")),
        "unnamed": entry("named"),
        "no entry": 7,
        "one name": entry("one name", params=[two, two], param_names=["a"]),
        "numbers": entry("numbers", params=[[1, 2]], param_names=["a"]),
        "no list": entry("no list", params=[3], param_names=["a"]),
        "lone \ud800": entry("lone \ud800"),
        "unit": entry("unit", unit=None),
    }
    done = suite_with(project, **wrong)
    there = json.loads((project / "copy" / "benchmarks.json").read_text())
    assert set(there) - {"version", *(f"suite0.Question{n}.track_it" for n in range(3))} == {
        "a.b[1]", "a.b:1", "unit"
    }  # fmt: skip
    assert len(done.left_out) == 11
    assert any("one file for it and a.b:1" in each for each in done.left_out)
    assert there["unit"]["unit"] == ""


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"version": 1}', b"\xff"])
def test_a_torn_list_of_benchmarks_is_an_error_that_names_it(project: Path, data: bytes) -> None:
    (results_of(project) / "benchmarks.json").write_bytes(data)
    with pytest.raises(SuiteError, match=r"benchmarks\.json"):
        copied(project)


def spoilt(rng: random.Random, content: Any) -> None:
    """One thing somewhere in a file is another thing."""
    strange = (None, math.inf, -math.inf, math.nan, HUGE, -1, 1e308, "", "x", [], {}, [None], True)
    holder, key = content, rng.choice(list(content))
    for _ in range(rng.randrange(5)):
        below = holder[key]
        if isinstance(below, dict) and below:
            holder, key = below, rng.choice(list(below))
        elif isinstance(below, list) and below:
            holder, key = below, rng.randrange(len(below))
    holder[key] = rng.choice(strange)


@pytest.mark.parametrize("seed", range(4))
def test_asv_and_our_pages_survive_whatever_stands_in_the_files(
    project: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("HOME", str(project))
    rng = random.Random(seed)
    for path in files(project)[:10]:
        edit(path, lambda content: spoilt(rng, content))
    edit(results_of(project) / "benchmarks.json", lambda content: spoilt(rng, content[FOUR]))
    lines: list[str] = []
    conf = project / "asv.conf.json"
    site = publish_copy(project, conf, project / ".asv" / "publishing", lines.append)
    assert "Overview" in (site / "index.html").read_text()
    assert json.loads((site / "index.json").read_text())["benchmarks"]
    told = [line for line in lines if line.startswith("== left out: ")]
    assert told
    page = json.loads((site / "data" / "site.json").read_text())["problems"]
    assert len(page) >= len(told)
