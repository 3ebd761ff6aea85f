"""Records of load runs are read strictly; what a kill leaves is read as far as it goes."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from perflab.load.figures import figures, generator_reasons, judged
from perflab.load.record import (
    FORMAT,
    HEAD,
    ROW,
    VERSION,
    Interval,
    LoadManifest,
    LoadRecordError,
    Result,
    read_load,
)

MS = 1_000_000
SECOND = 1_000_000_000


def manifest(**changed: Any) -> dict[str, Any]:
    phases = [("warm-up", 0.0, 1.0), ("steady", 1.0, 11.0)]
    made = LoadManifest(
        format=FORMAT, version=VERSION, began="2026-11-23T12:00:00+00:00", command="load",
        commit="", versions={}, machine={}, seed=1, target="swarm", layout="B", nodes=3, clients=2,
        scenario={"name": "it", "phase": [{"warm_up": True}, {"warm_up": False}]}, interval_s=1.0,
        zero_mono_ns=0, zero_wall_ns=0, phases=phases,
    )  # fmt: skip
    return asdict(made) | changed


def row(due_ms: int, took_ms: float, outcome: int = 0, error: int = 0, lag_ms: float = 0) -> bytes:
    due, begun = due_ms * MS, round((due_ms + lag_ms) * MS)
    if outcome == 1:
        return ROW.pack(due, -1, -1, 7, 0, 1, 0)
    return ROW.pack(due, begun, round((due_ms + took_ms) * MS), 7, 0, outcome, error)


def interval(process: int, at_s: float = 11, cpu_s: float = 1.0) -> str:
    made = Interval(
        process=process, at_ns=round(at_s * SECOND), scheduled=1, dropped=0, late=0, ended=1,
        in_flight=0, lag_max_ns=0, cpu_s=cpu_s,
    )  # fmt: skip
    return json.dumps({"type": "interval", **asdict(made)}) + "\n"


RESULT = Result(
    end="complete", message="", elapsed_s=11, generator_bound=False, generator_reasons=[]
)


def write(directory: Path, rows: list[list[bytes]], names: list[list[str]], **files: str) -> Path:
    (directory / "manifest.json").write_text(files.get("manifest", json.dumps(manifest())))
    for number, (own, errors) in enumerate(zip(rows, names, strict=True)):
        (directory / f"operations-{number}.bin").write_bytes(HEAD + b"".join(own))
        named = (
            json.dumps({"type": "error", "number": place, "name": name}) + "\n"
            for place, name in enumerate(errors, 1)
        )
        lines = "".join(named) + interval(number)
        (directory / f"intervals-{number}.jsonl").write_text(lines)
    (directory / "result.json").write_text(json.dumps(asdict(RESULT)))
    return directory


def test_processes_are_merged_without_loss_and_errors_keep_their_names(tmp_path: Path) -> None:
    rows = [
        [row(1000, 5), row(3000, 7, outcome=4, error=2), row(500, 9)],
        [row(2000, 6, outcome=2, error=1), row(2500, 0, outcome=1), row(4000, 8, 4, 2)],
    ]
    record = read_load(write(tmp_path, rows, [["Odd", "Broken"], ["Slow", "Odd"]]))
    assert record.usable
    assert [due // MS for due in record.rows["due_ns"].tolist()] == [
        500, 1000, 2000, 2500, 3000, 4000,
    ]  # fmt: skip
    found = figures(judged(record), record.errors, 10.0)
    assert found.errors == {"Slow": 1, "Broken": 1, "Odd": 1}
    assert (found.scheduled, found.ok, found.dropped, found.timed_out, found.failed) == (
        5, 1, 1, 1, 2,
    )  # fmt: skip
    assert found.latency_s["p50"] is None
    assert found.latency_s["max"] == 0.005


def test_percentiles_are_of_all_that_was_due(tmp_path: Path) -> None:
    good = [row(1000 + number, number + 1) for number in range(989)]
    bad = [row(2000 + number, 1, outcome=4, error=1) for number in range(11)]
    record = read_load(write(tmp_path, [good, bad], [[], ["Odd"]]))
    found = figures(record.rows, record.errors, 10.0)
    assert found.latency_s["p50"] == pytest.approx(0.5)
    assert found.latency_s["p95"] == pytest.approx(0.95)
    assert found.latency_s["p99"] is None  # of 1,000 the 990th did not succeed
    assert found.latency_s["max"] == pytest.approx(0.989)


@pytest.mark.parametrize(
    ("lag_ms", "took_ms", "cpu_s", "reasons"),
    [(0.1, 5, 1, 0), (11, 15, 1, 1), (9, 9.5, 1, 0), (11, 100, 1, 0), (1.9, 2, 10.9, 0),
     (3, 100, 10.9, 1)],
)  # fmt: skip
def test_a_generator_that_was_the_bottleneck_is_told(
    tmp_path: Path, lag_ms: float, took_ms: float, cpu_s: float, reasons: int
) -> None:
    rows = [row(1000 + number, took_ms, lag_ms=lag_ms) for number in range(100)]
    write(tmp_path, [rows, []], [[], []])
    (tmp_path / "intervals-0.jsonl").write_text(interval(0, cpu_s=cpu_s))
    assert len(generator_reasons(read_load(tmp_path))) == reasons


def test_what_a_kill_leaves_is_read(tmp_path: Path) -> None:
    write(tmp_path, [[row(1, 1), row(2, 1)[:20]], []], [[], []])
    (tmp_path / "result.json").unlink()
    (tmp_path / "operations-1.bin").unlink()
    (tmp_path / "intervals-1.jsonl").unlink()
    (tmp_path / "events.jsonl").write_text('{"at_ns":0,"kind":"phase","text":"a"}\n{"at_n')
    record = read_load(tmp_path)
    assert record.result is None
    assert not record.usable
    assert len(record.rows) == 1
    assert [event.text for event in record.events] == ["a"]
    assert record.torn == ("operations-0.bin", "events.jsonl")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("manifest.json", b"{", "manifest.json"),
        ("manifest.json", json.dumps(manifest(version=2)).encode(), "version 2"),
        ("manifest.json", json.dumps(manifest(format="other")).encode(), "'other'"),
        ("result.json", b'{"end": "complete"}', "result.json"),
        ("operations-0.bin", b"something else entirely", "does not begin"),
        ("operations-0.bin", HEAD + ROW.pack(1, 2, 3, 7, 99, 0, 0), "kind or outcome"),
        ("operations-0.bin", HEAD + ROW.pack(1, 3, 2, 7, 0, 0, 0), "ended before"),
        ("operations-0.bin", HEAD + ROW.pack(1, 2, 3, 7, 0, 4, 9), "never named"),
        ("intervals-0.jsonl", b'{"type":"other"}\n', "no known type"),
        ("intervals-0.jsonl", b'{"type":"interval"}\n', "intervals-0"),
        ("events.jsonl", b"[]\n", "events.jsonl"),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    write(tmp_path, [[], []], [[], []])
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LoadRecordError, match=words):
        read_load(tmp_path)


def test_what_was_missed_makes_a_run_unusable_whatever_the_percentiles_say(tmp_path: Path) -> None:
    rows = [row(1000 + number, 5) for number in range(90)]
    never = [ROW.pack(2000 * MS, -1, -1, 7, 0, 6, 0)] * 10
    record = read_load(write(tmp_path, [rows, never], [[], []]))
    found = figures(record.rows, record.errors, 10.0)
    assert (found.missed, found.success) == (10, 0.9)
    assert ["10 operations" in reason for reason in generator_reasons(record)] == [True]
