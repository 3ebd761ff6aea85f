"""The kept history: nothing is lost on the way there and back, and merging has no order."""

import itertools
import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perflab.archive.archive import Archive, read_archive, write_archive
from perflab.archive.asv_files import file_name, lay_out, read_results
from perflab.archive.form import ArchivedCommit, ArchivedValue, HistoryError, Suite, decoded, line
from perflab.archive.kinds import FiledHead
from perflab.archive.reports import FiledItem
from perflab.archive.thinning import DAY_MS, superfluous
from perflab.results.history import PublishedCommit, read_history
from perflab.results.suite import read_suite
from tests.perflab.synthetic import make_project, result_file, write_result

ODD = [math.nan, None, math.inf, -math.inf, 3, 0.1 + 0.2, 1e-300]


def entry(commit: str = "a" * 40, machine: str = "lab", **fields: Any) -> ArchivedCommit:
    return ArchivedCommit(
        commit_hash=commit,
        env_name=fields.pop("env_name", "virtualenv-py3.11"),
        date=fields.pop("date", 1),
        params={"machine": machine, "cpu": fields.pop("cpu", "made-up")},
        python="3.11",
        requirements={},
        **{"results": {}, **fields},
    )


values = st.lists(st.sampled_from([1, 2.5, "NaN", None]), min_size=1, max_size=2)
rows = st.builds(
    lambda *cells: ArchivedValue(*cells),  # builds() would make up the cells that are left out
    st.none() | values,
    st.just([]),
    st.sampled_from(["1", "2"]),
    st.none() | st.integers(0, 3),
)
entries = st.builds(
    entry,
    commit=st.sampled_from(["a" * 40, "b" * 40]),
    machine=st.sampled_from(["lab", "other"]),
    cpu=st.sampled_from(["old", "new"]),
    results=st.dictionaries(st.sampled_from(["x", "y"]), rows),
    durations=st.dictionaries(st.just("<build>"), st.floats(0, 9)),
)
suites = st.builds(Suite, measured_ms=st.integers(0, 2), benchmarks=st.just({}) | st.just({"x": 1}))
reports = st.lists(
    st.builds(
        lambda place, began, data: FiledItem(
            kind="readiness", place=place, head=FiledHead(began=began), files={"report.json": data}
        ),
        st.sampled_from(["readiness/m/1", "readiness/m/2"]),
        st.sampled_from(["", "2026"]),
        st.binary(max_size=1),
    ),
    max_size=2,
)
histories = st.builds(
    lambda found, suite, filed: of(found, suite, filed),
    st.lists(entries, max_size=4),
    st.none() | suites,
    reports,
)


def of(
    found: list[ArchivedCommit], suite: Suite | None = None, filed: list[FiledItem] | None = None
) -> Archive:
    kept = Archive(suite=suite, reports={each.place: each for each in filed or ()})
    for each in found:
        kept.add(each)
    return kept


def union(*several: Archive) -> Archive:
    kept = Archive()
    for each in several:
        kept.merge(each)
    return kept


@given(histories, histories, histories)
def test_merging_has_no_order_and_loses_nothing(one: Archive, two: Archive, three: Archive) -> None:
    whole = union(one, two, three)
    assert whole == union(three, union(two, one)) == union(whole, two, whole)
    for each in (one, two, three):
        for key, held in each.entries.items():
            for name, row in held.results.items():
                assert whole.entries[key].results[name].began >= row.began
    kept_rows = [row for each in whole.entries.values() for row in each.results.values()]
    given_rows = [
        row
        for each in (one, two, three)
        for held in each.entries.values()
        for row in held.results.values()
    ]
    assert all(row in given_rows for row in kept_rows)


@given(st.lists(entries, max_size=5))
def test_lines_as_git_merges_them_are_read_as_one(found: list[ArchivedCommit]) -> None:
    """`merge=union` leaves the lines of both branches, in any order, equal ones once or twice."""
    lines = [line(each) for each in found]
    again = [decoded(each, ArchivedCommit) for each in (*lines, *reversed(lines))]
    assert of(again) == of(found)


