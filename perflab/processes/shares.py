"""Holds a process to a share of one processor.

Theory of operation. Where this process may make cgroups (version 2 or 1; as root, in most
containers), the kernel does it: a group with a quota of QUOTA_US in each period, and the process in
it. Else a thread stops the process and lets it go on, again and again. Either way it stands still
for some ten milliseconds at a time, as in a container with a limit.

Sources: the kernel's Documentation/scheduler/sched-bwc.rst and admin-guide/cgroup-v2.rst.

Rule: one process per hold; which, and for how long, others decide.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

__all__ = ["LEAST_SHARE", "DutyCycle", "Hold", "Quota", "hold"]

QUOTA_US = 1000  # the least that the kernel takes
LEAST_SHARE = 0.01  # a period of 100 ms
CYCLE_S = 0.02  # of stopping and going on, where a thread does it
CGROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


class Hold(Protocol):
    """A process that is held."""

    how: str
    """In a few words."""

    def end(self) -> None:
        """Let it go; also if it has died. May be repeated."""


def hold(pid: int, share: float) -> Hold:
    """Hold this process, a child of this one, to such a share of one processor until `end`, at the
    latest until this process ends."""
    held: Hold | None = None
    for parent, version in _groups():
        with suppress(OSError):
            held = Quota(pid, share, parent, version)
            break
    if held is None:
        held = DutyCycle(pid, share)
    atexit.register(held.end)
    return held


def _groups() -> Iterator[tuple[Path, int]]:
    """The groups in which this process is that may have a quota, and the cgroups' version."""
    with suppress(OSError):
        for line in OWN.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                yield CGROUPS / path.lstrip("/"), 2
            elif "cpu" in controllers.split(","):
                yield CGROUPS / "cpu" / path.lstrip("/"), 1


class Quota:
    """A cgroup of the process alone. Raises OSError where there can't be one."""

    def __init__(self, pid: int, share: float, parent: Path, version: int) -> None:
        self.how = f"cgroup v{version}"
        self._pid, self._parent = pid, parent
        self._group = parent / f"p2pcore-{pid}"
        period_us = round(QUOTA_US / share)
        self._group.mkdir()
        try:
            if version == 2:
                _write(self._group / "cpu.max", f"{QUOTA_US} {period_us}")
            else:
                _write(self._group / "cpu.cfs_period_us", str(period_us))
                _write(self._group / "cpu.cfs_quota_us", str(QUOTA_US))
            _write(self._group / "cgroup.procs", str(pid))
        except OSError:
            self.end()
            raise

    def end(self) -> None:
        """Put it back where it was."""
        if self._group.exists():
            with suppress(OSError):
                _write(self._parent / "cgroup.procs", str(self._pid))
            with suppress(OSError):
                self._group.rmdir()


def _write(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY)  # the kernel's files: none is made
    try:
        os.write(handle, text.encode())
    finally:
        os.close(handle)


class DutyCycle:
    """A thread that stops the process and lets it go on."""

    how = "stopped and let go on"

    def __init__(self, pid: int, share: float) -> None:
        self._pid, self._share = pid, share
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"share of {pid}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with suppress(ProcessLookupError):
            while not self._over.wait(CYCLE_S * self._share):
                os.kill(self._pid, signal.SIGSTOP)
                self._over.wait(CYCLE_S * (1 - self._share))
                os.kill(self._pid, signal.SIGCONT)

    def end(self) -> None:
        """It runs."""
        self._over.set()
        self._thread.join()
