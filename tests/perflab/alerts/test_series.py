"""asv's files as series: gaps, failures, parameters, kinds, and files that are broken."""

import json
import math
from pathlib import Path

from perflab.alerts.series import Point, read_history, suite_kinds
from perflab.gate.record import Kind
from tests.perflab.histories import ENVIRONMENT, commits_of, write_commit, write_suite

ROOT = Path(__file__).parents[3]
COMMITS = commits_of(4)
PARAMS = [["'store'", "'retrieve'"], ["64"]]


def test_a_series_per_machine_and_choice_of_parameters(tmp_path: Path) -> None:
    write_suite(tmp_path, {"a.B.track_c": {"params": PARAMS}})
    for place, machine in ((0, "box"), (2, "box"), (1, "rack")):
        found = {"a.B.track_c": [1.0 + place, 2.0 + place]}
        write_commit(tmp_path, COMMITS[place], found, {"a.B.track_c": PARAMS}, machine)
    write_commit(tmp_path, "f" * 40, {"a.B.track_c": [9.0, 9.0]}, {"a.B.track_c": PARAMS})
    history = read_history(tmp_path, COMMITS, {"a.B": Kind.PAIRED})
    told = {(each.machine, each.name): each.points for each in history.series}
    assert told == {
        ("box", "a.B.track_c('store', 64)"): (
            Point(0, COMMITS[0], 1.0),
            Point(2, COMMITS[2], 3.0),
        ),
        ("box", "a.B.track_c('retrieve', 64)"): (
            Point(0, COMMITS[0], 2.0),
            Point(2, COMMITS[2], 4.0),
        ),
        ("rack", "a.B.track_c('store', 64)"): (Point(1, COMMITS[1], 2.0),),
        ("rack", "a.B.track_c('retrieve', 64)"): (Point(1, COMMITS[1], 3.0),),
    }
    assert {each.kind for each in history.series} == {Kind.PAIRED}
    assert {each.environment for each in history.series} == {ENVIRONMENT}
    assert {each.machine for each in read_history(tmp_path, COMMITS, {}, "rack").series} == {"rack"}


def test_failures_what_does_not_apply_and_other_versions(tmp_path: Path) -> None:
    name = "a.B.track_c"
    write_suite(tmp_path, {name: {"params": [["1", "2"]]}})
    params = {name: [["1", "2"]]}
    write_commit(tmp_path, COMMITS[0], {name: [1.0, 2.0]}, params, version="0")
    write_commit(tmp_path, COMMITS[1], {name: [None, math.nan]}, params)
    write_commit(tmp_path, COMMITS[2], {name: None}, params)
    write_commit(tmp_path, COMMITS[3], {name: [3.0]}, {name: [["2"]]})
    one, two = read_history(tmp_path, COMMITS, {}).series
    assert [(point.place, point.value) for point in one.points] == [(1, None), (2, None)]
    assert [point.place for point in two.points] == [1, 2, 3]
    assert [point.value for point in two.points][1:] == [None, 3.0]
    assert math.isnan(two.points[0].value or 0)


def test_a_broken_file_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    write_suite(tmp_path, {"a.B.time_c": {}})
    write_commit(tmp_path, COMMITS[0], {"a.B.time_c": [1.0]})
    for number, text in enumerate(("{", "[]", '{"results": {}}')):
        (tmp_path / "box" / f"broken{number}.json").write_text(text)
    history = read_history(tmp_path, COMMITS, {})
    assert [each.points for each in history.series] == [(Point(0, COMMITS[0], 1.0),)]
    assert len(history.problems) == 3
    assert history.problems[0].startswith("box/broken0.json cannot be read")


def test_kind_and_direction_from_asvs_own_file_go_first(tmp_path: Path) -> None:
    write_suite(tmp_path, {"a.B.time_c": {"kind": "exact", "better": "higher"}, "a.X.time_y": {}})
    write_commit(tmp_path, COMMITS[0], {"a.B.time_c": [1.0], "a.X.time_y": [1.0]})
    one, other = read_history(tmp_path, COMMITS, {"a.B": Kind.PAIRED}).series
    assert (one.kind, one.higher_is_better) == (Kind.EXACT, True)
    assert (other.kind, other.higher_is_better) == (Kind.OBSERVED, False)


def test_nothing_measured_is_no_series(tmp_path: Path) -> None:
    assert read_history(tmp_path / "none", COMMITS, {}).series == ()


def test_every_class_of_the_suites_has_its_kind(tmp_path: Path) -> None:
    kinds = suite_kinds(ROOT / "benchmarks")
    assert kinds["baseline.Cpu"] is Kind.PAIRED
    assert kinds["counts.Messages"] is Kind.EXACT
    recorded = json.loads((ROOT / "tests/perflab/recorded/benchmarks.json").read_text())
    assert {name.rpartition(".")[0] for name in recorded if name != "version"} <= kinds.keys()
