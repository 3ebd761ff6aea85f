"""The open-loop driver: starts operations when they are due, whatever became of those before.

Latency is counted from the moment an operation was due and not from when it was sent. So a stall
delays all that were due during it and shows in the percentiles in its full length, where a closed
loop stops sending and sees a single slow operation (coordinated omission: Gil Tene, "How NOT to
Measure Latency"; wrk2).

Theory of operation. One alarm rings when the next operation is due. Each ring starts all that are
due by then, up to BATCH of them in one turn of the loop so that answers are read in between; there
is no timer and no sleep per operation. What the generator itself could not do in time is on the
record: every operation has its *lag* (due to begun, a part of its latency), and those due while
`max_in_flight` others were unanswered are dropped, not started, and counted. Against a target that
answers at once, one core of a shared machine starts 40,000 operations per second with a P99 of the
lag below 0.5 ms (November 2026).

Rule: knows nothing of what an operation does, nor of how its schedule was made.
"""

from __future__ import annotations

import asyncio
import sys
import time
from array import array
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from benchmarks.common.load.alarm import Alarm, sharpest_alarm

__all__ = ["LATE_NS", "Arrivals", "Fate", "Log", "OpenLoop", "open_loop"]

GRAIN_NS = 200_000
BATCH = 64  # starts in one turn of the loop: some 0.5 ms of it
LATE_NS = 2_000_000  # begun so long after it was due, an operation is late: the goal for the P99
NEVER = -1
SECOND_NS = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Arrivals:
    """What became of each operation of a schedule.

    Row n of the three columns is operation n: when it was due, when it began and when it was
    answered, in nanoseconds from the start of the schedule. NEVER stands for what never came: a
    dropped operation did not begin, a dropped or failed one was not answered. `errors` counts the
    failed ones by the name of their exception; `cpu_s` is the driver's process only.
    """

    due_ns: array[int] = field(repr=False)
    begun_ns: array[int] = field(repr=False)
    answered_ns: array[int] = field(repr=False)
    errors: dict[str, int]
    max_in_flight: int
    elapsed_s: float
    cpu_s: float

    @property
    def scheduled(self) -> int:
        return len(self.due_ns)

    @property
    def dropped(self) -> int:
        """Operations that were due while `max_in_flight` others were unanswered."""
        return self.begun_ns.count(NEVER)

    @property
    def late(self) -> int:
        """Operations that began more than LATE_NS after they were due."""
        return sum(lag_ns > LATE_NS for lag_ns in self._lags_ns())

    @property
    def missed_ppm(self) -> float:
        """Late and dropped operations per million: above 0 the offered rate was not kept."""
        return 1e6 * (self.late + self.dropped) / self.scheduled

    @property
    def latencies_s(self) -> list[float]:
        """Due to answered, of the operations that succeeded, in the order in which they were due.

        Dropped operations are not in it: with any, its percentiles are too good to be true.
        """
        pairs = zip(self.due_ns, self.answered_ns, strict=True)
        return [(answered - due) / SECOND_NS for due, answered in pairs if answered != NEVER]

    @property
    def lags_s(self) -> list[float]:
        """Due to begun, of all operations that began."""
        return [lag_ns / SECOND_NS for lag_ns in self._lags_ns()]

    def require_clean(self) -> Arrivals:
        """This record, if all succeeded; a figure of a run with errors or gaps is no figure."""
        if self.errors or self.dropped:
            raise RuntimeError(
                f"of {self.scheduled} operations {self.dropped} were dropped with "
                f"{self.max_in_flight} in flight; errors: {self.errors}"
            )
        return self

    def _lags_ns(self) -> list[int]:
        pairs = zip(self.due_ns, self.begun_ns, strict=True)
        return [begun - due for due, begun in pairs if begun != NEVER]


Fate = Literal["begun", "dropped", "missed"]


class Log(Protocol):
    """Who is told what becomes of each operation, on the loop and at once: it has to be quick."""

    def due(self, number: int, due_ns: int, fate: Fate) -> None:
        """An operation's time has come. It is begun; or dropped, for too many are unanswered; or
        missed, for the loop comes to it so late that nobody waits for it any more."""

    def ended(
        self, number: int, due_ns: int, begun_ns: int, ended_ns: int, error: Exception | None
    ) -> None:
        """One that was begun has ended; its error may be that the check refused the answer."""


async def open_loop(
    operation: Callable[[int], Awaitable[object]],
    *,
    due_ns: Iterable[int],
    max_in_flight: int,
    check: Callable[[int, object], None] | None = None,
    alarm: Callable[[Callable[[], None]], Alarm] = sharpest_alarm,
) -> Arrivals:
    """Run operations 0, 1, … when the schedule says, and check each answer as it comes.

    Returns when the last of them has ended: an operation has to have a deadline of its own. One
    that raises, or whose answer the check refuses, is counted and the run goes on. ValueError for
    a schedule that is empty, falls, or begins before 0.
    """
    columns = _Columns()
    loop = OpenLoop(
        operation, due_ns=due_ns, max_in_flight=max_in_flight, log=columns, check=check, alarm=alarm
    )
    cpu = time.process_time()
    elapsed_s = await loop.run()
    return Arrivals(
        due_ns=columns.due_ns,
        begun_ns=columns.begun_ns,
        answered_ns=columns.answered_ns,
        errors=dict(columns.errors),
        max_in_flight=max_in_flight,
        elapsed_s=elapsed_s,
        cpu_s=time.process_time() - cpu,
    )


