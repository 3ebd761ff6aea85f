"""Values and names as they are: infinite ones, torn files, names that differ in one sign."""

import json
import math
from dataclasses import replace
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.common.ruler import pairs, versions
from perflab.alerts.judge import What, judge
from perflab.alerts.report import as_markdown, as_table
from perflab.alerts.series import read_history as read_published
from perflab.archive.asv_files import read_results, read_suite_file
from perflab.archive.form import HistoryError
from perflab.gate.policy import load_policy
from perflab.results.asv_results import LAST_MS, ResultsError, current_versions, stored
from perflab.results.history import History, PublishedCommit, read_history
from perflab.results.suite import MAX_CASES, read_suite
from perflab.site.data import iso
from perflab.site.feeds import NO_XML
from perflab.site.readings import FigureReading
from tests.perflab.histories import commits_of, write_commit, write_suite

NAME = "a.B.track_c"
COMMITS = commits_of(3)
DEEP = "[" * 100_000 + "]" * 100_000  # deeper than any Python reads


def pages(results: Path) -> History:
    """What the site reads."""
    entries = json.loads((results / "benchmarks.json").read_text())
    del entries["version"]
    commits = [PublishedCommit(hash=each, subject="", author="", date_ms=0) for each in COMMITS]
    return read_history(results, read_suite(entries, results), commits)


def write_file(results: Path, commit: str, value: Any = 1.0, **changes: Any) -> Path:
    """A whole file of asv's, with these fields instead of the usual ones."""
    path = write_commit(results, commit, {NAME: [value]})
    content = json.loads(path.read_text())
    content |= {"date": 1, "params": {"machine": "box", "python": "3.11"}, "env_vars": {}}
    content |= {"python": "3.11", "requirements": {}}
    path.write_text(json.dumps(content | changes))
    return path


@pytest.mark.parametrize("value", [math.inf, -math.inf, 10**400])
def test_an_infinite_value_is_a_failure_and_is_told(tmp_path: Path, value: Any) -> None:
    write_suite(tmp_path, {NAME: {}})
    for number, each in enumerate((1.0, math.nan, value)):
        write_file(tmp_path, COMMITS[number], each)
    found = pages(tmp_path)
    series = found.series[0, NAME, 0]
    assert (series.at, series.values, series.failed) == ([0], [1.0], [2])
    assert found.problems == ["1 values are no finite numbers, and so failures"]
    (read,) = read_published(tmp_path, COMMITS, {}).series
    assert [point.value for point in read.points][::2] == [1.0, None]
    history = read_published(tmp_path, COMMITS, {})
    (finding,) = judge(history, COMMITS, load_policy(), date(2026, 11, 28), 5).findings
    assert finding.what is What.FAILING


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ""),
        ('{"version": 2, "results": {', ""),
        ("\ufeff{}", ""),
        ("[]", ""),
        (DEEP, "brackets within brackets"),
        ('{"version": 2, "commit_hash": "' + COMMITS[1] + '", "results": 3}', ""),
        ('{"version": 2, "commit_hash": "' + COMMITS[1] + '", "x": "\\ud83d"}', "half a character"),
        ('{"version": 2, "commit_hash": "' + COMMITS[1] + '", "results": {"x": null}, '
         '"result_columns": ["result"]}', ""),
    ],
)  # fmt: skip
def test_a_torn_file_costs_its_points_and_is_named(tmp_path: Path, text: str, told: str) -> None:
    write_suite(tmp_path, {NAME: {}})
    for commit in COMMITS:
        write_file(tmp_path, commit)
    torn = tmp_path / "box" / f"{COMMITS[1][:8]}-virtualenv-py3.11.json"
    torn.write_text(text, encoding="utf-8")
    found = pages(tmp_path)
    assert found.series[0, NAME, 0].at == [0, 2]
    (problem,) = found.problems
    assert problem.startswith(f"box/{torn.name}: ")
    assert told in problem
    with pytest.raises(ResultsError, match=torn.name):
        stored(torn)
    assert torn.name in str(read_published(tmp_path, COMMITS, {}).problems)
    with pytest.raises(HistoryError, match=torn.name):
        read_results(tmp_path)


