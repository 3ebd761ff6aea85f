"""A sweep ends when it is told to, and none of its processes outlives it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from p2pcore.sim.explore.sweep import SweepError, outcomes

ROOT = Path(__file__).parents[2]
WAIT_S = 60.0


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    def lives(process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):
            return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
        return False

    return [each for each in processes if lives(each)]


@pytest.fixture
def sweep() -> Iterator[subprocess.Popen[str]]:
    """A sweep that would go on for hours, in a process group of its own as a shell makes one."""
    words = ["-m", "p2pcore.sim", "sweep", "--seeds", "100000", "--jobs", "2"]
    with subprocess.Popen(
        [sys.executable, *words, "--scenario", "mixture"], cwd=ROOT, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    ) as begun:  # fmt: skip
        yield begun
        begun.kill()


def playing(sweep: subprocess.Popen[str]) -> list[psutil.Process]:
    """Its workers, in the middle of runs, and what else it has begun."""

    def busy() -> list[psutil.Process]:
        children = psutil.Process(sweep.pid).children(recursive=True)
        return [each for each in children if each.cpu_times().user > 2]

    wait_until(lambda: len(busy()) == 2)
    found: list[psutil.Process] = psutil.Process(sweep.pid).children(recursive=True)
    return found


def test_ctrl_c_ends_it_at_once(sweep: subprocess.Popen[str]) -> None:
    children = playing(sweep)
    os.killpg(sweep.pid, signal.SIGINT)  # a terminal tells all of them
    _, told = sweep.communicate(timeout=WAIT_S)
    assert sweep.returncode == 130
    assert told.splitlines()[-1].startswith("interrupted after ")
    assert "Traceback" not in told
    wait_until(lambda: not alive(children))


def test_workers_end_with_a_sweep_that_is_killed(sweep: subprocess.Popen[str]) -> None:
    children = playing(sweep)
    sweep.kill()
    wait_until(lambda: not alive(children))


def test_a_worker_that_fails_is_told_with_its_run() -> None:
    with pytest.raises(SweepError, match="storm, seed 7"):
        list(outcomes([("storm", 7)], jobs=1, shrink=False))


def test_a_consumer_that_stops_leaves_no_process() -> None:
    before = set(psutil.Process().children(recursive=True))
    found = outcomes([("calm", seed) for seed in range(1, 9)], jobs=2, shrink=False)
    assert next(found).scenario.name == "calm"
    workers = [each for each in psutil.Process().children(recursive=True) if each not in before]
    assert len(workers) >= 2
    found.close()
    # The tracker of the standard library's stays until this process ends.
    assert not [each for each in alive(workers) if "resource_tracker" not in str(each.cmdline())]
