"""A load whose clients a scheduler has run: whole, with shares that are lost, and interrupted."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.common import subject
from perflab.cluster.addresses import open_scheduler
from perflab.cluster.scheduler import SchedulerError
from perflab.load.command import INCOMPLETE, conclude
from perflab.load.figures import figures
from perflab.load.plan import LoadPlan
from perflab.load.record import HEAD, ROW, LoadRecord, operations_file
from perflab.load.scenario import scenario_of
from perflab.load.shared_run import SharedRun, _equal_machines
from perflab.load.target import Nobody
from perflab.load.view import PlainView
from perflab.readiness.single_run_report import filed_run
from perflab.report.render import _steps
from perflab.site.load_page import load_page
from perflab.site.load_runs import read_load_runs
from tests.perflab.cluster.seats import ScriptedSeat

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHARES, RATE = 3, 300
pytestmark = pytest.mark.usefixtures("no_process_left")


class ActingView(PlainView):
    """Does something once every share has written rows."""

    def __init__(self, act: Callable[[SharedRun], object]) -> None:
        super().__init__()
        self._act, self._seen = act, set[int]()

    def rows(self, rows: "NDArray[np.void]", process: int) -> None:
        super().rows(rows, process)
        if process not in self._seen:
            self._seen.add(process)
            if len(self._seen) == SHARES:
                self._act(self._run)


def run(directory: Path, seconds: float, view: PlainView) -> LoadRecord:
    """Of a target that answers at once, in `SHARES` processes."""
    phase = {"pattern": "constant", "rate": RATE, "seconds": seconds}
    table = {"name": "shared", "phase": [phase], "load": {"clients": SHARES, "records": 50}}
    directory.mkdir(parents=True)
    plan = LoadPlan(
        scenario=scenario_of(table),
        directory=directory,
        loop=subject.default_loop(),
        command="test",
    )
    with open_scheduler(f"local:{SHARES}") as scheduler, Nobody() as target:
        return SharedRun(plan, target, view, scheduler).run()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SharedRun, "lead_s", 0.3)


def test_shares_are_put_together_row_by_row(tmp_path: Path) -> None:
    record = run(tmp_path / "run", 1, PlainView())
    assert record.result is not None
    assert (record.result.end, record.result.missing) == ("complete", [])
    assert [share.process for share in record.shares] == [0, 1, 2]
    assert all(share.clock_ns == 0 for share in record.shares)  # one machine has one clock
    assert None not in [share.first_lag_ns for share in record.shares]
    assert None not in [share.clock_drift_ns for share in record.shares]

    raw = []
    for process in range(SHARES):
        data = (record.directory / operations_file(process)).read_bytes()[len(HEAD) :]
        raw += list(ROW.iter_unpack(data))
    assert sorted(row[0] for row in raw) == [round(n / RATE * 1e9) for n in range(RATE)]
    latencies_ns = sorted(row[2] - row[0] for row in raw)
    found = figures(record.rows, record.errors, 1.0).latency_s
    for name, rank in (("p50", 150), ("p95", 285), ("p99", 297), ("p999", 300)):
        assert found[name] == latencies_ns[rank - 1] / 1e9


@pytest.mark.slow
def test_lost_shares_are_named_and_what_they_did_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def lose(run: SharedRun) -> None:
        os.kill(run.clients[1].child.pid, signal.SIGKILL)
        os.kill(run.clients[2].child.pid, signal.SIGSTOP)  # it is there, and says nothing

    record = run(tmp_path / "load" / "lab" / "run", 5, ActingView(lose))
    assert record.result is not None
    assert record.result.end == "incomplete"
    killed, silent = record.result.missing
    assert (killed.process, silent.process) == (1, 2)
    assert "ended with -9" in killed.reason
    assert "nothing was heard of it for 3 s" in silent.reason
    counts = [(record.rows["process"] == process).sum() for process in range(SHARES)]
    assert counts[0] == 5 * RATE / SHARES
    for share in (killed, silent):
        assert 0 < counts[share.process] == 5 * RATE / SHARES - share.operations
        assert 0 < share.from_s < share.to_s == 5
    told = [event.at_ns / 1e9 for event in record.events if event.kind == "missing"]
    assert len(told) == 2

    assert conclude(record) == INCOMPLETE
    said = capsys.readouterr().out
    assert "(INCOMPLETE: of what is here)" in said
    assert f"MISSING: {killed}" in said
    report, page = filed_run(record.directory)
    (step,) = report.steps
    assert not step.usable
    assert step.incomplete == f"{killed}; {silent}"
    assert "incomplete P99</th>" in page
    assert json.loads((record.directory / "report.json").read_text())["steps"][0]["incomplete"]
    assert "INCOMPLETE percentile" in "\n".join(_steps(report))
    (row,) = load_page(read_load_runs(tmp_path), {})["loads"]
    assert row["incomplete"] == step.incomplete


def test_an_interrupted_run_stops_all_shares_and_keeps_what_there_is(tmp_path: Path) -> None:
    interrupt = ActingView(lambda run: os.kill(os.getpid(), signal.SIGINT))
    record = run(tmp_path / "run", 60, interrupt)
    assert record.result is not None
    assert (record.result.end, record.result.missing) == ("interrupted", [])
    assert conclude(record) == 130
    assert set(record.rows["process"].tolist()) == {0, 1, 2}
    assert record.torn == ()


def test_machines_that_would_measure_something_else_are_refused() -> None:
    scheduler = open_scheduler("local:1")
    mine = scheduler.seats[0].about()
    assert _equal_machines([ScriptedSeat(**mine)], Nobody())[0] == mine
    for name in ("package", "python", "msgspec"):
        other = ScriptedSeat(**mine | {name: "another", "host": "there"})
        with pytest.raises(SchedulerError, match=f"far on there has {name} another"):
            _equal_machines([other], Nobody())
