"""Programs of others are started, watched and ended, whatever becomes of who started them."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from perflab.peers.stores.servers import ServerError, Servers, free_ports

ENVIRONMENT = {"PATH": os.environ["PATH"]}
SLEEPS = "import time; print('up', flush=True); time.sleep(600)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPS


@contextmanager
def started(folder: Path, *programs: str) -> Iterator[Servers]:
    servers = Servers(folder)
    try:
        for program in programs:
            servers.start([sys.executable, "-c", program], ENVIRONMENT)
        yield servers
    finally:
        servers.stop()


def wait_up(folder: Path, member: int) -> None:
    """Return when a member has printed its line, and with that done all before it."""
    tail = ["tail", "-n", "+1", "-F", str(folder / f"member-{member}" / "log")]
    with subprocess.Popen(tail, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as reading:
        assert reading.stdout is not None
        assert reading.stdout.readline() == b"up\n"
        reading.kill()


def gone(pid: int, within_s: float = 20) -> bool:
    try:
        psutil.Process(pid).wait(within_s)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return False
    return True


def test_all_are_ended_also_those_that_do_not_listen(tmp_path: Path) -> None:
    with started(tmp_path, SLEEPS, DEAF) as servers:
        wait_up(tmp_path, 0)
        wait_up(tmp_path, 1)
        servers.require_running()
        pids = servers.pids
        assert all(psutil.pid_exists(pid) for pid in pids)
    assert not servers.pids
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_one_that_ends_is_told_with_its_words(tmp_path: Path) -> None:
    with started(tmp_path, SLEEPS, "import sys; sys.exit('no such\\noption')") as servers:
        os.waitid(os.P_PID, servers.pids[1], os.WEXITED | os.WNOWAIT)
        with pytest.raises(ServerError, match="member 1 ended with 1: no such option"):
            servers.require_running()


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not on PATH")
def test_none_outlives_a_killed_parent(tmp_path: Path) -> None:
    parent = (
        "import sys; from pathlib import Path; from perflab.peers.stores.servers import Servers; "
        f"servers = Servers(Path({str(tmp_path)!r})); "
        f"servers.start([sys.executable, '-c', {DEAF!r}], {ENVIRONMENT!r}); "
        "print(servers.pids[0], flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent], cwd=Path(__file__).parents[4],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        member = int(process.stdout.readline())
        wait_up(tmp_path, 0)
        process.send_signal(signal.SIGKILL)
    assert gone(member)


def test_free_ports_are_distinct() -> None:
    assert len(set(free_ports(9))) == 9