class _Columns:
    """A log that keeps everything in memory."""

    def __init__(self) -> None:
        self.due_ns, self.begun_ns, self.answered_ns = array("q"), array("q"), array("q")
        self.errors: Counter[str] = Counter()

    def due(self, number: int, due_ns: int, fate: Fate) -> None:
        self.due_ns.append(due_ns)
        self.begun_ns.append(NEVER)
        self.answered_ns.append(NEVER)

    def ended(
        self, number: int, due_ns: int, begun_ns: int, ended_ns: int, error: Exception | None
    ) -> None:
        self.begun_ns[number] = begun_ns
        if error is None:
            self.answered_ns[number] = ended_ns
        else:
            self.errors[type(error).__name__] += 1


class OpenLoop:
    """A schedule being kept, with the log of the caller's choice; `open_loop` says the rest.

    `zero_ns` is when the schedule begins, on the alarm's clock: processes that are given the same
    one begin together. By default it begins at once. What is not begun `begin_within_ns` after it
    was due is missed, so that a loop that is too slow for its schedule does not fall behind without
    end; by default nothing is.
    """

    def __init__(
        self,
        operation: Callable[[int], Awaitable[object]],
        *,
        due_ns: Iterable[int],
        max_in_flight: int,
        log: Log,
        check: Callable[[int, object], None] | None = None,
        alarm: Callable[[Callable[[], None]], Alarm] = sharpest_alarm,
        zero_ns: int | None = None,
        begin_within_ns: int | None = None,
    ) -> None:
        if max_in_flight < 1:
            raise ValueError(f"at least 1 operation has to be in flight, not {max_in_flight}")
        self._operation, self._check, self._log = operation, check, log
        self._make_alarm = alarm
        self._schedule = iter(due_ns)
        self._max_in_flight = max_in_flight
        self._zero_ns = zero_ns
        self._begin_within_ns = sys.maxsize if begin_within_ns is None else begin_within_ns
        self._next_ns: int | None = 0
        self._broken: Exception | None = None
        self._over = asyncio.Event()
        # A task group would do the same, for more calls at each start.
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self.in_flight = 0
        self.scheduled = 0
        self._advance()
        if self._next_ns is None:
            raise ValueError("an empty schedule measures nothing")

    async def run(self) -> float:
        """Seconds from the beginning of the schedule to the end of the last operation."""
        self._loop = asyncio.get_running_loop()
        self._alarm = self._make_alarm(self._ring)
        self._clock_ns = self._alarm.now_ns
        self._begin_ns = self._clock_ns() if self._zero_ns is None else self._zero_ns
        try:
            self._ring()
            await self._over.wait()
        finally:
            self._alarm.close()
            for task in self._tasks.values():
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks.values())
        if self._broken is not None:
            raise self._broken
        return self.passed_ns() / SECOND_NS

    def stop(self) -> None:
        """Start nothing more; `run` returns when what has been started has ended."""
        self._next_ns = None
        if not self.in_flight:
            self._over.set()

    def passed_ns(self) -> int:
        """Since the beginning of the schedule; below 0 before it."""
        return self._clock_ns() - self._begin_ns

    def _ring(self) -> None:
        try:
            self._start_due()
        except Exception as error:  # whoever calls back does not want it
            self._break(error)

    def _start_due(self) -> None:
        now_ns = self._clock_ns() - self._begin_ns
        for _ in range(BATCH):
            due_ns = self._next_ns
            if due_ns is None:
                self.stop()
                return
            if due_ns > now_ns:
                break
            number = self.scheduled
            fate: Fate = "begun"
            if now_ns - due_ns > self._begin_within_ns:
                fate = "missed"
            elif self.in_flight >= self._max_in_flight:
                fate = "dropped"
            else:
                self.in_flight += 1
                self._tasks[number] = self._loop.create_task(self._one(number, due_ns))
            self.scheduled += 1
            self._log.due(number, due_ns, fate)
            self._advance()
        self._alarm.set(self._begin_ns + max(self._next_ns or 0, now_ns + GRAIN_NS))

    async def _one(self, number: int, due_ns: int) -> None:
        clock_ns, begin_ns = self._clock_ns, self._begin_ns
        begun_ns = ended_ns = clock_ns() - begin_ns
        failure: Exception | None = None
        try:
            answer = await self._operation(number)
            ended_ns = clock_ns() - begin_ns
            if self._check is not None:
                self._check(number, answer)
        except Exception as error:  # what failed is part of the result
            ended_ns, failure = clock_ns() - begin_ns, error
        finally:
            del self._tasks[number]
            self.in_flight -= 1
        try:
            self._log.ended(number, due_ns, begun_ns, ended_ns, failure)
        except Exception as error:
            self._break(error)
        if self._next_ns is None:
            self.stop()

    def _break(self, error: Exception) -> None:
        """End, and let `run` raise this."""
        self._broken = error
        self._over.set()

    def _advance(self) -> None:
        """Look at the next entry of the schedule."""
        before_ns, self._next_ns = self._next_ns, next(self._schedule, None)
        if self._next_ns is not None and before_ns is not None and self._next_ns < before_ns:
            raise ValueError(f"a schedule never falls: {self._next_ns} ns after {before_ns} ns")
