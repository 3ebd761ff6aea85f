"""The picture of a run shows what its files say, and plain lines say it too."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.common import subject
from perflab.load.live import LiveView
from perflab.load.plan import LoadPlan
from perflab.load.record import ROW, decode_rows
from perflab.load.run import LoadRun, RunState
from perflab.load.scenario import LoadScenario, scenario_of
from perflab.load.target import Nobody, StartedSwarm
from perflab.load.view import PlainView, RecentOperations


def scenario(rate: float, **more: object) -> LoadScenario:
    phase = {"name": "steady", "pattern": "constant", "rate": rate, "seconds": 6}
    return scenario_of({"name": "watched", "nodes": 3, "phase": [phase], **more})


def plan(directory: Path, what: LoadScenario) -> LoadPlan:
    directory.mkdir(exist_ok=True)
    return LoadPlan(scenario=what, directory=directory, loop=subject.default_loop(), command="test")


@pytest.mark.slow
def test_a_picture_has_rates_errors_processes_and_faults(tmp_path: Path) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=110, height=40, color_system=None)
    faults = [{"kind": "pause", "at_s": 2.5, "for_s": 1.5}]
    what = plan(tmp_path / "run", scenario(100, fault=faults, load={"timeout_s": 0.05}))
    with StartedSwarm(3, what.loop) as target:
        LoadRun(what, target, LiveView(console)).run()
    picture = screen.getvalue()
    for words in (
        "watched · swarm",
        "steady",
        "asked 100/s",
        "P99",
        "n1",
        "client 0",
        "loop lag ms",
    ):
        assert words in picture
    assert all(sign in picture for sign in "▽▼▲━")
    assert "fault: pause of n" in picture
    assert "reading every record again" in picture


@pytest.mark.slow
def test_lines_tell_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = LoadRun(plan(tmp_path / "run", scenario(1000)), Nobody(), PlainView())
    assert run.state is RunState.PREPARING
    run.run()
    assert run.state is RunState.FILING
    words = capsys.readouterr().out
    assert "phase: steady" in words
    assert "asked 1000/s, ended well" in words


def test_a_window_forgets_operations_but_not_their_counts() -> None:
    window = RecentOperations()
    assert window.look(1.0) is None
    good = decode_rows(ROW.pack(0, 1, 5_000_000, 1, 0, 0, 0) * 3)
    bad = decode_rows(ROW.pack(0, 1, 9_000_000, 1, 0, 2, 1) * 2)
    window.add(1.0, good, {})
    window.add(5.5, bad, {1: "SlowError"})
    found = window.look(5.9)
    assert found is not None
    assert (found.ok, found.timed_out) == (3, 2)
    later = window.look(7.0)
    assert later is not None
    assert (later.ok, later.timed_out) == (0, 2)
    assert (window.counts["ok"], window.counts["timed_out"]) == (3, 2)
    assert dict(window.errors) == {"SlowError": 2}
