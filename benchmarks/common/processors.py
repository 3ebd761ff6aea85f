"""What the system tells of its processors: what this process got of them, and who else has them.

Rule: no measuring of the core; decides no more than whether others leave enough of the processors
to measure, and which of them is kept to.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

__all__ = [
    "Account",
    "Crowd",
    "Patience",
    "Spent",
    "look",
    "on_one_processor",
    "process_cpu_s",
    "warning",
]

SCHEDSTAT, STAT = Path("/proc/self/schedstat"), Path("/proc/stat")
STEAL = 7  # place among the numbers of a line of /proc/stat, proc(5)
LOOK_S = 1.0
MOST_BUSY = 0.15  # of the processors' time: a quiet machine's own housekeeping takes 1 to 5 %
SHOWN = 5  # processes
LEAST_SHOWN = 0.02  # of a core
GLANCE_S = 0.15

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Spent:
    """Seconds of a process since it began to count; None is what the system does not tell."""

    cpu_s: float
    cpu_wait_s: float | None
    """The main thread was ready to run, and was not let."""
    steal_s: float | None
    """Other guests of a virtual machine's host had a processor, on average over processors."""


class Account:
    """Counts from now on."""

    def __init__(self) -> None:
        self._before = _now()

    def spent(self) -> Spent:
        """Until now."""
        (cpu, wait, steal), now = self._before, _now()
        return Spent(
            cpu_s=now[0] - cpu,
            cpu_wait_s=None if wait is None or now[1] is None else now[1] - wait,
            steal_s=None if steal is None or now[2] is None else now[2] - steal,
        )


def process_cpu_s(pid: int) -> float:
    """Seconds of processor time that a process has had so far, all its threads together; OSError if
    there is none of that id, or it is another user's and the system does not tell.

    To the nanosecond where the system has such a clock for each process (Linux: the clock that
    clock_getcpuclockid(3) would name); else as finely as psutil reads it.
    """
    if sys.platform == "linux":
        return time.clock_gettime((~pid << 3) | 2)
    import psutil

    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error as error:
        raise ProcessLookupError(str(error)) from error
    return float(times.user + times.system)


def _now() -> tuple[float, float | None, float | None]:
    return time.process_time(), _waited_s(), _stolen_s()


