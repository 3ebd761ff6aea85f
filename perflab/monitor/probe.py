"""Looks at a process from outside, by its id: whatever it is, ours or not.

Theory of operation. On Linux the quick figures come from one kept-open `/proc/PID/status`, which
cannot come to mean another process, and from the process' own processor clock: `stat` and psutil
count processor time in hundredths of a second, a tenth of a sampling interval. How long it had to
wait for a processor is in `/proc/PID/schedstat`, where the kernel counts it. Elsewhere psutil gives
all but that. The dear ones (memory that is its alone, descriptors) come from psutil.
Linux counts neither bytes per process on sockets nor a stranger's loop: only self metrics can tell.

Rule: reads; never signals, traces or slows the process.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from typing import Any

from benchmarks.common.columns import Column

__all__ = ["QUICK", "SLOW", "GoneError", "ProbeError", "ProcessProbe"]

QUICK = (
    Column("cpu", "s", "counter"),
    Column("rss", "B", "gauge"),
    Column("threads", "1", "gauge"),
    Column("switches_voluntary", "1", "counter"),  # the main thread's, which runs the loop
    Column("switches_forced", "1", "counter"),
    Column("cpu_wait", "s", "counter"),  # the main thread's, ready to run and not let
)
SLOW = (Column("uss", "B", "gauge"), Column("descriptors", "1", "gauge"))
STATUS_BYTES = 4096  # 1.5 KiB on a machine with few cores; the masks of cores grow with them
KIB = 1024

_STATUS = re.compile(
    rb"\nVmRSS:\s+(\d+) kB.*\nThreads:\s+(\d+)\n.*"
    rb"\nvoluntary_ctxt_switches:\s+(\d+)\nnonvoluntary_ctxt_switches:\s+(\d+)",
    re.DOTALL,
)


class ProbeError(ValueError):
    """A process that is not there or may not be looked at; the message has its id."""


class GoneError(Exception):
    """The process has ended."""


class ProcessProbe:
    """One process. Raises ProbeError if there is none of that id."""

    def __init__(self, pid: int) -> None:
        import psutil

        self.pid = pid
        self._status: int | None = None
        self._schedule: int | None = None
        try:
            self._process = psutil.Process(pid)
            self.name = str(self._process.name())
            if sys.platform == "linux":
                self._status = os.open(f"/proc/{pid}/status", os.O_RDONLY)
                self._clock = (~pid << 3) | 2  # clock_getcpuclockid(3): this process, all threads
                with contextlib.suppress(OSError):
                    self._schedule = os.open(f"/proc/{pid}/schedstat", os.O_RDONLY)
            self.quick()
        except (GoneError, OSError, ValueError, psutil.Error) as error:
            self.close()
            raise ProbeError(f"no process {pid} can be watched: {error}") from error

    def quick(self) -> list[float | None]:
        """Values for QUICK, None for what the system does not tell; GoneError when it has ended."""
        if self._status is None:
            return self._portable()
        try:
            found = _STATUS.search(os.pread(self._status, STATUS_BYTES, 0))
            cpu_s = time.clock_gettime(self._clock)
            wait_s = None
            if self._schedule is not None:
                wait_s = int(os.pread(self._schedule, STATUS_BYTES, 0).split()[1]) / 1e9
        except OSError as error:
            raise GoneError(f"process {self.pid} has ended") from error
        if found is None:  # a zombie, waiting to be reaped, has no memory
            raise GoneError(f"process {self.pid} has ended")
        rss, threads, voluntary, forced = map(int, found.groups())
        return [cpu_s, rss * KIB, threads, voluntary, forced, wait_s]

    def slow(self) -> list[float | None]:
        """Values for SLOW; None for what this user may not see, or the system does not tell."""
        return [
            self._asked(lambda: self._process.memory_full_info().uss),
            self._asked(lambda: self._process.num_fds()),
        ]

    def unknown(self) -> dict[str, str]:
        """What can never be known of this process from outside, and why."""
        reason = f"this user may not read it of process {self.pid}, or the system does not tell it"
        hidden = zip((*QUICK, *SLOW), (*self.quick(), *self.slow()), strict=True)
        return {column.name: reason for column, value in hidden if value is None}

    def close(self) -> None:
        for descriptor in (self._status, self._schedule):
            if descriptor is not None:
                os.close(descriptor)
        self._status = self._schedule = None

    def _asked(self, ask: Any) -> float | None:
        import psutil

        try:
            return float(ask())
        except (psutil.Error, OSError, AttributeError):
            return None

    def _portable(self) -> list[float | None]:
        import psutil

        try:
            with self._process.oneshot():
                times = self._process.cpu_times()
                switches = self._process.num_ctx_switches()
                return [
                    times.user + times.system,
                    self._process.memory_info().rss,
                    self._process.num_threads(),
                    switches.voluntary,
                    switches.involuntary,
                    None,
                ]
        except psutil.NoSuchProcess as error:
            raise GoneError(f"process {self.pid} has ended") from error
        except psutil.Error as error:
            raise ProbeError(f"process {self.pid} cannot be read: {error}") from error
