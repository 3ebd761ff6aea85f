"""A server that stands still shows in the percentiles as an open loop demands."""

import os
import signal
import time
from pathlib import Path

import pytest

from benchmarks.common import subject
from perflab.load.figures import figures
from perflab.load.plan import LoadPlan
from perflab.load.run import LoadRun
from perflab.load.scenario import scenario_of
from perflab.load.target import StartedSwarm
from perflab.load.view import PlainView

RATE, SECONDS, PAUSE_S = 1000, 10, 0.5


class Pauser(PlainView):
    """Stops the only node once, in the middle of the run."""

    def __init__(self, pid: int) -> None:
        super().__init__()
        self.pid = pid
        self.stopped_s: tuple[float, float] | None = None

    def tick(self, now_s: float) -> None:
        super().tick(now_s)
        if now_s < SECONDS / 2 or self.stopped_s is not None:
            return
        assert self._run is not None
        os.kill(self.pid, signal.SIGSTOP)
        begin_s = self._run.now_s
        time.sleep(PAUSE_S)
        end_s = self._run.now_s  # it cannot have answered before it is told to go on
        os.kill(self.pid, signal.SIGCONT)
        self.stopped_s = begin_s, end_s


@pytest.mark.slow
def test_a_pause_of_a_twentieth_of_the_time_shows_in_the_p99(tmp_path: Path) -> None:
    scenario = scenario_of(
        {
            "name": "pause",
            "nodes": 1,
            "load": {"mix": "C", "max_in_flight": 4096, "timeout_s": 60},
            "phase": [{"pattern": "constant", "rate": RATE, "seconds": SECONDS}],
        }
    )
    plan = LoadPlan(
        scenario=scenario, directory=tmp_path, loop=subject.default_loop(), command="test"
    )
    with StartedSwarm(1, plan.loop) as target:
        view = Pauser(target.pids[0])
        record = LoadRun(plan, target, view).run()
    assert view.stopped_s is not None
    begin_s, end_s = view.stopped_s
    rows = record.rows
    found = figures(rows, record.errors, SECONDS)
    assert found.ok == found.scheduled == RATE * SECONDS
    due_s, ended_s = rows["due_ns"] / 1e9, rows["ended_ns"] / 1e9
    # What the client had already been sent may be read a little after the stop, nothing later.
    during = (due_s >= begin_s) & (due_s < end_s)
    assert during.sum() == pytest.approx(RATE * (end_s - begin_s), abs=1)
    assert (ended_s[during] >= end_s).all()
    # The longest hundredth are those due in the first fifth of the pause: each waited for the rest.
    hundredth_s = SECONDS / 100
    p99_s = found.latency_s["p99"]
    assert p99_s is not None
    assert p99_s >= end_s - begin_s - hundredth_s - 1 / RATE
    # A closed loop of any width would have had one slow operation for each that was in flight.
    assert (ended_s[during] - due_s[during] > 0.1).sum() >= RATE * (end_s - begin_s - 0.1) - 1