@pytest.mark.parametrize("text", ["", "{", DEEP, "[]", '{"version": 2, "a.B.track_c": 3}'])
def test_a_torn_list_of_benchmarks_is_named(tmp_path: Path, text: str) -> None:
    write_file(tmp_path, COMMITS[0])
    (tmp_path / "benchmarks.json").write_text(text)
    with pytest.raises(ResultsError, match=r"benchmarks\.json: "):
        current_versions(tmp_path)
    with pytest.raises(HistoryError, match=r"benchmarks\.json: "):
        read_suite_file(tmp_path)
    assert "benchmarks.json" in str(read_published(tmp_path, COMMITS, {}).problems)


def test_names_that_differ_in_one_sign_have_files_of_their_own() -> None:
    names = [
        "a.b", "a_b", "A.b", "a.B", "a/b", "a\\b", "a\u00e9", "ae\u0301", "a:b",
        "x" * 300, "x" * 300 + "y", "x.plain",
    ]  # fmt: skip
    found = {each.name: each.file for each in read_suite({name: {} for name in names}, Path())}
    assert len({file.lower() for file in found.values()}) == len(names)
    assert found["x.plain"] == "x.plain.json"
    assert all(file.isascii() and len(file) <= 255 and "/" not in file for file in found.values())
    again = read_suite({name: {} for name in reversed(names)}, Path())
    assert {each.name: each.file for each in again} == found


def test_what_is_cut_is_said(tmp_path: Path) -> None:
    params = [[str(number) for number in range(50)], [str(number) for number in range(50)]]
    write_suite(tmp_path, {NAME: {"params": params, "param_names": ["x", "y"]}})
    path = write_commit(tmp_path, COMMITS[0], {NAME: [1.0] * 2500}, {NAME: params})
    content = json.loads(path.read_text())
    content |= {"date": 1, "params": {"machine": "box"}, "env_vars": {}}
    path.write_text(json.dumps(content))
    found = pages(tmp_path)
    assert len(found.series) == MAX_CASES
    told = f"benchmark {NAME!r}: the first 2,000 of 2,500 combinations of parameters"
    assert found.problems == [told]
    published = read_published(tmp_path, COMMITS, {})
    assert len(published.series) == MAX_CASES
    assert published.problems == (
        f"{NAME}: of 2,500 combinations of parameters the first 2,000 are read",
    )


def test_a_failed_benchmark_of_very_many_combinations_ends(tmp_path: Path) -> None:
    params = [[str(number) for number in range(1000)]] * 4
    write_suite(tmp_path, {NAME: {"params": params, "param_names": list("abcd")}})
    path = write_commit(tmp_path, COMMITS[0], {NAME: None}, {NAME: params})
    content = json.loads(path.read_text())
    content |= {"date": 1, "params": {"machine": "box"}, "env_vars": {}}
    path.write_text(json.dumps(content))
    assert "of 1,000,000,000,000 combinations" in str(pages(tmp_path).problems)
    assert len(read_published(tmp_path, COMMITS, {}).series) == MAX_CASES


@pytest.mark.parametrize(
    ("one", "other", "labels"),
    [
        ({"numpy": "1"}, {"numpy": "2"}, ["numpy 1", "numpy 2"]),
        ({"numpy": ""}, {"numpy": "2"}, ["", "numpy 2"]),
        ({"ram": "1", "x": "1"}, {"ram": "2", "x": "1"}, ["ram 1", "ram 2"]),
        ({}, {}, ["virtualenv-py3.11", "other-env"]),
    ],
)
def test_two_environments_of_one_machine_are_two_places(
    tmp_path: Path, one: dict[str, str], other: dict[str, str], labels: list[str]
) -> None:
    write_suite(tmp_path, {NAME: {}})
    about = {"machine": "box", "python": "3.11"}
    write_file(tmp_path, COMMITS[0], params=about | one)
    path = write_file(tmp_path, COMMITS[1], params=about | other, env_name="other-env")
    path.rename(path.with_name(f"{COMMITS[1][:8]}-other-env.json"))
    found = pages(tmp_path)
    told = [", ".join(filter(None, ("box", "Python 3.11", label))) for label in labels]
    assert [each.label for each in found.places] == told
    assert len({each.id for each in found.places}) == 2
    assert {place for place, _, _ in found.series} == {0, 1}