def test_every_line_says_its_form_and_is_the_same_once_read(results: Path, tmp_path: Path) -> None:
    write_archive(tmp_path / "kept", read_results(results))
    for path in (tmp_path / "kept").rglob("*.jsonl"):
        for text in path.read_bytes().splitlines(keepends=True):
            assert next(iter(json.loads(text).items())) == ("form", 1)
            assert line(decoded(text, Suite if path.stem == "suite" else ArchivedCommit)) == text


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Four commits on two machines, with every kind of value that asv stores."""
    root = tmp_path / "project"
    hashes = make_project(root, commits=4, machines=("lab", "other"))
    folder = root / ".asv" / "results"
    suite = json.loads((folder / "benchmarks.json").read_text())
    listed = [each for name, each in suite.items() if name != "version"]
    content = result_file(listed, "lab", hashes[1], 1, (), random.Random(2))
    for row, value in zip(content["results"].values(), itertools.cycle(ODD), strict=False):
        row[0] = [value, *row[0][1:]]
        row[5][0], row[6][0] = -math.inf, math.inf
    first, second = list(content["results"])[:2]
    content["results"][first] = [None, [], "1"]  # it failed as a whole; asv cuts what follows
    content["results"][second][2] = "0"
    content["env_vars"] = {"MODE": "fast"}
    write_result(folder, content)
    return folder


def seen(results: Path, suites: Path) -> str:
    """All that asv publish and our pages read of it. The order of machines' fields is not kept."""
    from asv.results import iter_results

    suite = json.loads((results / "benchmarks.json").read_text())
    del suite["version"]
    stock = {}
    for one in iter_results(str(results)):
        figures = {
            name: (
                one.get_result_value(name, suite[name]["params"]),
                one.get_result_stats(name, suite[name]["params"]),
            )
            for name in sorted(one.get_all_result_keys())
        }
        about = one.date, sorted(one.params.items()), one.env_vars
        stock[one.params["machine"], one.commit_hash, one.env_name] = about, figures
    hashes = sorted({commit for _, commit, _ in stock})
    commits = [PublishedCommit(hash=each, subject="", author="", date_ms=0) for each in hashes]
    ours = read_history(results, read_suite(suite, suites), commits)
    places = [[(name, str(value)) for name, value in sorted(each.params.items())]
              for each in ours.places]  # fmt: skip
    measured = [(each.commits, each.measured_ms) for each in ours.places]
    machines = [
        (str(path.relative_to(results)), sorted(json.loads(path.read_text()).items()))
        for path in sorted(results.glob("*/machine.json"))
    ]
    pages = places, measured, sorted(ours.series.items()), ours.problems
    return repr((sorted(stock.items()), suite, machines, pages))


def test_there_and_back_loses_nothing_that_a_site_shows(results: Path, tmp_path: Path) -> None:
    suites = results.parents[1] / "suites"
    write_archive(tmp_path / "kept", read_results(results))
    back = tmp_path / "back"
    laid = lay_out(read_archive(tmp_path / "kept"), back)
    assert (laid.new, laid.filled, laid.suite, laid.problems) == (8, 0, True, [])
    assert seen(back, suites) == seen(results, suites)
    again = lay_out(read_archive(tmp_path / "kept"), back)
    assert (again.new, again.filled, again.suite) == (0, 0, False)
    write_archive(tmp_path / "twice", read_results(back))
    assert files(tmp_path / "twice") == files(tmp_path / "kept")


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_what_was_measured_later_here_stays_with_its_samples(results: Path, tmp_path: Path) -> None:
    kept = read_results(results)
    (path, *_) = sorted(results.glob("lab/*-*.json"))
    content = json.loads(path.read_text())
    content["result_columns"].append("samples")
    newer, older, gone = list(content["results"])[2:5]
    for name in (newer, older):
        content["results"][name] += [[[1.0, math.nan]]]
    content["results"][newer][3] += 1
    content["results"][older][3] -= 1
    expected = dict(content["results"])
    del content["results"][gone]
    path.write_text(json.dumps(content))
    mine = [newer, *list(expected)[:2], *list(expected)[5:]]
    laid = lay_out(kept, results)
    assert (laid.new, laid.filled, laid.suite) == (0, 1, False)
    filled = json.loads(path.read_text())["results"]
    columns = json.loads(path.read_text())["result_columns"]
    assert repr({name: filled[name] for name in mine}) == repr(
        {name: expected[name] for name in mine}
    )
    there = read_results(results).entries
    at = next(each for each in kept.entries.values() if path == results / "lab" / file_name(each))
    assert {name: there[at.key].results[name] for name in (older, gone)} == {
        name: at.results[name] for name in (older, gone)
    }
    assert filled[older][columns.index("samples")] is None  # they are of the older measurement


