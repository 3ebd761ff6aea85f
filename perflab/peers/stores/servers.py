"""The members of a peer: programs of others that cannot outlive who started them.

Theory of operation. They are started by the peer's process (`process`), which ends when the one who
measures ends, and stops them by their ids. If it is killed itself, the kernel kills them: they
start through `setpriv --pdeathsig`, where that exists (util-linux). What they write goes to a file,
and its last lines into the message of an error.

Rule: knows programs, not what they do.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

__all__ = ["ServerError", "Servers", "free_ports"]

STOP_S = 3.0  # from SIGTERM to SIGKILL, for all together: what they hold is thrown away
KILL_WAIT_S = 3.0
WORDS = 600  # characters of a log in a message


class ServerError(RuntimeError):
    """A member that ended by itself; the message has the last of what it wrote."""


def free_ports(count: int) -> list[int]:
    """Distinct TCP ports of loopback that were free a moment ago."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


class Servers:
    """Started programs, by number."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[subprocess.Popen[bytes]] = []

    @property
    def pids(self) -> list[int]:
        return [each.pid for each in self._running]

    def start(self, command: list[str], environment: Mapping[str, str]) -> None:
        """Start one more, in a folder of its own."""
        home = self._home(len(self._running))
        home.mkdir()
        setpriv = shutil.which("setpriv")
        tied = [setpriv, "--pdeathsig", "KILL"] if setpriv else []
        with (home / "log").open("wb") as log:
            self._running.append(
                subprocess.Popen(
                    [*tied, *command],
                    cwd=home,
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )

    def require_running(self) -> None:
        """Raise ServerError if one of them has ended."""
        for number, each in enumerate(self._running):
            if each.poll() is not None:
                raise ServerError(
                    f"member {number} ended with {each.returncode}: {self.words(number)}"
                )

    def words(self, number: int) -> str:
        """The last of what a member wrote, on one line."""
        text = (self._home(number) / "log").read_text(encoding="utf-8", errors="replace")
        return " ".join(text.split())[-WORDS:] or "it wrote nothing"

    def stop(self) -> None:
        """End all of them and see them gone."""
        for each in self._running:
            each.terminate()  # does nothing to one whose end was seen
        until = time.monotonic() + STOP_S
        for each in self._running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                each.wait(max(0.0, until - time.monotonic()))
            each.kill()  # nor does this
        for each in self._running:
            each.wait(KILL_WAIT_S)
        self._running.clear()

    def _home(self, number: int) -> Path:
        return self._folder / f"member-{number}"
