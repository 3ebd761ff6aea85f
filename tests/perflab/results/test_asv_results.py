"""asv's result files, as they are and as they are not meant to be."""

import json
from pathlib import Path

from perflab.results.asv_results import current_versions, stored

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
