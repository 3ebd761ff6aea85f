"""The monitor watches real processes, writes as it goes, and leaves a readable file when killed."""

import asyncio
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks.common.children import Child, ChildError
from benchmarks.common.entry import SUITE_PARENT
from benchmarks.common.self_metrics import (
    SelfMetrics,
    SelfMetricsError,
    SelfMetricsReader,
    SelfReading,
)
from benchmarks.common.swarm import Swarm
from perflab.monitor.monitor import Monitor
from perflab.monitor.probe import ProbeError, ProcessProbe
from perflab.monitor.record import MonitorRecording, read_recording
from perflab.monitor.sampler import Sampler

HELPERS = Path(__file__).parents[2] / "benchmarks"
DEADLINE_S = 60.0


@pytest.fixture
def stranger() -> Iterator[int]:
    """The id of a process that knows nothing of the rig."""
    script = "import sys; print('up', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid


def until(path: Path, condition: Callable[[MonitorRecording], bool]) -> MonitorRecording:
    """Read the file until it says so; a monitor has to be alive to say it."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        recording = read_recording(path)
        if condition(recording):
            return recording
        time.sleep(0.02)
    raise AssertionError(f"{path.name} never came to say what was waited for")


def samples(recording: MonitorRecording, name: str = "") -> int:
    found = [len(each.series["rss"].values) for each in recording.processes if name in each.name]
    return min(found, default=0)


def test_a_stranger_is_watched_and_what_is_unknown_is_said(tmp_path: Path, stranger: int) -> None:
    sampler = Sampler(tmp_path / "run.jsonl")
    sampler.watch(stranger, "stranger")
    for _ in range(3):
        sampler.tick()
    sampler.mark("seen")
    sampler.close()
    recording = read_recording(tmp_path / "run.jsonl")
    assert recording.complete
    process = recording.process("stranger")
    assert process.pid == stranger
    assert samples(recording) == 3
    outside = psutil.Process(stranger)
    assert process.series["rss"].values[-1] == pytest.approx(outside.memory_info().rss, rel=0.1)
    assert 0 < process.series["cpu"].values[-1] <= sum(outside.cpu_times()[:2]) + 0.02
    assert process.series["threads"].values == [1, 1, 1]
    assert process.series["descriptors"].values == [outside.num_fds()]
    assert 0 < process.series["uss"].values[0] <= process.series["rss"].values[0] * 1.1
    assert {"loop_lag", "bytes_in", "bytes_out"} <= set(process.unknown)
    assert "loop_lag" not in process.series
    cost = recording.costs[-1]
    assert cost.ticks == 3
    assert cost.cpu_s > 0


def test_processor_time_is_finer_than_ticks_of_the_kernel() -> None:
    """At ten samples a second a hundredth of a second would be a tenth of the figure."""
    probe = ProcessProbe(os.getpid())
    found = {probe.quick()[0] for _ in range(100)}
    probe.close()
    if sys.platform == "linux":
        assert len(found) > 50


def test_the_end_of_a_process_is_noted(tmp_path: Path) -> None:
    sampler = Sampler(tmp_path / "run.jsonl")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        sampler.watch(process.pid, "brief")
        sampler.tick()
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        sampler.tick()  # a zombie is no process any more
    sampler.tick()
    sampler.close()
    brief = read_recording(tmp_path / "run.jsonl").process("brief")
    assert len(brief.series["rss"].values) == 1
    assert brief.gone_s is not None


def test_late_and_missed_samples_are_counted(tmp_path: Path, stranger: int) -> None:
    sampler = Sampler(tmp_path / "run.jsonl", 1.0)
    sampler.watch(stranger)
    sampler.due_ns += 10**12  # far too early: neither late nor missed
    sampler.tick()
    assert (sampler.late, sampler.missed) == (0, 0)
    sampler.due_ns -= 2 * 10**12 + 3 * 10**9  # a thousand seconds ago and some
    due = sampler.due_ns
    sampler.tick()
    assert sampler.late == 1
    assert sampler.missed == (sampler.due_ns - due) // 10**9 - 1 >= 1000
    sampler.close()
    assert read_recording(tmp_path / "run.jsonl").costs[-1].missed == sampler.missed


@pytest.mark.parametrize("interval_s", [0.0, -1.0, 61.0, float("nan")])
def test_impossible_intervals_are_refused(tmp_path: Path, interval_s: float) -> None:
    with pytest.raises(ValueError, match=r"0\.01 to 60 s"):
        Sampler(tmp_path / "run.jsonl", interval_s)


def test_nobody_is_not_watched() -> None:
    with pytest.raises(ProbeError, match="999999999"):
        ProcessProbe(999_999_999)


@pytest.mark.parametrize("environment", [None, {"PYTHONMALLOC": "malloc"}])
def test_a_swarm_is_watched_from_within(tmp_path: Path, environment: dict[str, str] | None) -> None:
    path = tmp_path / "run.jsonl"
    with Swarm(layout="B", nodes=3, watched=True, environment=environment) as swarm:
        with Monitor(path, 0.02) as monitor:
            for number, child in enumerate(swarm.children):
                assert monitor.watch(child.pid, f"node {number}", child.self_metrics) == []
            swarm.run(swarm.client.store("watched", bytes(1000)))
            until(path, lambda found: len(found.processes) == 3 and samples(found) >= 10)
            assert monitor.cost()["ticks"] >= 10
        # Asked after the last sample: nodes talk to each other all the time.
        counters = [row["bytes_in"] for row in swarm.usage()]
    recording = read_recording(path)
    assert recording.complete
    assert recording.costs[-1].pulse_cpu_s > 0
    for process, counted in zip(recording.processes, counters, strict=True):
        bytes_in = process.series["bytes_in"]
        assert bytes_in.column.unit == "B"
        assert 0 < bytes_in.values[-1] <= counted
        assert all(lag >= 0 for lag in process.series["loop_lag"].values)
        assert process.series["loop_beats"].values[-1] >= 1
        assert ("heap" in process.series) == (environment is not None)
    assert not any(child.self_metrics and child.self_metrics.exists() for child in swarm.children)


def test_a_loop_that_stands_still_is_seen_while_it_does(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with Swarm(layout="A", nodes=3, watched=True) as swarm, Monitor(path, 0.02) as monitor:
        (child,) = swarm.children
        monitor.watch(child.pid, "nodes", child.self_metrics)
        until(path, lambda found: samples(found) > 2)
        os.kill(child.pid, signal.SIGSTOP)
        try:
            until(path, lambda found: found.process("nodes").series["loop_lag"].values[-1] > 0.3)
        finally:
            os.kill(child.pid, signal.SIGCONT)


def test_a_killed_monitor_leaves_a_readable_file(tmp_path: Path, stranger: int) -> None:
    path = tmp_path / "run.jsonl"
    monitor = Monitor(path, 0.02).__enter__()
    monitor.watch(stranger, "stranger")
    until(path, lambda found: samples(found) >= 3)
    os.kill(monitor.pid, signal.SIGKILL)
    with pytest.raises(ChildError, match="-9"):
        monitor.__exit__()
    recording = read_recording(path)
    assert not recording.complete
    assert samples(recording) >= 3
    assert recording.costs


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="watches a stranger's end by pidfd")
def test_a_killed_lab_leaves_a_whole_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from perflab.monitor.monitor import Monitor\n"
        "from benchmarks.common.swarm import Swarm\n"
        "with (\n"
        "    Swarm(layout='A', nodes=3, watched=True) as swarm,\n"
        f"    Monitor(Path({str(path)!r}), 0.02) as monitor,\n"
        "):\n"
        "    (child,) = swarm.children\n"
        "    monitor.watch(child.pid, 'nodes', child.self_metrics)\n"
        "    print(child.self_metrics, child.pid, monitor.pid, flush=True)\n"
        "    sys.stdin.read()"
    )
    lab = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=SUITE_PARENT,
    )  # fmt: skip
    with lab:
        assert lab.stdout is not None
        self_metrics, *pids = lab.stdout.readline().split()
        until(path, lambda found: samples(found) >= 3)
        ends = [os.pidfd_open(int(pid)) for pid in pids]
        lab.kill()
    for end in ends:  # readable when the process has ended, reaped or not
        ready, _, _ = select.select([end], [], [], DEADLINE_S)
        os.close(end)
        assert ready
    assert not Path(self_metrics).exists()
    recording = read_recording(path)
    assert recording.complete
    assert samples(recording, "nodes") >= 3


def test_what_cannot_be_watched_or_written_is_told(tmp_path: Path) -> None:
    with Monitor(tmp_path / "run.jsonl") as monitor:
        with pytest.raises(ChildError, match="999999999"):
            monitor.watch(999_999_999)
        with pytest.raises(ChildError, match="not watched"):
            monitor.sites(1, 0, [])
        monitor.mark("still there")
    assert read_recording(tmp_path / "run.jsonl").marks[0].name == "still there"
    with (
        pytest.raises(ChildError, match="nowhere") as end,
        Monitor(tmp_path / "nowhere" / "run.jsonl"),
    ):
        pass
    assert "AttributeError" not in str(end.value)


def test_a_child_that_is_killed_leaves_no_self_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HELPERS))
    monkeypatch.syspath_prepend(HELPERS)
    child = Child("echo_child", ["fine"], self_metrics=True)
    child.wait_ready()
    assert child.self_metrics is not None
    reader = SelfMetricsReader(child.self_metrics)
    assert reader.read(0) is not None
    child._process.kill()
    with pytest.raises(ChildError, match="-9"):
        child.stop()
    assert not child.self_metrics.exists()


async def test_every_lag_since_the_last_look_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.common.self_metrics.BEAT_S", 0.01)
    self_metrics = SelfMetrics(tmp_path / "self_metrics")
    reader = SelfMetricsReader(self_metrics.path)
    assert reader.read(0) is None  # no beat yet
    self_metrics.register("answers", "1", "counter", lambda: 42)
    self_metrics.start()
    time.sleep(0.2)  # noqa: ASYNC251 -- the loop must be blocked: that is what is measured
    await beats(reader, 5)
    looked = SelfMetricsReader(self_metrics.path).read(
        0
    )  # a new reader sees all that the ring holds
    assert looked is not None
    assert looked.lag_s >= 0.19
    assert list(looked.values) == [42.0]
    self_metrics.close()
    assert not self_metrics.path.exists()


async def beats(reader: SelfMetricsReader, count: int, metrics: int = 0) -> SelfReading:
    """The first reading with so many beats and metrics."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            found = reader.read(0)
            if found is not None and found.beats >= count and len(found.values) >= metrics:
                return found
            await asyncio.sleep(0.005)


