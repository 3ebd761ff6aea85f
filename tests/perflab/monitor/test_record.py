"""A monitor's file is read as typed series, torn at the end or not, and damage is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from perflab.monitor.columns import MetricColumn
from perflab.monitor.record import SeriesError, read_recording

HEADER: dict[str, Any] = {
    "format": "p2pcore-monitor", "version": 1, "interval_ns": 10**8,
    "mono_ns": 10**9, "wall_ns": 0, "machine": {"name": "here"},
}  # fmt: skip
CPU = {"name": "cpu", "unit": "s", "kind": "counter"}
RSS = {"name": "rss", "unit": "B", "kind": "gauge"}
EXTRA = {"name": "records", "unit": "1", "kind": "gauge"}
NODE: dict[str, Any] = {
    "type": "process", "at": 10**9, "process": 0, "pid": 7, "name": "node 0",
    "columns": [CPU, RSS], "slow_columns": [], "unknown": {"uss": "may not"},
}  # fmt: skip


def sample(at_s: float, *row: float | None, process: int = 0) -> dict[str, Any]:
    return {"type": "sample", "at": round((1 + at_s) * 10**9), "rows": {str(process): row}}


def mark(at_s: float) -> dict[str, Any]:
    return {"type": "mark", "at": round((1 + at_s) * 10**9), "name": "fault"}


END = {"type": "end", "at": 5 * 10**9}


def write(folder: Path, *lines: dict[str, Any], tail: str = "") -> Path:
    path = folder / "run.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + tail)
    return path


def test_series_of_a_process(tmp_path: Path) -> None:
    lines = [NODE, sample(0.1, 1.0, 50), mark(0.2), sample(0.3, 1.1, None), sample(0.5, 1.5, 70)]
    recording = read_recording(write(tmp_path, HEADER, *lines, END))
    assert recording.complete
    assert not recording.torn
    assert (recording.end_s, recording.interval_s) == (4.0, 0.1)
    assert [(each.at_s, each.name) for each in recording.marks] == [(0.2, "fault")]
    process = recording.process("node 0")
    assert process.unknown == {"uss": "may not"}
    rss, cpu = process.series["rss"], process.series["cpu"]
    assert rss.column == MetricColumn("rss", "B", "gauge")
    assert (rss.at_s, rss.values) == ([0.1, 0.5], [50.0, 70.0])
    at, rates = cpu.per_second()
    assert at == [0.3, 0.5]
    assert rates == pytest.approx([0.5, 2.0])
    with pytest.raises(ValueError, match="gauge"):
        rss.per_second()


def test_a_process_may_gain_metrics(tmp_path: Path) -> None:
    more = NODE | {"columns": [CPU, RSS, EXTRA], "at": 12 * 10**8}
    path = write(tmp_path, HEADER, NODE, sample(0.1, 1, 2), more, sample(0.3, 1, 2, 9))
    series = read_recording(path).process("node 0").series
    assert series["records"].values == [9.0]
    assert series["rss"].values == [2.0, 2.0]


def test_a_torn_last_line_is_left_out_and_reported(tmp_path: Path) -> None:
    whole = [HEADER, NODE, sample(0.1, 1, 2)]
    recording = read_recording(write(tmp_path, *whole, tail='{"type":"sample","at":1300'))
    assert recording.torn
    assert not recording.complete
    assert recording.process("node 0").series["rss"].values == [2.0]
    # A line that could be read but lacks its end may be half of a longer number.
    assert read_recording(write(tmp_path, *whole, tail='{"type":"end","at":2000000000}')).torn


def test_a_killed_monitor_leaves_an_incomplete_recording(tmp_path: Path) -> None:
    recording = read_recording(write(tmp_path, HEADER, NODE, sample(0.1, 1, 2)))
    assert not recording.complete
    assert not recording.torn


def test_cost_is_a_share_of_a_core(tmp_path: Path) -> None:
    cost = {
        "type": "cost", "at": 3 * 10**9, "cpu_s": 0.02, "pulse_cpu_s": 0.01, "wall_s": 2.0,
        "ticks": 20, "late": 1, "missed": 2, "late_max_s": 0.1,
    }  # fmt: skip
    recording = read_recording(write(tmp_path, HEADER, cost))
    assert recording.costs[-1].share_of_core == pytest.approx(0.015)
    with pytest.raises(SeriesError, match="line 2: a cost below zero"):
        read_recording(write(tmp_path, HEADER, cost | {"cpu_s": -1.0}))


GONE = {"type": "gone", "at": 11 * 10**8, "process": 0}
BAD: list[tuple[str, list[dict[str, Any]]]] = [
    ("version 2", [HEADER | {"version": 2}]),
    ("'other'", [HEADER | {"format": "other"}]),
    ("interval of 0", [HEADER | {"interval_ns": 0}]),
    ("missing required field", [{"format": "p2pcore-monitor"}]),
    ("line 2.*never introduced", [HEADER, sample(0.1, 1)]),
    ("2 metrics and 1 values", [HEADER, NODE, sample(0.1, 1)]),
    ("line 4.*not younger", [HEADER, NODE, sample(0.2, 1, 2), sample(0.2, 1, 2)]),
    ("older than the header", [HEADER, NODE, sample(-0.5, 1, 2)]),
    ("type 'guess'", [HEADER, {"type": "guess", "at": 10**9}]),
    ("follows the end", [HEADER, END, NODE]),
    ("had ended", [HEADER, NODE, GONE, sample(0.3, 1, 2)]),
    ("other ones before", [HEADER, NODE, NODE | {"columns": [RSS]}]),
    ("introduced as 'node 0'", [HEADER, NODE, NODE | {"pid": 8}]),
    ("two metrics called 'cpu'", [HEADER, NODE | {"columns": [CPU, CPU]}]),
    ("gauge or counter", [HEADER, NODE | {"columns": [CPU | {"unit": ""}]}]),
    ("Invalid enum value", [HEADER, NODE | {"columns": [CPU | {"kind": "sum"}]}]),
]  # fmt: skip


@pytest.mark.parametrize(("words", "lines"), BAD, ids=[words for words, _ in BAD])
def test_damage_is_refused(tmp_path: Path, words: str, lines: list[dict[str, Any]]) -> None:
    with pytest.raises(SeriesError, match=words):
        read_recording(write(tmp_path, *lines))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", '"5"', "true"])
def test_what_is_no_number_is_refused(tmp_path: Path, number: str) -> None:
    line = json.dumps(sample(0.1, 1, 2)).replace("[1, 2]", f"[1, {number}]") + "\n"
    with pytest.raises(SeriesError, match="line 3"):
        read_recording(write(tmp_path, HEADER, NODE, tail=line))


@pytest.mark.parametrize("text", ["", "{", "[]\n", "nonsense\n"])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other"
    path.write_text(text)
    with pytest.raises(SeriesError, match="other"):
        read_recording(path)


def test_names_must_be_unambiguous(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER, NODE, NODE | {"process": 1, "pid": 8})
    recording = read_recording(path)
    for name, found in (("node 0", 2), ("node 1", 0)):
        with pytest.raises(SeriesError, match=f"{found} processes called '{name}'"):
            recording.process(name)
