"""What a suite gives asv is understood there; a commit that lacks a thing is skipped."""

import json
from pathlib import Path
from typing import Any

import pytest
from asv.runner import run_benchmark

from benchmarks.common import subject
from benchmarks.common.disk import NoDiskError
from benchmarks.common.sampling import as_samples, read, record


class FakeSpawner:
    """Stands in for the process that runs a benchmark: leaves its result where asv looks for it."""

    def __init__(self, result: object) -> None:
        self._result = result

    def run(self, *, result_file_name: str, **_: Any) -> tuple[str, int]:
        Path(result_file_name).write_text(json.dumps(self._result))
        return "", 0


def test_asv_takes_samples_from_a_track() -> None:
    """Nothing documents this: a pinned asv and this test are what it rests on."""
    benchmark = {"name": "b", "params": [], "timeout": 10}
    spawner = FakeSpawner(as_samples([0.25, 0.5, 0.75]))
    result = run_benchmark(benchmark, spawner, profile=False)
    assert result.samples == [[0.25, 0.5, 0.75]]
    assert result.number == [1]
    assert result.errcode == 0


def test_samples_keep_five_digits() -> None:
    assert as_samples([0.000123456789, 12345.678])["samples"] == [0.00012346, 12346.0]


def test_a_record_is_read_by_its_key() -> None:
    found = record(lambda: {("p50", 16): [1.0, 2.0]})
    assert read(found, "p50", 16) == [1.0, 2.0]
    with pytest.raises(NotImplementedError, match="99"):
        read(found, "p99", 16)


def test_a_machine_without_a_disk_leaves_a_marker() -> None:
    def no_disk() -> dict[Any, list[float]]:
        raise NoDiskError("no disk here to sync to: /tmp (tmpfs)")

    found = record(no_disk)
    with pytest.raises(NotImplementedError, match="no disk here"):
        read(found, "sync")


def test_a_commit_without_the_feature_leaves_a_marker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "supports", lambda feature: feature != "delete")

    def never() -> dict[Any, list[float]]:
        raise AssertionError("a commit without the feature must not be measured")

    marker = record(never, "delete")
    with pytest.raises(NotImplementedError, match="no delete yet"):
        read(marker, "anything")


def test_a_scenario_that_fails_is_a_failure_and_not_a_skip() -> None:
    def broken() -> dict[Any, list[float]]:
        raise ValueError("wrong answer")

    with pytest.raises(ValueError, match="wrong answer"):
        record(broken)