async def test_metrics_may_join_while_it_beats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.common.self_metrics.BEAT_S", 0.005)
    self_metrics = SelfMetrics(tmp_path / "self_metrics")
    reader = SelfMetricsReader(self_metrics.path)
    figures = {"first": 1.0}
    self_metrics.register_group(lambda: figures, "counter")
    self_metrics.start()
    await beats(reader, 2)
    assert [column.name for column in reader.columns] == ["first"]
    figures["second_bytes"] = 2.0
    self_metrics.register("third", "s", "gauge", lambda: 3.0)
    found = await beats(reader, 2, metrics=3)
    named = dict(zip([each.name for each in reader.columns], found.values, strict=True))
    assert named == {"first": 1.0, "second_bytes": 2.0, "third": 3.0}
    assert {each.name: each.unit for each in reader.columns}["second_bytes"] == "B"
    with pytest.raises(SelfMetricsError, match="already"):
        self_metrics.register("third", "s", "gauge", lambda: 3.0)
    self_metrics.close()


def test_too_many_metrics_are_refused(tmp_path: Path) -> None:
    self_metrics = SelfMetrics(tmp_path / "self_metrics")
    for number in range(256):
        self_metrics.register(str(number), "1", "gauge", lambda: 0.0)
    with pytest.raises(SelfMetricsError, match="256"):
        self_metrics.register("one more", "1", "gauge", lambda: 0.0)
    self_metrics.close()


def test_other_files_are_no_self_metrics(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"x" * 100)
    with pytest.raises(SelfMetricsError, match="size"):
        SelfMetricsReader(other)
    other.write_bytes(b"x" * (8192 + 32768))
    with pytest.raises(SelfMetricsError, match="begin"):
        SelfMetricsReader(other)


def test_self_metrics_are_off_unless_asked_for() -> None:
    """A timer that fires ten times a second has no place in the suites' figures."""
    with Swarm(layout="A", nodes=3) as swarm:
        assert [child.self_metrics for child in swarm.children] == [None]
