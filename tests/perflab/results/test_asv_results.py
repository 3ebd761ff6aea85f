"""asv's result files, as they are and as they are not meant to be."""

import json
from pathlib import Path

import pytest

from perflab.results.asv_results import (
    Row,
    columns_of,
    current_versions,
    read_content,
    stored,
)

VERSIONS = {"a.time_x": "1", "a.track_y": "2", "b.track_z": "1"}


def write(path: Path, results: dict[str, object]) -> Path:
    path.write_text(
        json.dumps(
            {
                "version": 2,
                "result_columns": ["result", "params", "version", "started_at", "duration"],
                "results": results,
                "durations": {"<build>": 1.5, "a.setup_cache": 0.25},
            }
        )
    )
    return path


def test_a_whole_file_lacks_nothing(tmp_path: Path) -> None:
    file = stored(
        write(
            tmp_path / "x.json",
            {
                "a.time_x": [[1e-7, 2e-7], [["1", "2"]], "1", 0, 2.0],
                "a.track_y": [[float("nan")], [], "2", 0, 0.25],
                "b.track_z": [[3], [], "1"],
            },
        )
    )
    assert file.lacking(VERSIONS) == []
    assert file.failed(VERSIONS) == []
    assert file.seconds == 4.0


def test_other_versions_are_stale_and_nulls_are_failures(tmp_path: Path) -> None:
    file = stored(
        write(
            tmp_path / "x.json",
            {
                "a.time_x": [[1e-7, None], [["1", "2"]], "1", 0, 2.0],
                "a.track_y": [[1.0], [], "1", 0, 2.0],
                "b.track_z": [None, [], "1", 0, None],
            },
        )
    )
    assert file.lacking(VERSIONS) == ["a.track_y"]
    assert file.failed(VERSIONS) == ["a.time_x", "b.track_z"]


def test_an_absent_file_lacks_everything(tmp_path: Path) -> None:
    file = stored(tmp_path / "x.json")
    assert file.lacking(VERSIONS) == list(VERSIONS)
    assert file.failed(VERSIONS) == []
    assert file.seconds == 0


def test_versions_of_the_suite(tmp_path: Path) -> None:
    assert current_versions(tmp_path) == {}
    suite = {"version": 2, "a.time_x": {"version": "1"}, "a.track_y": {"version": "2"}}
    (tmp_path / "benchmarks.json").write_text(json.dumps(suite))
    assert current_versions(tmp_path) == {"a.time_x": "1", "a.track_y": "2"}


def test_the_form_of_until_2019_is_read_as_asv_would_bring_it_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    content = {
        "version": 1, "commit_hash": "a" * 40, "date": 1, "env_name": "conda-py3.6",
        "params": {"machine": "box"}, "python": "3.6", "requirements": {},
        "results": {
            "a.time_x": 0.5,
            "a.time_y": {"params": [["1", "2"]], "result": [1.0, None], "stats": [
                {"ci_99": [0.9, 1.1], "q_25": 0.95, "q_75": 1.05, "number": 1, "repeat": 2}, None]},
        },
    }  # fmt: skip
    path.write_text(json.dumps(content))
    found = read_content(path)
    columns = columns_of(found)
    row = Row(found["results"]["a.time_y"], columns)
    assert row("result") == [1.0, None]
    assert row("params") == [["1", "2"]]
    assert row("stats_ci_99_a") == [0.9, None]
    assert Row(found["results"]["a.time_x"], columns)("result") == [0.5]
    assert stored(path).records["a.time_y"].failed
    path.write_text(json.dumps({"version": 1, "a.time_x": {"name": "a.time_x", "params": []}}))
    assert read_content(path) == {"version": 2, "a.time_x": {"name": "a.time_x", "params": []}}
    path.write_text(json.dumps({"version": 1, "results": {"a.time_x": {"result": [1.0]}}}))
    with pytest.raises(ValueError, match="version 1 of asv's form, and not whole"):
        read_content(path)