@pytest.mark.parametrize("moment", [math.inf, math.nan, -5, 10**30, "soon", None, True])
def test_times_that_are_none_stop_nothing(tmp_path: Path, moment: Any) -> None:
    write_suite(tmp_path, {NAME: {}})
    path = write_file(tmp_path, COMMITS[0], date=moment)
    content = json.loads(path.read_text())
    content["results"][NAME] = [[1.0], [], "1", moment, 1.0]
    path.write_text(json.dumps(content))
    found = pages(tmp_path)
    assert not found.problems
    assert iso(found.places[0].measured_ms[0]) == "1970-01-01T00:00Z"
    assert iso(10**30) == iso(LAST_MS) == "9999-12-31T23:59Z"


@pytest.mark.parametrize(
    ("inverted", "ratio", "told"),
    [
        (False, math.inf, "from 0"),
        (False, 0.0, "\N{MINUS SIGN}100 %"),
        (True, math.inf, "from ∞"),
        (True, 0.0, "to ∞"),
        (True, 2.0, "\N{MINUS SIGN}50.0 %"),
    ],
)
def test_a_change_from_or_to_nothing_is_no_percentage(
    inverted: bool, ratio: float, told: str
) -> None:
    assert FigureReading(unit="x", inverted=inverted).change(ratio) == told


def test_alerts_name_the_environment_where_there_are_two(tmp_path: Path) -> None:
    write_suite(tmp_path, {NAME: {"kind": "exact"}})
    for number, value in enumerate((5.0, 5.0, 6.0)):
        path = write_file(tmp_path, COMMITS[number], value)
        content = json.loads(path.read_text()) | {"env_name": "other-env"}
        path.with_name(f"{COMMITS[number][:8]}-other-env.json").write_text(json.dumps(content))
    history = read_published(tmp_path, COMMITS, {})
    report = judge(history, COMMITS, load_policy(), date(2026, 11, 28), 5)
    for text in (as_table(report), as_markdown(report)):
        assert "box in other-env" in text
        assert "box in virtualenv-py3.11" in text
    one = replace(report, findings=report.findings[:1])
    assert "box, at" in as_table(one)


def test_a_name_in_a_list_leads_to_no_file_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_text('class K:\n    """A secret."""\n')
    folder = tmp_path / "suites"
    folder.mkdir()
    for module in (str(tmp_path / "secret"), "../secret"):
        (found,) = read_suite({f"{module}.K.track_it": {}}, folder)
        assert found.catches == ""


def test_a_feed_holds_any_text() -> None:
    made = ElementTree.Element("title")
    made.text = NO_XML.sub("?", "".join(map(chr, [*range(32), 0x7F, 0xD800, 0xDFFF, 0xFFFE, 65])))
    assert ElementTree.fromstring(ElementTree.tostring(made, encoding="utf-8")).text


@pytest.mark.parametrize(
    ("version", "slow"), [("3, ruler 1", [1.0, 1.85, None]), ("3", [None] * 3)]
)
def test_beside_a_ruler_it_is_known_how_slow_the_machine_was(
    tmp_path: Path, version: str, slow: list[float | None]
) -> None:
    write_suite(tmp_path, {NAME: {"version": version}})
    columns = ["result", "params", "version", "stats_number"]
    for commit, number in zip(COMMITS, ([1000], [1850], None), strict=True):
        path = write_file(tmp_path, commit, result_columns=columns)
        content = json.loads(path.read_text())
        content["results"][NAME] = [[0.5], [], version, number]
        path.write_text(json.dumps(content))
    series = pages(tmp_path).series[0, NAME, 0]
    assert series.slow == slow
    assert series.values == [0.5] * 3


def test_readers_and_suites_agree_on_how_a_ruler_is_written() -> None:
    """What reads files knows nothing of the suites; so the words are there twice."""
    suite, results = (import_module(f"perflab.results.{name}") for name in ("suite", "history"))
    assert suite.RULER in versions.beside("3", 1)
    assert results.PER_MILLE == pairs.PER_MILLE
