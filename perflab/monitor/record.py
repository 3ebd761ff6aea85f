"""What a monitor's file says: the format that `sampler.py` writes, and its reader.

Theory of operation. The file is append-only JSON lines, so that a monitor which is killed leaves
everything but, at worst, its last line. The first line is the header; the others carry a `type`.
A process declares its columns (name, unit, kind) before its first row, and again when it gains
some; rows are then plain lists in the order of the columns. Times are nanoseconds of the monotonic
clock of that machine; the header ties that clock once to the time of day. The reader fails closed:
only a torn last line is forgiven, and reported.

Rule: reads files only; the names of the format are here so that writer and reader share them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from perflab.forms import check_form, decoded, shown
from perflab.monitor.columns import MetricColumn

__all__ = [
    "FORMAT",
    "VERSION",
    "Cost",
    "MetricSeries",
    "MonitorRecording",
    "ProcessSeries",
    "SeriesError",
    "Site",
    "Sites",
    "TimeMark",
    "read_recording",
]

FORMAT = "p2pcore-monitor"
VERSION = 1  # raised when a reader of the old form would misread the new one
NS = 1_000_000_000
MOST_NS = 10**18  # thirty years since the machine began

T = TypeVar("T")


class SeriesError(ValueError):
    """A file that is no monitor's, or a damaged one; the message names file, line and fault."""


@dataclass
class MetricSeries:
    """One metric over time, at the instants when it was known."""

    column: MetricColumn
    at_s: list[float] = field(default_factory=list)
    """Seconds since the header."""
    values: list[float] = field(default_factory=list)

    def per_second(self) -> tuple[list[float], list[float]]:
        """A counter's rate between neighbouring samples: the later instants, and the rates."""
        if self.column.kind != "counter":
            raise ValueError(f"{self.column.name} is a gauge, which has no rate")
        pairs = list(pairwise(zip(self.at_s, self.values, strict=True)))
        rates = [(value - before) / (at - then) for (then, before), (at, value) in pairs]
        return self.at_s[1:], rates


@dataclass
class ProcessSeries:
    """One process from the first to the last look at it; a restarted one is two of these."""

    number: int
    pid: int
    name: str
    began_s: float
    """When the monitor first knew of it, in seconds since the header."""
    unknown: dict[str, str]
    """What cannot be known of it, and why."""
    series: dict[str, MetricSeries] = field(default_factory=dict)
    gone_s: float | None = None
    """When it was found to have ended; None if it was there to the last."""


@dataclass(frozen=True)
class TimeMark:
    """Something that happened to the run: a phase, a fault."""

    at_s: float
    name: str


@dataclass(frozen=True)
class Cost:
    """What the monitoring itself took until an instant.

    `cpu_s` is the monitor's processor time and `pulse_cpu_s` that of the self metrics of the
    processes; `late` ticks began more than a tenth of the interval after their time, `missed` ones
    never.
    """

    at_s: float
    cpu_s: float
    pulse_cpu_s: float
    wall_s: float
    ticks: int
    late: int
    missed: int
    late_max_s: float

    def __post_init__(self) -> None:
        if min(self.cpu_s, self.pulse_cpu_s, self.wall_s) < 0:
            raise ValueError("a cost below zero")

    @property
    def share_of_core(self) -> float:
        """Processor time of monitor and self metrics over elapsed time."""
        return (self.cpu_s + self.pulse_cpu_s) / self.wall_s if self.wall_s else 0.0


@dataclass(frozen=True)
class Site:
    """One line of source whose allocations grew, or shrank, between two snapshots."""

    place: str
    """`file:line`."""
    size_bytes: int
    blocks: int


@dataclass(frozen=True)
class Sites:
    """Where a process' memory grew while allocations were traced."""

    process: int
    operations: float
    """Counted by the process in that time; 0 if it counts none."""
    sites: tuple[Site, ...]


@dataclass
class MonitorRecording:
    """One monitor's file."""

    name: str
    """Of the file."""
    wall_ns: int
    """The time of day at the header, in nanoseconds since 1970."""
    interval_s: float
    machine: dict[str, Any]
    processes: list[ProcessSeries] = field(default_factory=list)
    marks: list[TimeMark] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)
    sites: list[Sites] = field(default_factory=list)
    end_s: float = 0.0
    """The last instant that the file speaks of."""
    complete: bool = False
    """The monitor ended by itself; False after a kill."""
    torn: bool = False
    """The last line was cut off, and left out."""

    def process(self, name: str) -> ProcessSeries:
        """The process of that name; SeriesError if there is none, or several."""
        found = [each for each in self.processes if each.name == name]
        if len(found) != 1:
            raise SeriesError(f"{self.name} has {len(found)} processes called {name!r}")
        return found[0]


# What the lines hold, one class a type; times in nanoseconds of the monotonic clock.


@dataclass
class _Header:
    format: str
    version: int
    interval_ns: int
    mono_ns: int
    wall_ns: int
    machine: dict[str, Any]


@dataclass
class _Type:
    type: str


@dataclass
class _Process:
    at: int
    process: int
    pid: int
    name: str
    columns: list[MetricColumn]
    slow_columns: list[MetricColumn]
    unknown: dict[str, str]


@dataclass
class _Rows:
    at: int
    rows: dict[int, list[float | None]]


@dataclass
class _Gone:
    at: int
    process: int


@dataclass
class _Mark:
    at: int
    name: str


@dataclass
class _Cost:
    at: int
    cpu_s: float
    pulse_cpu_s: float
    wall_s: float
    ticks: int
    late: int
    missed: int
    late_max_s: float


@dataclass
class _Sites:
    at: int
    process: int
    operations: float
    sites: list[Site]


@dataclass
class _End:
    at: int