def _waited_s() -> float | None:
    try:
        return int(SCHEDSTAT.read_bytes().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return None


def _stolen_s() -> float | None:
    try:
        lines = STAT.read_bytes().split(b"\n")
        ticks = int(lines[0].split()[1 + STEAL])
    except (OSError, ValueError, IndexError):
        return None
    processors = sum(line.startswith(b"cpu") for line in lines) - 1
    return ticks / os.sysconf("SC_CLK_TCK") / max(processors, 1)


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """What others did on the processors that this process may use, during a look at them."""

    cores: int
    busy: float
    """Cores in use, this process's own part left out."""
    stolen: float
    """Cores' worth that the host of a virtual machine gave to other guests."""
    processes: tuple[tuple[float, int, str], ...]
    """The busiest: cores, id, name. Other users' are among them; other containers' are not."""

    @property
    def too_busy(self) -> bool:
        """Whether what is measured now would hold others' share."""
        return self.busy + self.stolen > MOST_BUSY * self.cores

    def __str__(self) -> str:
        words = [f"{cores:.0%} {name} (pid {pid})" for cores, pid, name in self.processes]
        if self.stolen > LEAST_SHOWN:
            words.append(f"{self.stolen:.0%} other guests of this machine's host")
        who = ", ".join(words) or "nobody that can be seen from here"
        return f"{self.busy + self.stolen:.2f} of {self.cores} cores are in use by others: {who}"


def look(seconds: float = LOOK_S) -> Crowd:
    """Watch for so long; takes as long. Where the system tells nothing, nobody is busy."""
    mine = _usable()
    used, own = _in_use(mine), time.process_time()
    begin, ran = time.monotonic(), _process_times()
    time.sleep(seconds)
    used_after, own = _in_use(mine), time.process_time() - own
    passed, ran_after = max(time.monotonic() - begin, 1e-9), _process_times()
    found = []
    for process, spent in ran_after.items():
        cores = (spent - ran.get(process, spent)) / passed
        if cores >= LEAST_SHOWN and process[0] != os.getpid():
            found.append((round(cores, 3), process[0], process[2]))
    busy, stolen, whole = (after - before for after, before in zip(used_after, used, strict=True))
    # By the same counters: on a busy machine it is late before anybody can look at a clock.
    each_s = max(whole / (len(mine) or 1), 1e-9)
    return Crowd(
        cores=len(mine) or 1,
        busy=max(0.0, (busy - own) / each_s),
        stolen=max(0.0, stolen / each_s),
        processes=tuple(sorted(found, reverse=True)[:SHOWN]),
    )


class Patience:
    """Has work done while others leave the processors alone, as far as so many seconds allow.

    Whatever is measured in a spell of a neighbour is slower than its ruler says by some percent,
    and all of one spell is so together. Chosen is by what others use, never by a figure.
    """

    def __init__(self, seconds: float) -> None:
        self._left_s = seconds

    def undisturbed(self, work: Callable[[], T]) -> T:
        """What the work gives: begun at a calm moment, and done again if others came meanwhile.
        When patience is at an end, whatever it gives beside them.

        The work's processes must have ended, and been waited for, when it returns.
        """
        while True:
            self._wait()
            begin = time.monotonic()
            others = _Others()
            result = work()
            if self._left_s <= 0 or not others.came():
                return result
            self._left_s -= time.monotonic() - begin

    def _wait(self) -> None:
        while self._left_s > 0:
            begin = time.monotonic()
            others = _Others()
            time.sleep(GLANCE_S)
            if not others.came():
                return
            self._left_s -= time.monotonic() - begin


class _Others:
    """What others use of the processors from now on."""

    def __init__(self) -> None:
        self._processors = _usable()
        self._used, self._own_s = _in_use(self._processors), _own_s()

    def came(self) -> bool:
        """Whether they used too much until now."""
        own_s = _own_s() - self._own_s
        now = _in_use(self._processors)
        busy, stolen, whole = (
            after - before for after, before in zip(now, self._used, strict=True)
        )
        return busy + stolen - own_s > MOST_BUSY * whole


def _own_s() -> float:
    """Processor time of this process, and of its children that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def warning(found: Crowd) -> str:
    """What to tell before something is measured beside that crowd, in one line; "" if nothing."""
    if not found.too_busy:
        return ""
    return (
        f"this machine is too busy to measure: {found}. End that, or wait until it is over, and "
        "measure again; what is measured now is marked as taken on a busy machine"
    )


@contextmanager
def on_one_processor(pids: Iterable[int]) -> Iterator[None]:
    """Keep this thread, and for good the main threads of these processes, on one processor: the
    last that may be used. Where the system cannot (macOS), nothing changes."""
    usable = _usable()
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    for pid in (0, *pids):
        os.sched_setaffinity(pid, usable[-1:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, usable)


def _usable() -> list[int]:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _in_use(processors: Iterable[int]) -> tuple[float, float, float]:
    """Seconds in which these were in use, in which stolen, and in all, since the machine began."""
    import psutil

    times = psutil.cpu_times(percpu=True)
    busy = stolen = total = 0.0
    for number in processors:
        if number >= len(times):
            continue  # a container that shows fewer than it lets use
        each: Mapping[str, float] = times[number]._asdict()
        steal = each.get("steal", 0.0)
        idle = each.get("idle", 0.0) + each.get("iowait", 0.0)
        # Guests' time is part of user's.
        whole = sum(value for name, value in each.items() if not name.startswith("guest"))
        busy += whole - idle - steal
        stolen += steal
        total += whole
    return busy, stolen, total


def _process_times() -> dict[tuple[int, float, str], float]:
    """Processor time of every process that can be seen, by its id, beginning and name."""
    import psutil

    found = {}
    for each in psutil.process_iter(["cpu_times", "create_time", "name"]):
        times, name = each.info["cpu_times"], each.info["name"]
        if times is not None:
            found[each.pid, each.info["create_time"], name or "?"] = times.user + times.system
    return found
