"""A leak made on purpose is found in real nodes under load, with the line that made it."""

from pathlib import Path

import pytest

from benchmarks.common.swarm import Swarm
from perflab.monitor.leaks import WARM, Growth, find_leaks
from perflab.monitor.monitor import Monitor
from perflab.monitor.record import MonitorRecording, read_recording
from perflab.readiness.soak import EXACT, Soak
from tests.perflab.recorded import diagnoses

HERE = Path(__file__).parents[1]
RATE = 500
WARM_UP_S, SECONDS, TRACED_S = 3, 36, 3  # with the start of the swarm well within a minute


class _LeakySwarm(Swarm):
    child_module = "leaky_child"


def soak(
    kind: type[Swarm], path: Path, environment: dict[str, str] | None, seconds: float, traced: float
) -> tuple[MonitorRecording, dict[str, Growth]]:
    with (
        kind(layout="B", nodes=3, watched=True, environment=environment) as swarm,
        Monitor(path) as monitor,
    ):
        load = Soak(swarm, RATE)
        load.run(monitor, WARM_UP_S if seconds > WARM_UP_S else 0, seconds)
        if traced:
            load.trace(monitor, traced)
    recording = read_recording(path)
    return recording, {growth.process: growth for growth in find_leaks(recording)}


def test_a_soak_counts_and_marks(tmp_path: Path) -> None:
    recording, found = soak(Swarm, tmp_path / "run.jsonl", None, 1.0, 0.5)
    assert recording.complete
    assert WARM in [mark.name for mark in recording.marks]
    operations = recording.process("client").series["operations"].values
    assert operations[-1] >= 400
    assert {"client", "nodes 0", "nodes 1", "nodes 2"} == set(found)
    assert {growth.state for growth in found.values()} == {"undecided"}  # far too short
    assert len(recording.sites) == 3
    assert all(each.operations > 0 for each in recording.sites)


def test_impossible_rates_are_refused() -> None:
    with Swarm(layout="A", nodes=3) as swarm, pytest.raises(ValueError, match="not 0"):
        Soak(swarm, 0)


@pytest.mark.slow
@pytest.mark.parametrize("environment", [None, EXACT], ids=["usual", "exact"])
def test_100_bytes_per_operation_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str] | None
) -> None:
    """And told by the report, which names no other cause."""
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    monkeypatch.syspath_prepend(HERE)
    path = tmp_path / "run.jsonl"
    recording, found = soak(_LeakySwarm, path, environment, SECONDS, TRACED_S)
    assert found.pop("client").state != "leak"
    assert len(recording.sites) == len(found) == 3
    for growth in found.values():
        assert growth.state == "leak", growth
        assert growth.window_s[1] < 60
        assert growth.signal == ("heap" if environment else "rss")
        slope = growth.bytes_per_operation
        assert slope is not None
        assert slope.low < 150  # 100, the allocator's own bytes, a place in a list
        (site, per_operation), *_ = growth.sites
        assert "leaky_child.py" in site.place
        assert per_operation >= 90
    told = diagnoses(tmp_path, "soak", path)
    assert list(told) == ["memory leak"]
    assert sum("leaky_child.py" in each for each in told["memory leak"]) >= 3


@pytest.mark.slow
def test_a_clean_swarm_is_not_accused(tmp_path: Path) -> None:
    _, found = soak(Swarm, tmp_path / "run.jsonl", None, SECONDS, 0)
    assert "leak" not in {growth.state for growth in found.values()}