_Line = _Process | _Rows | _Gone | _Mark | _Cost | _Sites | _End
_LINES: dict[str, type[Any]] = {
    "process": _Process,
    "sample": _Rows,
    "slow": _Rows,
    "gone": _Gone,
    "mark": _Mark,
    "cost": _Cost,
    "sites": _Sites,
    "end": _End,
}


def read_recording(path: Path) -> MonitorRecording:
    """Read a monitor's file; raises SeriesError for anything but a torn last line, or OSError."""
    lines = _lines(path)
    try:
        _, header = next(lines)
    except StopIteration:
        raise SeriesError(f"{path.name}: empty, or cut off within its first line") from None
    reader = _Reader(path.name, _decode(header, _Header, f"{path.name}, line 1"))
    for number, line in lines:
        reader.take(line, f"{path.name}, line {number}")
    reader.recording.torn = path.read_bytes()[-1:] != b"\n"
    return reader.recording


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Numbered lines that end as lines do: a torn one at the end of the file is left out."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.endswith(b"\n"):
                yield number, line


def _decode(line: bytes, what: type[T], place: str) -> T:
    return decoded(line, what, place, SeriesError)


class _Reader:
    """Takes a file line by line."""

    def __init__(self, name: str, header: _Header) -> None:
        check_form(header, (FORMAT, VERSION), f"{name}, line 1", SeriesError)
        if not 0 < header.interval_ns < MOST_NS:
            raise SeriesError(f"{name}, line 1: an interval of {shown(header.interval_ns)} ns")
        if not (0 <= header.mono_ns < MOST_NS and 0 <= header.wall_ns < MOST_NS * 10):
            raise SeriesError(f"{name}, line 1: a time beyond {MOST_NS} ns")
        self._start_ns = header.mono_ns
        self._by_number: dict[int, ProcessSeries] = {}
        self._columns: dict[tuple[str, int], list[MetricSeries]] = {}
        self._last_ns: dict[str, int] = {}
        self.recording = MonitorRecording(
            name=name,
            wall_ns=header.wall_ns,
            interval_s=header.interval_ns / NS,
            machine=header.machine,
        )

    def take(self, line: bytes, place: str) -> None:
        kind = _decode(line, _Type, place).type
        if kind not in _LINES:
            raise SeriesError(f"{place}: a line of type {kind!r}, which version {VERSION} has not")
        if self.recording.complete:
            raise SeriesError(f"{place}: something follows the end")
        found: _Line = _decode(line, _LINES[kind], place)
        if not 0 <= found.at < MOST_NS:
            raise SeriesError(f"{place}: a time of {shown(found.at)} ns")
        at_s = (found.at - self._start_ns) / NS
        if at_s < 0:
            raise SeriesError(f"{place}: it is {-at_s:.3f} s older than the header")
        self.recording.end_s = max(self.recording.end_s, at_s)
        try:
            self._take(kind, found, at_s)
        except (ValueError, OverflowError) as error:
            raise SeriesError(f"{place}: {error}") from error

    def _take(self, kind: str, found: _Line, at_s: float) -> None:
        recording = self.recording
        match found:
            case _Process():
                self._declare(found, at_s)
            case _Rows():
                if found.at <= self._last_ns.get(kind, -1):
                    raise ValueError(f"a {kind} that is not younger than the one before it")
                self._last_ns[kind] = found.at
                for number, row in found.rows.items():
                    self._add_row(kind, number, row, at_s)
            case _Gone():
                self._known(found.process).gone_s = at_s
            case _Mark():
                recording.marks.append(TimeMark(at_s, found.name))
            case _Cost():
                figures = {name: value for name, value in vars(found).items() if name != "at"}
                recording.costs.append(Cost(at_s=at_s, **figures))
            case _Sites():
                self._known(found.process)
                recording.sites.append(Sites(found.process, found.operations, tuple(found.sites)))
            case _End():
                recording.complete = True

    def _known(self, number: int) -> ProcessSeries:
        if number not in self._by_number:
            raise ValueError(f"process {number} was never introduced")
        return self._by_number[number]

    def _declare(self, found: _Process, at_s: float) -> None:
        """A new process, or one already known that gained columns."""
        process = self._by_number.get(found.process)
        if process is None:
            process = ProcessSeries(found.process, found.pid, found.name, at_s, found.unknown)
            self._by_number[found.process] = process
            self.recording.processes.append(process)
        elif (process.pid, process.name) != (found.pid, found.name):
            raise ValueError(f"process {found.process} was introduced as {process.name!r}")
        for kind, columns in (("sample", found.columns), ("slow", found.slow_columns)):
            known = [series.column for series in self._columns.get((kind, found.process), [])]
            if columns[: len(known)] != known:
                raise ValueError(f"the columns of {found.name!r} were other ones before")
            for column in columns[len(known) :]:
                if column.name in process.series:
                    raise ValueError(f"{found.name!r} has two metrics called {column.name!r}")
                process.series[column.name] = MetricSeries(column)
            self._columns[kind, found.process] = [process.series[each.name] for each in columns]

    def _add_row(self, kind: str, number: int, row: Sequence[float | None], at_s: float) -> None:
        process = self._known(number)
        columns = self._columns[kind, number]
        if len(row) != len(columns):
            raise ValueError(f"{process.name!r} has {len(columns)} metrics and {len(row)} values")
        if process.gone_s is not None:
            raise ValueError(f"{process.name!r} had ended before this row")
        for series, value in zip(columns, row, strict=True):
            if value is None:
                continue  # not to be known at this instant
            if not math.isfinite(value):
                raise ValueError(f"{series.column.name} of {process.name!r} is {value}")
            series.at_s.append(at_s)
            series.values.append(float(value))
