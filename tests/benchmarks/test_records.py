"""Records survive the trip to a file and back; what is not a record is refused with its reason."""

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest

from benchmarks.common.records import (
    MachineInfo,
    Measurement,
    RecordError,
    Run,
    nearest_rank,
    now_utc,
    summarize,
    this_machine,
    write_run,
)
from tests.runs import read_run


def measurement(**changes: Any) -> Measurement:
    fields: dict[str, Any] = {
        "name": "store",
        "subject": "p2pcore",
        "kind": "observed",
        "layout": "A",
        "nodes": 8,
        "processes": 2,
        "unit": "1/s",
        "values": [1.5, 2.0],
        "parameters": {"in_flight": 16, "loop": "uvloop"},
    }
    return Measurement(**fields | changes)


def run(**changes: Any) -> Run:
    fields: dict[str, Any] = {
        "machine": this_machine(),
        "commit": "0123abc",
        "versions": {"p2pcore": "0.1.0"},
        "began": now_utc(),
        "measurements": [measurement()],
    }
    return Run(**fields | changes)


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    first = run(measurements=[measurement(), measurement(name="retrieve", values=[0.1])])
    write_run(first, path)
    assert read_run(path) == first
    assert [place.name for place in tmp_path.iterdir()] == ["run.json"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"kind": "guessed"}, "kind 'guessed'"),
        ({"layout": "Z"}, "layout 'Z'"),
        ({"nodes": 0}, "0 nodes"),
        ({"values": []}, "no values"),
        ({"values": [1.0, math.nan]}, "nan"),
        ({"values": [math.inf]}, "inf"),
        ({"unit": ""}, "unit"),
    ],
)
def test_impossible_measurements(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(RecordError, match=reason):
        measurement(**changes)


@pytest.mark.parametrize("began", ["yesterday", "2024-05-01T10:00:00"])
def test_impossible_moments(began: str) -> None:
    with pytest.raises(RecordError, match="began"):
        run(began=began)


def change(document: dict[str, Any], path: list[str | int], value: object) -> None:
    place: Any = document
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (["measurements", 0, "nodes"], "eight", r"\$\.measurements\[0\]\.nodes|\[\.\.\.\]\.nodes"),
        (["measurements", 0, "kind"], "guessed", "guessed"),
        (["measurements", 0, "values"], [1.0, "2"], "values"),
        (["measurements", 0, "values"], [], "no values"),
        (["machine"], None, "machine"),
        (["format"], 2, "format 2"),
        (["began"], "today", "ISO 8601"),
    ],
)
def test_files_that_are_not_records(
    tmp_path: Path, path: list[str | int], value: object, reason: str
) -> None:
    file = tmp_path / "run.json"
    write_run(run(), file)
    document = json.loads(file.read_text())
    change(document, path, value)
    file.write_text(json.dumps(document))
    with pytest.raises(RecordError, match=f"run.json: .*({reason})"):
        read_run(file)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"values": [NaN]}', "\x00"])
def test_files_that_are_not_even_json_objects(tmp_path: Path, text: str) -> None:
    file = tmp_path / "run.json"
    file.write_text(text)
    with pytest.raises(RecordError, match=r"run\.json"):
        read_run(file)


def test_percentiles_are_measured_values() -> None:
    values = [float(value) for value in range(1, 1001)]
    random.Random(1).shuffle(values)
    summary = summarize(values)
    assert (summary.p50_s, summary.p95_s, summary.p99_s, summary.p999_s) == (500, 950, 990, 999)
    assert (summary.count, summary.max_s) == (1000, 1000)


def test_percentiles_of_few_values() -> None:
    assert nearest_rank([7.0], 1) == nearest_rank([7.0], 1000) == 7.0
    assert nearest_rank([1.0, 2.0, 3.0], 500) == 2.0
    assert nearest_rank([1.0, 2.0, 3.0, 4.0], 500) == 2.0
    assert nearest_rank([1.0, 2.0, 3.0, 4.0], 501) == 3.0
    assert summarize([3.0, 1.0, 2.0]).p99_s == 3.0


def test_percentiles_of_nothing() -> None:
    with pytest.raises(ValueError, match="no values"):
        summarize([])
    with pytest.raises(ValueError, match="thousandths"):
        nearest_rank([1.0], 0)


def test_this_machine_says_something() -> None:
    machine = this_machine()
    assert isinstance(machine, MachineInfo)
    assert machine.cores >= 1
    assert machine.processor
