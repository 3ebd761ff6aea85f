"""A leak made on purpose is found in real nodes under load, with the line that made it."""

from pathlib import Path

import pytest

from benchmarks.common.children import Child
from benchmarks.common.swarm import Swarm
from perflab.monitor.leaks import WARM, Growth, find_leaks
from perflab.monitor.monitor import Monitor
from perflab.monitor.record import MonitorRecording, read_recording
from perflab.readiness import soak_run
from perflab.readiness.soak import EXACT, Soak
from tests.perflab.recorded import diagnoses

HERE = Path(__file__).parents[1]
LEAKY = "leaky_child"
RATE = 500
WARM_UP_S, SECONDS, TRACED_S = 3, 36, 3  # with the start of the swarm well within a minute


class _PartlyLeakySwarm(Swarm):
    """One node that is clean, one that leaks, and one that leaks and counts its heap."""

    def _spawn(self, count: int, bootstrap: list[str]) -> Child:
        kinds = [(Swarm.child_module, None), (LEAKY, None), (LEAKY, EXACT)]
        self.child_module, self._environment = kinds[len(self.children)]
        return super()._spawn(count, bootstrap)


def soak(
    kind: type[Swarm], path: Path, warm_up_s: float, seconds: float, traced_s: float
) -> tuple[MonitorRecording, dict[str, Growth]]:
    with kind(layout="B", nodes=3, watched=True) as swarm, Monitor(path) as monitor:
        load = Soak(swarm, RATE)
        load.run(monitor, warm_up_s, seconds)
        load.trace(monitor, traced_s)
    recording = read_recording(path)
    return recording, {growth.process: growth for growth in find_leaks(recording)}


def test_a_soak_counts_and_marks(tmp_path: Path) -> None:
    recording, found = soak(Swarm, tmp_path / "run.jsonl", 0, 1.0, 0.5)
    assert recording.complete
    assert WARM in [mark.name for mark in recording.marks]
    operations = recording.process("client").series["operations"].values
    assert operations[-1] >= 400
    assert {"client", "nodes 0", "nodes 1", "nodes 2"} == set(found)
    assert {growth.state for growth in found.values()} == {"undecided"}  # far too short
    assert len(recording.sites) == 3
    assert all(each.operations > 0 for each in recording.sites)


def test_what_cannot_be_decided_goes_on_but_not_for_ever(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.jsonl"
    assert soak_run.main(["--out", str(path), "--warm-up", "0", "--seconds", "0.5"]) == 0
    told = capfd.readouterr().out
    assert "going on, 1 s in all" in told
    assert "going on, 1.5 s in all" in told
    assert "2 s in all" not in told
    recording = read_recording(path)
    warm = next(mark.at_s for mark in recording.marks if mark.name == WARM)
    assert recording.end_s - warm >= 1.5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--seconds", "0"], "more than 0, not 0"),
        (["--seconds", "nan"], "not nan"),
        (["--warm-up", "-1"], "0 seconds or more, not -1"),
        (["--out", "/nowhere/run.jsonl"], "there is no folder /nowhere"),
    ],
)
def test_wrong_usage_is_told(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        soak_run.main(["--out", str(tmp_path / "run.jsonl"), *words])
    assert said in capsys.readouterr().err


def test_impossible_rates_are_refused() -> None:
    with Swarm(layout="A", nodes=3) as swarm, pytest.raises(ValueError, match="not 0"):
        Soak(swarm, 0)


@pytest.mark.slow
def test_100_bytes_per_operation_are_found_and_nobody_else_is_accused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By resident memory and by the counted heap; the report tells it, and names no other cause."""
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    monkeypatch.syspath_prepend(HERE)
    path = tmp_path / "run.jsonl"
    recording, found = soak(_PartlyLeakySwarm, path, WARM_UP_S, SECONDS, TRACED_S)
    assert len(recording.sites) == 3
    clean = [found.pop("client"), found.pop("nodes 0")]
    assert "leak" not in {growth.state for growth in clean}
    assert all(growth.signal == "rss" for growth in clean), clean
    signals = {"nodes 1": "rss", "nodes 2": "heap"}
    assert {name: growth.signal for name, growth in found.items()} == signals
    for growth in found.values():
        assert growth.state == "leak", growth
        assert growth.window_s[1] < 60
        slope = growth.bytes_per_operation
        assert slope is not None
        assert slope.low < 150  # 100, the allocator's own bytes, a place in a list
        (site, per_operation), *_ = growth.sites
        assert "leaky_child.py" in site.place
        assert per_operation >= 90
    told = diagnoses(tmp_path, "soak", path)
    assert list(told) == ["memory leak"]
    blamed = [each for each in told["memory leak"] if "leaky_child.py" in each]
    assert len(blamed) >= len(signals)
    assert not any("nodes 0" in each or "client" in each for each in told["memory leak"])
