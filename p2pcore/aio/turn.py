"""How long requests have waited for this process, as far as it can tell.

Theory of operation. One turn of the event loop reads what has come on all sockets, one after the
other. What is read late in a turn has waited since its beginning, and before that in the kernel:
it came while the turn before was busy, for half of that turn on the average. After a turn in which
the loop slept, nothing had waited. So the length of turns is a node's queue, and costs one callback
in each to know. What came before there was time to serve it, or while a connection was not read
from, has waited since then (`Backlog`).

Rule: measures; what follows from it, clients decide (`routing/windows.py`).
"""

import asyncio
import time
from collections.abc import Callable

from p2pcore.effects import Instant, delay_of

__all__ = ["Backlog", "Turns", "WatchedTurns"]

ASLEEP_NS = 200_000  # between two turns: the loop had nothing to do


def _nothing() -> None:
    """What is done after a turn until somebody wants more."""


class Turns:
    """The turns of one event loop in which something is read.

    Args:
        over: called when one is, in the next, before the loop may sleep.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, over: Callable[[], object] = _nothing
    ) -> None:
        self._loop = loop
        self._over = over
        self.began_ns = 0  # 0: nothing was read in this turn
        self._ended_ns = 0
        self._length_ns = 0  # of the last turn

    def instant(self, since_ns: int = 0) -> Instant:
        """This instant, with the delay of what is read now, or was there at `since_ns`."""
        mono_ns = time.monotonic_ns()
        if not self.began_ns:
            self.began_ns = mono_ns
            if mono_ns - self._ended_ns < ASLEEP_NS:
                self.began_ns -= self._length_ns // 2
            self._loop.call_soon(self._next)
        delay = delay_of(mono_ns - (since_ns or self.began_ns))
        return Instant(mono_ns, time.time_ns() // 1_000_000, delay)

    def _next(self) -> None:
        """Another turn has begun."""
        self._ended_ns = ended_ns = time.monotonic_ns()
        self._length_ns = ended_ns - self.began_ns
        self.began_ns = 0
        self._over()


class WatchedTurns(Turns):
    """The same, with somebody who wants to know of every delay, in seconds."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        over: Callable[[], object],
        tell: Callable[[float], object],
    ) -> None:
        super().__init__(loop, over)
        self._tell = tell

    def instant(self, since_ns: int = 0) -> Instant:
        instant = super().instant(since_ns)
        self._tell((instant.mono_ns - (since_ns or self.began_ns)) / 1e9)
        return instant


class Backlog:
    """Since when what waits on one connection has been there."""

    __slots__ = ("_later_bytes", "_later_ns", "at_once", "since_ns", "stopped_ns")

    def __init__(self) -> None:
        self.at_once = 0  # messages that are handled in one go; 0: as many as usual
        self.since_ns = 0
        self.stopped_ns = 0  # since when nothing is read; 0: it is
        self._later_ns = self._later_bytes = 0

    def took(self, now_ns: int) -> int:
        """Bytes were read. Returns since when they were there to be read, where that is long."""
        stopped_ns, self.stopped_ns = self.stopped_ns, 0
        self.since_ns = stopped_ns or now_ns
        return stopped_ns

    def held(self, size_bytes: int, now_ns: int) -> None:
        """So many bytes were read while others wait."""
        self._later_ns, self.stopped_ns = self.stopped_ns or now_ns, 0
        self._later_bytes = size_bytes

    def next(self, waiting_bytes: int) -> int:
        """Since when the first of so many bytes that wait have been there."""
        if waiting_bytes <= self._later_bytes:
            self.since_ns, self._later_bytes = self._later_ns, 0
        return self.since_ns
