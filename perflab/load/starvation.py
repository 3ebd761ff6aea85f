"""Whether a load generator was kept from the processor, by its own account of every second.

Theory of operation. A generator that is given no processor when it is ready to run starts
operations late and reads answers late, and the network looks slow. Three things tell it from a
network that is: starts are late, in seconds in which the generator waited for a processor, and
waited long beside the time for which it ran. Who had more to do than a whole processor can was not
kept from one but overrun. Late alone is no sign: of a hundred operations due at
one instant the last is always late, so only the first of an instant counts. Waiting alone is none
either: who is started on time is not harmed by it.

On two cores that had nothing else to do, a generator waited for 10 to 25 % of the time in which it
wanted a processor, at 100 to 16,000 operations per second, and at most 1 % of the starts were late
before the swarm was saturated; beside two busy loops for 58 to 93 %, with 10 to 60 % late (November
2026, layout B, 5 nodes).

Rule: looks at rows and intervals; opens no file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from perflab.load.record import Interval, LoadRecord

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Starved", "starved"]

LATE_NS = 2_000_000
KEPT_SHARE = 0.4  # of the time in which it wanted a processor, without one: that second was starved
LEAST_WAIT = 0.02  # of the time that passed: less delays hardly anything
MOST_KEPT = 0.01  # of the starts, late in such seconds: they are in the P99
LEAST_LATE = 3  # a hiccup is no crowd
WHOLE_CORE = 0.9  # that much work of its own per second of the schedule, by one thread, is too much


@dataclass(frozen=True, kw_only=True)
class Starved:
    """One client process that was kept from the processor."""

    process: int
    late: int
    """First operations of their instant that began late while it was kept."""
    starts: int
    """First operations of their instant that began at all."""
    share: float
    """Of the time in which it wanted a processor, in those seconds, how much it had none."""

    def __str__(self) -> str:
        return (
            f"client process {self.process} was kept from the processor: it waited for "
            f"{self.share:.0%} of the time in which it could have run, while {self.late:,} of "
            f"{self.starts:,} starts were late"
        )


def starved(record: LoadRecord, rows: NDArray[np.void]) -> list[Starved]:
    """The client processes that were, judged by these rows of the record."""
    found = []
    for process in range(record.manifest.clients):
        own = [each for each in record.intervals if each.process == process]
        if own and own[-1].cpu_s >= WHOLE_CORE * record.manifest.phases[-1][2]:
            continue
        one = _starved(process, rows[rows["process"] == process], own)
        found += [one] if one is not None else []
    return found


def _starved(process: int, rows: NDArray[np.void], intervals: list[Interval]) -> Starved | None:
    import numpy as np

    seconds = _seconds(intervals)
    kept = [share if _is_kept(share, wait_s, length_s) else 0.0
            for share, wait_s, length_s in seconds]  # fmt: skip
    if not any(kept) or not len(rows):
        return None
    first = np.concatenate([[True], np.diff(rows["due_ns"]) > 0]) & (rows["begun_ns"] >= 0)
    heads = rows[first]
    ends_ns = [each.at_ns for each in intervals]
    when = np.minimum(np.searchsorted(ends_ns, heads["begun_ns"]), len(kept) - 1)
    late = heads["begun_ns"] - heads["due_ns"] > LATE_NS
    hit = late & (np.asarray(kept)[when] > 0)
    count = int(hit.sum())
    if count < LEAST_LATE or count <= MOST_KEPT * len(heads):
        return None
    share = float(np.mean([each for each in kept if each]))
    return Starved(process=process, late=count, starts=len(heads), share=share)


def _is_kept(share: float, wait_s: float, length_s: float) -> bool:
    return share >= KEPT_SHARE and wait_s >= LEAST_WAIT * length_s


def _seconds(intervals: list[Interval]) -> list[tuple[float, float, float]]:
    """Of each interval: the share of wanted time without a processor, that time, its length."""
    found = []
    before: Interval | None = None
    for each in intervals:
        length_s = (each.at_ns - (before.at_ns if before else 0)) / 1e9
        ran_s = each.cpu_s - (before.cpu_s if before else 0.0)
        wait_s = _waited(each) - (_waited(before) if before else 0.0)
        wanted_s = ran_s + wait_s
        found.append((wait_s / wanted_s if wanted_s > 0 else 0.0, wait_s, max(length_s, 1e-9)))
        before = each
    return found


def _waited(interval: Interval) -> float:
    """Since the beginning; 0 where the system does not tell, or an older record did not."""
    return (interval.cpu_wait_s or 0.0) + (interval.steal_s or 0.0)
