"""A process is held to a share of a processor, and let go again, by whichever means there is."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from perflab.processes import shares
from perflab.processes.shares import DutyCycle, Quota, hold


def eventually(condition: Callable[[], bool], limit_s: float = 30) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.001)


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    yield process
    process.kill()
    process.wait()


def is_stopped(process: subprocess.Popen[bytes]) -> bool:
    return bool(psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)


def test_where_there_is_no_quota_it_is_stopped_and_let_go_on(
    busy: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "OWN", Path("/nonesuch"))
    held = hold(busy.pid, 0.5)
    assert isinstance(held, DutyCycle)
    for _ in range(3):
        eventually(lambda: is_stopped(busy))
        eventually(lambda: not is_stopped(busy))
    held.end()
    held.end()
    assert not is_stopped(busy)


def test_a_quota_is_the_kernel_s(busy: subprocess.Popen[bytes]) -> None:
    held = hold(busy.pid, 0.05)
    if not isinstance(held, Quota):
        held.end()
        pytest.skip("no cgroup may be made here")
    group = held._group
    assert (group / "cgroup.procs").read_text().split() == [str(busy.pid)]

    def throttled() -> int:
        found = dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())
        return int(found["nr_throttled"])

    eventually(lambda: throttled() > 3)
    held.end()
    held.end()
    assert not group.exists()


@pytest.mark.parametrize("means", ["quota", "thread"])
def test_one_that_has_died_leaves_nothing(means: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if means == "thread":
        monkeypatch.setattr(shares, "OWN", Path("/nonesuch"))
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    held = hold(process.pid, 0.1)
    process.kill()
    process.wait()
    held.end()
    if isinstance(held, Quota):
        assert not held._group.exists()


def test_a_group_without_a_quota_is_none(busy: subprocess.Popen[bytes], tmp_path: Path) -> None:
    for version in (1, 2):
        with pytest.raises(OSError, match="cpu"):
            Quota(busy.pid, 0.1, tmp_path, version)
    assert list(tmp_path.iterdir()) == []
