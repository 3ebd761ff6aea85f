"""Does a process' memory reach a plateau, or does it grow with every operation?

Theory of operation. Only the second half of what follows the warm-up is judged: tables and caches
have found their size by then. Its slope is estimated over time and over the operations that the
process itself counted, with an interval that allows for autocorrelation (`trend`), and compared
with a floor below which growth is not held against anybody:

    leak        the whole interval lies above the floor
    plateau     the whole interval lies below it
    undecided   the floor lies within it, or there is nothing to judge: a process that restarted or
                ended, a run that was too short, readings that are missing. The reason is told.

So a noisy run never passes for a clean one. The heap is judged where it was counted to the byte
(the column "heap", under PYTHONMALLOC=malloc), else resident memory, which an allocator may let
grow for a while without any leak. The intervals are widened so that the chance of a false alarm is
`FALSE_ALARMS` for all processes of a recording together.

An operation is what the process counts: completed operations in a client ("operations"), messages
received in a node. A client's operation is up to N messages to as many nodes.

Rule: reads recordings; where the growth was allocated is in them if it was asked for.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from perflab.monitor.record import MetricSeries, MonitorRecording, ProcessSeries, Site
from perflab.stats.slope import Slope, block_minima, slope

__all__ = ["OPERATIONS", "TRACED", "WARM", "Floors", "Growth", "State", "find_leaks"]

State = Literal["plateau", "leak", "undecided"]

WARM = "warm-up over"  # the mark after which memory should have found its size
TRACED = "tracing allocations"  # the mark after which memory is no figure
OPERATIONS = "operations"  # a client's own counter
COUNTED_BY = (OPERATIONS, "messages_in")
BLOCKS = 30  # Perron and Yabu's test is right from about 30 points on
MOST_MISSING = 0.2  # of the blocks; a gap hides a restart of the load as well as a pause
MIN_WINDOW_S = 15.0  # a block of half a second still holds a few readings
FALSE_ALARMS = 0.01


@dataclass(frozen=True, kw_only=True)
class Floors:
    """Growth that is not held against a process."""

    bytes_per_operation: float = 25.0
    """A quarter of the smallest leak that has to be found. Upkeep that comes every 30 s moves the
    heap by 20 KiB, and pages fill up for a while after it has settled: a finer floor needs a
    longer run."""
    bytes_per_second: float = 1024.0
    """Where no operations are counted: 84 MiB a day."""


@dataclass(frozen=True, kw_only=True)
class Growth:
    """What became of one process' memory."""

    process: str
    state: State
    reason: str
    """Why it is undecided, or the sentence that says what was found."""
    signal: str = ""
    """What was judged: "heap" or "rss"; "" if nothing was."""
    window_s: tuple[float, float] = (0.0, 0.0)
    """Which part of the recording was judged."""
    bytes_per_second: Slope | None = None
    bytes_per_operation: Slope | None = None
    counted: str = ""
    """What an operation is here: the name of the counter, "" if there is none."""
    sites: tuple[tuple[Site, float], ...] = ()
    """For a leak whose allocations were traced: each site with its bytes per operation."""


def find_leaks(recording: MonitorRecording, floors: Floors | None = None) -> list[Growth]:
    """Judge every process of a recording; an empty recording has no verdict and gives []."""
    times = Counter(process.name for process in recording.processes)
    begin_s = max([mark.at_s for mark in recording.marks if mark.name == WARM], default=0.0)
    traced = [mark.at_s for mark in recording.marks if mark.name == TRACED]
    end_s = min(traced, default=recording.end_s)
    window = ((begin_s + end_s) / 2, end_s)
    confidence = 1 - 2 * FALSE_ALARMS / max(1, len(times))  # one-sided: only growth alarms
    found = []
    for process in recording.processes:
        if times[process.name] > 1:
            reason = f"restarted: it was {times[process.name]} processes"
            growth = Growth(process=process.name, state="undecided", reason=reason)
        else:
            growth = _judge(process, window, confidence, floors or Floors())
        found.append(_with_sites(growth, process, recording))
    return found


