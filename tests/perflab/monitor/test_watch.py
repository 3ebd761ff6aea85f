"""`python -m perflab monitor` watches what runs, ends well, and refuses what makes no sense."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.common.entry import SUITE_PARENT
from perflab.__main__ import main
from perflab.monitor.record import read_recording


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends when its input does."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def command(pid: int, path: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "perflab", "monitor", str(pid), "-o", str(path), *more]


def test_plain_lines_and_a_whole_file(
    tmp_path: Path, stranger: subprocess.Popen[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.jsonl"
    order = ["monitor", str(stranger.pid), "-o", str(path), "--seconds", "0.3"]
    assert main([*order, "--interval", "0.05"]) == 0
    out, err = capsys.readouterr()
    assert f"pid {stranger.pid}" in out
    assert "RSS MiB" in out
    assert "not known: loop_lag, bytes_in, bytes_out" in err
    assert "of a core" in err
    recording = read_recording(path)
    assert recording.complete
    (process,) = recording.processes
    assert process.pid == stranger.pid
    assert process.series["rss"].values


def test_the_end_of_the_last_process_is_the_end(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        with subprocess.Popen(
            command(process.pid, path), cwd=SUITE_PARENT, stdout=subprocess.PIPE
        ) as watcher:
            assert watcher.stdout is not None
            assert b"running" in watcher.stdout.readline()
            process.kill()
            process.wait()
            watcher.communicate(timeout=60)
        assert watcher.returncode == 0
    recording = read_recording(path)
    assert recording.complete
    assert recording.processes[0].gone_s is not None


def test_ctrl_c_in_a_terminal_ends_cleanly(
    tmp_path: Path, stranger: subprocess.Popen[bytes]
) -> None:
    path = tmp_path / "run.jsonl"
    mine, its = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(
        command(stranger.pid, path),
        cwd=SUITE_PARENT, stdout=its, stderr=subprocess.PIPE, env=environment,
    ) as watcher:  # fmt: skip
        os.close(its)
        shown = b""
        while b"running" not in shown:
            shown += os.read(mine, 4096)
        watcher.send_signal(signal.SIGINT)
        _, err = watcher.communicate(timeout=60)
    os.close(mine)
    assert watcher.returncode == 0
    assert b"switches/s" in shown
    assert b"Traceback" not in err
    assert read_recording(path).complete


def test_what_makes_no_sense_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.jsonl"
    assert main(["monitor", "999999999", "-o", str(path)]) == 2
    assert "no process 999999999" in capsys.readouterr().err
    assert not path.exists()
    path.write_text("measured before")
    assert main(["monitor", str(os.getpid()), "-o", str(path)]) == 2
    assert "exists" in capsys.readouterr().err
    assert path.read_text() == "measured before"
    assert main(["monitor", "1", "-o", str(tmp_path / "nowhere" / "run")]) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["zero"], "'zero'"),
        (["-5"], "'-5'"),
        (["1", "--seconds", "0"], "0.1 seconds to 30 days, not '0'"),
        (["1", "--seconds", "soon"], "'soon'"),
        (["1", "--interval", "nan"], "0.01 to 60 seconds"),
    ],
)
def test_bad_arguments(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["monitor", *arguments])
    assert stop.value.code == 2
    assert words in capsys.readouterr().err
