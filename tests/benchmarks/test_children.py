"""A child starts, answers, ends, and does not outlive whoever started it, however that one died."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from benchmarks.common.children import Child, ChildError, require_running, stop_all
from benchmarks.common.entry import SUITE_PARENT

HERE = Path(__file__).parent


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the module that the children of these tests run."""
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    monkeypatch.syspath_prepend(HERE)
    return "echo_child"


def test_ready_answer_stop(echo: str) -> None:
    child = Child(echo, ["fine"])
    assert child.wait_ready() == {"pid": child.pid}
    assert child.ask({"n": 1}) == {"echo": {"n": 1}}
    with pytest.raises(ChildError, match="no such thing"):
        child.ask({"fail": "no such thing"})
    assert child.ask({"n": 2}) == {"echo": {"n": 2}}
    child.stop()
    assert not psutil.pid_exists(child.pid)


def test_a_child_that_cannot_start_says_why(echo: str) -> None:
    child = Child(echo, ["broken"])
    with pytest.raises(ChildError, match="the reason it is broken"):
        child.wait_ready()
    with pytest.raises(ChildError, match="ended with 1"):
        child.stop()


def test_a_child_that_dies_is_reported(echo: str) -> None:
    child = Child(echo, ["fine"])
    child.wait_ready()
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(ChildError, match=str(child.pid)):
        child.ask({"n": 1})
    with pytest.raises(ChildError, match="-9"):
        child.stop()


def test_one_that_failed_does_not_keep_the_others_alive(echo: str) -> None:
    children = [Child(echo, [mood]) for mood in ("fine", "broken", "fine")]
    with pytest.raises(ChildError, match=str(children[1].pid)):
        stop_all(children)
    assert not any(psutil.pid_exists(child.pid) for child in children)


def test_a_child_whose_loop_hangs_still_ends(echo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    child = Child(echo, ["hanging"])
    child.wait_ready()
    with pytest.raises(ChildError, match="ended with 3"):
        child.stop()
    assert not psutil.pid_exists(child.pid)


def test_interrupts_are_left_to_the_parent(echo: str) -> None:
    child = Child(echo, ["fine"])
    child.wait_ready()
    os.kill(child.pid, signal.SIGINT)
    assert child.ask({"n": 1}) == {"echo": {"n": 1}}
    child.stop()


def test_kill_leaves_nothing_to_be_stopped(echo: str) -> None:
    child = Child(echo, ["fine"])
    child.wait_ready()
    child.kill()
    assert not psutil.pid_exists(child.pid)
    with pytest.raises(ChildError, match=str(child.pid)):
        child.ask({"n": 1})


def test_a_paused_child_goes_on_where_it_was(echo: str) -> None:
    child = Child(echo, ["fine"])
    child.wait_ready()
    child.pause()
    assert psutil.Process(child.pid).status() == psutil.STATUS_STOPPED
    child.resume()
    assert child.ask({"n": 1}) == {"echo": {"n": 1}}
    child.pause()
    child.stop()
    assert not psutil.pid_exists(child.pid)


def test_an_interrupted_start_leaves_nothing(echo: str) -> None:
    """Ctrl-C comes while the child is being made: its parent does not know that it has one."""
    script = (
        f"import signal, subprocess, sys; sys.path[:0] = [{SUITE_PARENT!r}, {str(HERE)!r}]\n"
        "class Popen(subprocess.Popen):\n"
        "    def __init__(self, *words, **options):\n"
        "        super().__init__(*words, **options)\n"
        "        print(self.pid, flush=True)\n"
        "        signal.raise_signal(signal.SIGINT)\n"
        "subprocess.Popen = Popen\n"
        "from benchmarks.common.children import Child\n"
        f"Child({echo!r}, ['fine'])"
    )
    parent = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "KeyboardInterrupt" in parent.stderr
    assert not psutil.pid_exists(int(parent.stdout))


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="watches a stranger's end by pidfd")
@pytest.mark.parametrize("then", ["", "; child.pause()"])
def test_a_killed_parent_leaves_no_orphan(echo: str, then: str) -> None:
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import sys; sys.path[:0] = [{SUITE_PARENT!r}, {str(HERE)!r}]\n"
            "from benchmarks.common.children import Child\n"
            f"child = Child({echo!r}, ['fine'])\n"
            f"pid = child.wait_ready()['pid']{then}\n"
            "print(pid, flush=True)\n"
            "sys.stdin.read()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        assert parent.stdout is not None
        orphan = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    # Readable when the process has ended, whether or not anybody has reaped it yet.
    ended, _, _ = select.select([orphan], [], [], 30)
    os.close(orphan)
    assert ended


def test_an_interrupt_is_not_hidden_by_what_children_complain_of(echo: str) -> None:
    children = [Child(echo, [mood]) for mood in ("fine", "broken")]

    def interrupted() -> None:
        try:
            raise KeyboardInterrupt
        finally:
            stop_all(children)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [child.exit_code for child in children] != [None, None]


def test_a_child_that_ends_by_itself_is_noticed(echo: str) -> None:
    child = Child(echo, ["fine"])
    child.wait_ready()
    require_running()
    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(ChildError, match=f"child {child.pid} ended with -9 by itself"):
        require_running()
    with pytest.raises(ChildError):
        child.stop()
