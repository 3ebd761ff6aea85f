"""An alarm for a running event loop that rings to the microsecond, without spinning.

Event loops wait in whole milliseconds (epoll_wait's unit, and libuv's). Latencies here are counted
from the moment an operation was due, so a loop's own timer would add half a millisecond on average
to figures that are not much larger. Linux has timers that a loop can wait for as for a socket
(timerfd_create(2)); elsewhere the loop's own have to do.

Rule: one callback, one time; knows nothing of operations.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["Alarm", "KernelAlarm", "LoopAlarm", "sharpest_alarm"]

CLOCK_MONOTONIC = 1  # <time.h>; the clock of time.perf_counter_ns on Linux
TFD_TIMER_ABSTIME = 1  # <sys/timerfd.h>
SECOND_NS = 1_000_000_000


class Alarm(Protocol):
    """Calls back from the loop once the time it is set to has come; it may call back early."""

    def now_ns(self) -> int:
        """The clock that the alarm goes by."""

    def set(self, due_ns: int) -> None:
        """Ring at that time, or in the next turn of the loop if it has passed."""

    def close(self) -> None:
        """Never ring again."""


class LoopAlarm:
    """An alarm on the loop's own timers: late by up to a millisecond."""

    def __init__(
        self, ring: Callable[[], None], clock_ns: Callable[[], int] = time.perf_counter_ns
    ) -> None:
        self._ring, self._clock_ns = ring, clock_ns
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None

    def now_ns(self) -> int:
        return self._clock_ns()

    def set(self, due_ns: int) -> None:
        self.close()
        wait_s = max(0, due_ns - self._clock_ns()) / SECOND_NS
        self._handle = self._loop.call_later(wait_s, self._ring)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()


class KernelAlarm:
    """An alarm on a timer of the Linux kernel; OSError or AttributeError where there is none."""

    def __init__(self, ring: Callable[[], None]) -> None:
        import ctypes

        # os.timerfd_create is there from Python 3.13 on only.
        self._libc: Any = ctypes.CDLL(None, use_errno=True)
        self._timer = (ctypes.c_long * 4)()  # struct itimerspec: an interval and a time
        self._fd: int = self._libc.timerfd_create(CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._rung)

    now_ns = staticmethod(time.perf_counter_ns)

    def set(self, due_ns: int) -> None:
        # A time of 0 would disarm it; the kernel rings at once for any other that has passed.
        self._timer[2], self._timer[3] = divmod(max(1, due_ns), SECOND_NS)
        self._libc.timerfd_settime(self._fd, TFD_TIMER_ABSTIME, self._timer, None)

    def close(self) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _rung(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return  # set anew since it rang
        self._ring()


def sharpest_alarm(ring: Callable[[], None]) -> Alarm:
    """The best alarm that this system has."""
    try:
        return KernelAlarm(ring)
    except (AttributeError, OSError):
        return LoopAlarm(ring)