def _judge(
    process: ProcessSeries, window: tuple[float, float], confidence: float, floors: Floors
) -> Growth:
    def undecided(reason: str) -> Growth:
        return Growth(process=process.name, state="undecided", reason=reason, window_s=window)

    if process.gone_s is not None:
        return undecided(f"it ended after {process.gone_s:.1f} s")
    if process.began_s > window[0]:
        return undecided(f"it was watched from {process.began_s:.1f} s on only")
    if window[1] - window[0] < MIN_WINDOW_S:
        return undecided(
            f"too short: {window[1] - window[0]:.1f} s in the second half after the warm-up, and "
            f"{MIN_WINDOW_S:g} s are needed"
        )
    series = process.series
    memory = series["heap"] if "heap" in series else series.get("rss")
    if memory is None:
        return undecided("its memory was not read")
    at, lowest = block_minima(memory.at_s, memory.values, window, BLOCKS)
    if len(at) < (1 - MOST_MISSING) * BLOCKS:
        return undecided(f"{BLOCKS - len(at)} of {BLOCKS} blocks of its readings are missing")
    over_time = slope(at, lowest, confidence)
    counted = next((name for name in COUNTED_BY if name in series and series[name].at_s[1:]), "")
    over_operations = None
    if counted:
        count = _at(series[counted], at)
        if any(after < before for before, after in pairwise(count)):
            return undecided(f"its counter {counted!r} went down")
        # A block without operations, in a stall, has nothing to say of them.
        first = [place for place, n in enumerate(count) if place == 0 or n > count[place - 1]]
        if len(first) >= (1 - MOST_MISSING) * BLOCKS:
            over_operations = slope(
                [count[place] for place in first], [lowest[place] for place in first], confidence
            )
    state, reason = _compare(over_time, over_operations, floors)
    return Growth(
        process=process.name,
        state=state,
        reason=reason,
        signal=memory.column.name,
        window_s=window,
        bytes_per_second=over_time,
        bytes_per_operation=over_operations,
        counted=counted if over_operations else "",
    )


def _compare(over_time: Slope, over_operations: Slope | None, floors: Floors) -> tuple[State, str]:
    """The interval against the floor, per operation where operations were counted."""
    if over_operations is None:
        judged, floor, unit = over_time, floors.bytes_per_second, "B/s"
    else:
        judged, floor, unit = over_operations, floors.bytes_per_operation, "B per operation"
    state: State = "undecided"
    if judged.low > floor:
        state = "leak"
    elif judged.high < floor:
        state = "plateau"
    interval = f"{judged.low:.3g} to {judged.high:.3g} {unit}"
    words = {
        "leak": f"grows by {interval}, more than {floor:g}",
        "plateau": f"grows by {interval}, less than {floor:g}",
        "undecided": f"grows by {interval}, which may be {floor:g} or not: run longer",
    }
    return state, words[state]


def _with_sites(growth: Growth, process: ProcessSeries, recording: MonitorRecording) -> Growth:
    """A leak with the places it was allocated at, where they were traced."""
    traced = [each for each in recording.sites if each.process == process.number]
    if growth.state != "leak" or not traced:
        return growth
    last = traced[-1]
    sites = tuple((site, site.size_bytes / max(1.0, last.operations)) for site in last.sites)
    return Growth(**(vars(growth) | {"sites": sites}))


def _at(series: MetricSeries, instants: Sequence[float]) -> list[float]:
    """A counter's values at other instants, along straight lines between its own."""
    found = []
    for instant in instants:
        after = min(max(bisect_left(series.at_s, instant), 1), len(series.at_s) - 1)
        begin, end = series.at_s[after - 1], series.at_s[after]
        share = (instant - begin) / (end - begin)
        found.append(
            series.values[after - 1]
            + min(max(share, 0.0), 1.0) * (series.values[after] - series.values[after - 1])
        )
    return found
