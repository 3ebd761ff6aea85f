"""What a person sees while asv runs."""

import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from perflab.results import asv_process
from perflab.results.asv_process import Plain, Progress, minutes, run_asv


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def stand_in(folder: Path, body: str) -> Path:
    """A module `asv` that `python -m asv` finds in the folder it runs in."""
    (folder / "asv.py").write_text(textwrap.dedent(body))
    return folder


def test_minutes() -> None:
    assert [minutes(s) for s in (0, 0.6, 59.4, 60, 3601)] == [
        "0:00", "0:01", "0:59", "1:00", "60:01",
    ]  # fmt: skip


def test_progress_counts_commits_and_learns_how_long_one_takes() -> None:
    lines: list[str] = []
    clock = Clock()
    progress = Progress(["aaaaaaaa one", "bbbbbbbb two", "cccccccc three"], 90, lines.append, clock)
    progress.silence("· Discovering")
    clock.now += 10
    progress.line("[ 0.00%] · For p2pcore commit aaaaaaaa <main>:")
    clock.now += 30
    progress.silence("")
    progress.line("[10.00%] · For p2pcore commit bbbbbbbb <main~1>:")
    # Rounds come back to a commit: it is not counted twice.
    progress.line("[20.00%] · For p2pcore commit aaaaaaaa <main>:")
    assert [line for line in lines if not line.startswith("[")] == [
        "   … getting ready, 0:00 elapsed, about 4:30 to go (· Discovering)",
        "== commit 1 of 3: aaaaaaaa one · 0:10 elapsed, about 4:30 to go",
        "   … commit 1 of 3, 0:40 elapsed, about 4:00 to go",
        "== commit 2 of 3: bbbbbbbb two · 0:40 elapsed, about 1:00 to go",
    ]
    assert len([line for line in lines if line.startswith("[")]) == 3


def test_lines_and_the_unfinished_last_one_come_through(tmp_path: Path) -> None:
    stand_in(tmp_path, "import sys; print('a·b'); print('c', file=sys.stderr); print(end='d')")
    lines: list[str] = []
    assert run_asv(tmp_path, [], Plain(lines.append)) == 0
    assert sorted(lines) == ["a·b", "c", "d"]


def test_the_exit_code_comes_through(tmp_path: Path) -> None:
    stand_in(tmp_path, "import sys; sys.exit(len(sys.argv))")
    assert run_asv(tmp_path, ["run", "x"], Plain(lambda _: None)) == 3


def test_a_silence_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asv_process, "SILENCE_S", 0.2)
    stand_in(tmp_path, "import time; print(end='building', flush=True); time.sleep(1)")
    lines: list[str] = []
    assert run_asv(tmp_path, [], Plain(lines.append)) == 0
    assert any("elapsed (building)" in line for line in lines)
    assert lines[-1] == "building"


def test_a_forgotten_child_does_not_hold_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asv_process, "SILENCE_S", 0.2)
    sleeper = [sys.executable, "-c", "import time; time.sleep(30)"]
    stand_in(tmp_path, f"import subprocess; print(subprocess.Popen({sleeper!r}).pid)")
    lines: list[str] = []
    assert run_asv(tmp_path, [], Plain(lines.append)) == 0
    psutil.Process(int(lines[0])).kill()


def test_an_asv_that_will_not_stop_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asv_process, "STOP_S", 0.3)
    stand_in(
        tmp_path,
        """
        import os, signal, time
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print(os.getpid(), flush=True)
        time.sleep(30)
        """,
    )
    pids: list[int] = []

    class Interrupting:
        def line(self, text: str) -> None:
            pids.append(int(text))
            raise KeyboardInterrupt

        def silence(self, doing: str) -> None:
            raise AssertionError(doing)

    with pytest.raises(KeyboardInterrupt):
        run_asv(tmp_path, [], Interrupting())
    assert not psutil.pid_exists(pids[0])


def test_it_is_the_command_line_that_ends_with_code_2() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "perflab", "bench", "--commits", "nowhere..HEAD"],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "nowhere..HEAD" in done.stderr
    assert "Traceback" not in done.stderr
