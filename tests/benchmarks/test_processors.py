"""A machine that is too busy to measure is told before, and what is measured then is marked."""

import os
import time
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from benchmarks.common import processors
from benchmarks.common.processors import Account, Crowd, Patience, look, warning
from perflab.bench import command
from perflab.readiness import command as readiness
from perflab.readiness.baseline import read_report
from perflab.readiness.record import read_record
from perflab.results.busy_marks import BUSY, BusyMarkError, mark, marked
from tests.perflab.bench.test_command import Project, project
from tests.perflab.readiness.test_command import run, step

__all__ = ["project"]

BUSY_ONE = Crowd(
    cores=2, busy=1.52, stolen=0.0, processes=((0.99, 4711, "ffmpeg"), (0.5, 12, "make"))
)
QUIET = Crowd(cores=2, busy=0.1, stolen=0.0, processes=())


class Times(NamedTuple):
    """What one processor did since the machine began, as psutil has it."""

    user: float
    idle: float


@pytest.mark.parametrize(
    ("busy", "stolen", "cores", "too_busy"),
    [(0.1, 0.0, 2, False), (0.31, 0.0, 2, True), (0.0, 0.4, 2, True), (1.0, 0.0, 8, False)],
)
def test_a_share_of_the_processors_is_too_much(
    busy: float, stolen: float, cores: int, too_busy: bool
) -> None:
    crowd = Crowd(cores=cores, busy=busy, stolen=stolen, processes=())
    assert crowd.too_busy == too_busy
    assert bool(warning(crowd)) == too_busy


def test_the_warning_says_who_and_what_to_do() -> None:
    told = warning(BUSY_ONE)
    assert "1.52 of 2 cores" in told
    assert "99% ffmpeg (pid 4711), 50% make (pid 12)" in told
    assert "measure again" in told
    assert "\n" not in told
    stolen = Crowd(cores=2, busy=0.0, stolen=1.0, processes=())
    assert "other guests of this machine's host" in warning(stolen)


def test_a_process_counts_what_it_got() -> None:
    account = Account()
    while account.spent().cpu_s < 0.05:
        pass
    spent = account.spent()
    assert spent.cpu_s >= 0.05
    assert spent.cpu_wait_s is None or spent.cpu_wait_s >= 0
    assert spent.steal_s is None or spent.steal_s >= 0


def test_a_look_leaves_out_the_one_who_looks() -> None:
    found = look(0.2)
    assert found.cores >= 1
    assert 0 <= found.busy <= found.cores + 0.5


def test_a_look_that_takes_long_counts_no_more_than_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All processors are busy all the time, and it is late before their processes are read."""

    def all_busy(percpu: bool) -> list[Times]:
        assert percpu
        return [Times(user=time.monotonic(), idle=0.0)] * (os.cpu_count() or 1)

    def slowly() -> dict[tuple[int, float, str], float]:
        time.sleep(0.1)
        return {}

    monkeypatch.setattr(psutil, "cpu_times", all_busy)
    monkeypatch.setattr(processors, "_process_times", slowly)
    found = look(0.05)
    assert found.cores / 2 < found.busy <= found.cores


class Machine:
    """Two processors on which others use as many as `spells` says, and a clock that work moves."""

    def __init__(self, patch: pytest.MonkeyPatch, spells: list[tuple[float, float]]) -> None:
        self.now_s, self.spells = 0.0, spells
        patch.setattr(time, "monotonic", lambda: self.now_s)
        patch.setattr(time, "sleep", self.pass_by)
        patch.setattr(psutil, "cpu_times", self.cpu_times)
        patch.setattr(processors, "_usable", lambda: [0, 1])
        patch.setattr(processors, "_own_s", lambda: 0.0)

    def pass_by(self, seconds: float) -> None:
        self.now_s += seconds

    def cpu_times(self, percpu: bool) -> list[Times]:
        assert percpu
        busy = sum(max(0.0, min(self.now_s, end) - begin) for begin, end in self.spells)
        return [Times(busy, self.now_s - busy), Times(0.0, self.now_s)]


def begun(
    patch: pytest.MonkeyPatch, *spells: tuple[float, float], patience_s: float
) -> list[float]:
    """When work of ten seconds was begun, each time."""
    machine, found = Machine(patch, list(spells)), []

    def work() -> float:
        found.append(machine.now_s)
        machine.pass_by(10)
        return found[-1]

    assert Patience(patience_s).undisturbed(work) == found[-1]
    return found


def test_work_begins_when_others_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    glance = processors.GLANCE_S
    assert begun(monkeypatch, patience_s=40) == [glance]
    [begin] = begun(monkeypatch, (0.0, 7.0), patience_s=40)
    assert 7 <= begin <= 7 + 2 * glance


def test_work_that_others_disturbed_is_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = begun(monkeypatch, (5.0, 12.0), patience_s=40)
    assert first < 1
    assert 12 <= second <= 13
    assert len(begun(monkeypatch, (5.0, 5.5), patience_s=40)) == 1


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    [begin] = begun(monkeypatch, (0.0, 100.0), patience_s=40)
    assert 40 <= begin <= 41
    assert begun(monkeypatch, (0.0, 100.0), patience_s=0) == [0]
    # Disturbed each time: done again as long as what that took is allowed.
    assert len(begun(monkeypatch, *[(t, t + 3.5) for t in range(5, 100, 8)], patience_s=40)) <= 5


def test_readiness_says_it_first_and_marks_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(readiness, "look", lambda: BUSY_ONE)
    run(monkeypatch, tmp_path / "busy", step("it", "pass"))
    said = capsys.readouterr().out
    assert said.index("too busy to measure") < said.index("[1/1]")
    assert "ffmpeg (pid 4711)" in read_record(tmp_path / "busy").manifest.crowd
    report = read_report(tmp_path / "busy")
    assert any("Measured on a busy machine" in line for line in report.summary)
    assert any(each.rule == "crowded machine" for each in report.advice)
    monkeypatch.setattr(readiness, "look", lambda: QUIET)
    run(monkeypatch, tmp_path / "quiet", step("it", "pass"))
    assert "too busy" not in capsys.readouterr().out
    assert read_record(tmp_path / "quiet").manifest.crowd == ""


def test_bench_says_it_first_and_marks_the_points(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "look", lambda: BUSY_ONE)
    project.measure(commits="2")
    told = [number for number, line in enumerate(project.lines) if "too busy" in line]
    begun = [number for number, line in enumerate(project.lines) if "commits to measure" in line]
    assert told[0] < begun[0]
    (machine,) = {path.parent for path in project.root.glob(f".asv/results/*/{BUSY}")}
    assert marked(machine) == dict.fromkeys(project.commits[:2], str(BUSY_ONE))
    monkeypatch.setattr(command, "look", lambda: QUIET)
    project.measure(commits="1")
    assert marked(machine).keys() == set(project.commits[:2])
    project.script(fail=[])
    project.measure(commits=f"{project.commits[1]}^!", full=True)  # again, and quietly
    assert marked(machine).keys() == set(project.commits[:1])


def test_marks_are_read_strictly(tmp_path: Path) -> None:
    assert marked(tmp_path) == {}
    mark(tmp_path, ["a" * 40], "somebody")
    with (tmp_path / BUSY).open("a") as file:
        file.write('{"torn')
    assert marked(tmp_path) == {"a" * 40: "somebody"}
    (tmp_path / BUSY).write_text("[]\n")
    with pytest.raises(BusyMarkError, match=BUSY):
        marked(tmp_path)