def test_files_are_named_as_asv_names_them() -> None:
    from asv.results import get_filename

    for environment in ("virtualenv-py3.11", "virtualenv-" + "x" * 200):
        one = entry(env_name=environment)
        assert f"lab/{file_name(one)}" == get_filename("lab", one.commit_hash, environment)


def test_the_suite_that_was_measured_with_last_is_shown(results: Path, tmp_path: Path) -> None:
    kept = read_results(results)
    assert kept.suite
    old = Suite(measured_ms=kept.suite.measured_ms - 1, benchmarks={"version": 2})
    new = Suite(measured_ms=kept.suite.measured_ms + 1, benchmarks={"version": 2})
    for suite, replaced in ((old, False), (kept.suite, False), (new, True)):
        assert lay_out(Archive(suite=suite), results).suite is replaced
    assert json.loads((results / "benchmarks.json").read_text()) == {"version": 2}


def torn(text: bytes) -> bytes:
    return text[: len(text) // 2]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (torn, "not whole, or no JSON"),
        (lambda text: b"<<<<<<< HEAD\n", "not whole, or no JSON"),
        (lambda text: text.replace(b'"form":1', b'"form":2'), "form 2; this program reads form 1"),
        (lambda text: text.replace(b'"date":1', b'"date":"x"'), r"got `str` - at `\$.date`"),
        (lambda text: text.replace(b'"result', b'"unknown'), "missing required field `results`"),
        (lambda text: text.replace(b"[[1]", b"[[[]]"), r"got `array` - at `\$.results"),
        (lambda text: text.replace(b"a" * 40, b"a" * 8), "commit_hash is 'aaaaaaaa'"),
        (lambda text: text.replace(b'"lab"', b'"../lab"'), "cannot name a file"),
        (lambda text: text.replace(b'"lab"', b'"box"'), "machine 'box', and that has a file"),
        (lambda text: b"[]\n", "Expected `object`, got `array`"),
    ],
)
def test_a_damaged_line_is_named_and_nothing_is_changed(
    tmp_path: Path, damage: Callable[[bytes], bytes], told: str
) -> None:
    good = entry(commit="b" * 40, results={"x": ArchivedValue([1], [], "1", 1)})
    bad = entry(results={"x": ArchivedValue([1], [], "1", 1)})
    write_archive(tmp_path, of([good]))
    path = tmp_path / "machines" / "lab.jsonl"
    path.write_bytes(line(good) + damage(line(bad)) + line(good))
    before = files(tmp_path)
    with pytest.raises(HistoryError, match=rf"(?s)lab\.jsonl, line 2: .*{told}"):
        read_archive(tmp_path)
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"version": 2, "results": {', "not whole, or no JSON"),
        ('{"version": 1}', "version 1 of asv's form"),
        ('{"version": 2, "results": {}}', "it has no 'result_columns'"),
        ("[]", "version None"),
    ],
)
def test_a_damaged_file_of_asv_is_named_or_left_alone(results: Path, text: str, told: str) -> None:
    kept = read_results(results)
    (path, *_) = sorted(results.glob("lab/*-*.json"))
    path.write_text(text)
    with pytest.raises(HistoryError, match=told):
        read_results(results)
    laid = lay_out(kept, results)
    assert [told in problem for problem in laid.problems] == [True, False]
    assert "in the way" in laid.problems[1]
    assert path.read_text() == text


def test_a_long_history_is_thinned_to_the_same_commits_each_time() -> None:
    branch = [f"{number:040x}" for number in range(100)]
    found = [
        entry(commit, date=number * DAY_MS)
        for number, commit in enumerate(branch)
        if number % 10 != 0  # the nights before were too short
    ]
    found.append(entry("f" * 40))  # on another branch
    asked: Any = {"days": 20, "one_in": 10}

    def thinned(entries: list[ArchivedCommit], day: int) -> list[int]:
        tagged = {branch[33]}
        gone = superfluous(entries, branch, tagged, now_ms=day * DAY_MS, **asked)
        return [int(each.commit_hash, 16) for each in entries if each.key not in gone]

    kept = thinned(found, 99)
    recent = [number for number in range(79, 100) if number % 10]
    assert kept == [1, 11, 21, 31, 33, 41, 51, 61, 71, *recent, int("f" * 40, 16)]
    left = [each for each in found if int(each.commit_hash, 16) in kept]
    assert thinned(left, 99) == kept
    later = thinned(left, 1000)
    assert (
        later == thinned(found, 1000) == [*range(1, 32, 10), 33, *range(41, 92, 10), 99, kept[-1]]
    )
