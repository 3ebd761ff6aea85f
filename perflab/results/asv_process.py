"""Run asv commands where a person watches: progress, silence broken, nothing left behind.

Rule: knows processes and lines of text; which commits and why is history.py's matter.
"""

import codecs
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

from perflab.results.git import outside_hooks

__all__ = ["Plain", "Progress", "Watcher", "minutes", "run_asv"]

SILENCE_S = 10.0
"""A person starts to wonder whether anything still happens."""
STOP_S = 10.0
"""asv ends its benchmark within a second of an interrupt; beyond this it hangs."""
COMMIT_LINE = re.compile(r"For \S+ commit ([0-9a-f]{8})")


class Watcher(Protocol):
    """Gets asv's output as it comes."""

    def line(self, text: str) -> None:
        """One line of output."""

    def silence(self, doing: str) -> None:
        """Nothing came for SILENCE_S; `doing` is the last line, begun and not ended."""


def minutes(seconds: float) -> str:
    """A duration as m:ss."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def _quoted(doing: str) -> str:
    return f"({doing.strip()})" if doing.strip() else ""


class Plain:
    """Passes the output on, and breaks silences."""

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic):
        self._write, self._clock, self._start = write, clock, clock()

    def line(self, text: str) -> None:
        self._write(text)

    def silence(self, doing: str) -> None:
        passed = minutes(self._clock() - self._start)
        self._write(f"   … {passed} elapsed {_quoted(doing)}".rstrip())


class Progress:
    """Says with each commit which of how many it is, what has passed and what is expected."""

    def __init__(
        self,
        titles: Sequence[str],
        expected_s: float,
        write: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ):
        """`titles` begin with the commit's 8 digits; `expected_s` is the guess for one of them."""
        self._titles, self._expected_s = list(titles), expected_s
        self._write, self._clock, self._start = write, clock, clock()
        self._begun: dict[str, float] = {}

    def line(self, text: str) -> None:
        match = COMMIT_LINE.search(text)
        if match and match[1] not in self._begun:
            self._begun[match[1]] = self._clock()
            title = next((t for t in self._titles if t.startswith(match[1])), match[1])
            self._write(f"== {self._where()}: {title} · {self._times()}")
        self._write(text)

    def silence(self, doing: str) -> None:
        self._write(f"   … {self._where()}, {self._times()} {_quoted(doing)}".rstrip())

    def _where(self) -> str:
        if not self._begun:
            return "getting ready"
        return f"commit {len(self._begun)} of {len(self._titles)}"

    def _times(self) -> str:
        now = self._clock()
        begun = list(self._begun.values())
        if len(begun) > 1:
            self._expected_s = (begun[-1] - begun[0]) / (len(begun) - 1)
        after_this = len(self._titles) - max(len(begun), 1)
        in_this = now - begun[-1] if begun else 0.0
        left = self._expected_s * after_this + max(self._expected_s - in_this, 0.0)
        return f"{minutes(now - self._start)} elapsed, about {minutes(left)} to go"


def run_asv(root: Path, arguments: Sequence[str], watcher: Watcher) -> int:
    """Run one asv command in `root` and return its exit code.

    On an interrupt asv is told to stop, whatever it started is ended, and KeyboardInterrupt goes
    on to the caller; the commits that asv had finished are stored by then.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "asv", *arguments],
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**outside_hooks(), "PYTHONUNBUFFERED": "1"},
        # A session of its own: the terminal's Ctrl-C reaches us alone, and we stop asv in order.
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        _pump(process, process.stdout, watcher)
        return process.wait()
    except BaseException:
        _stop(process)
        raise
    finally:
        process.stdout.close()


def _pump(process: subprocess.Popen[bytes], output: IO[bytes], watcher: Watcher) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    pending = ""
    while True:
        readable, _, _ = select.select([output], [], [], SILENCE_S)
        if readable:
            chunk = os.read(output.fileno(), 65536)
            *lines, pending = (pending + decoder.decode(chunk)).split("\n")
            for line in lines:
                watcher.line(line)
            if chunk:
                continue
            break
        if process.poll() is not None:
            # Something that asv started still holds the pipe open; asv itself is done.
            break
        watcher.silence(pending)
    if pending:
        watcher.line(pending)


def _stop(process: subprocess.Popen[bytes]) -> None:
    import psutil

    # asv puts benchmarks into process groups of their own: only the family tree has them all.
    family: list[Any] = []
    try:
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=STOP_S)
    except (psutil.NoSuchProcess, subprocess.TimeoutExpired, KeyboardInterrupt):
        process.kill()
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family, timeout=STOP_S)
    process.wait()
