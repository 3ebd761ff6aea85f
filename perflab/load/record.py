"""What a load run leaves behind: the format of its directory, and the reader.

One directory per run. All times are nanoseconds of the run's own clock, which begins at 0 when
the schedule does; the manifest ties that to the machine's monotonic clock and to the time of day.

manifest.json       what was asked of whom, written before anything is measured (`LoadManifest`)
operations-N.bin    process N of the clients: HEAD, then a row (`ROW`) for each operation that has
                    ended or was dropped, in the order of their ends
intervals-N.jsonl   the same process: an `Interval` a line, and the names of errors
traces-N.jsonl      the same process: the operations that were followed (`traces.read_traces`)
shares.json         where the processes ran, where a scheduler had them: a list of `Share`
events.jsonl        phases and faults as they happened, lines of `Event`
monitor.jsonl       the processes' figures, where a monitor ran (`monitor.record.read_recording`)
result.json         how it ended (`Result`); it is there whole or not at all
capacity.json       instead of all these, of a search for the capacity (`Capacity`), beside the
                    directories of its trials

All but the first and the last are appended to as the run goes on, so a run that is killed leaves
what it had: no result, and at worst a torn last row or line in each file, which the reader leaves
out and reports. Everything else that is not as described here is an error: a judge has to fail on a
file that it does not understand.

Latencies are kept exactly, 32 bytes for each operation, and not as a histogram: an hour at 1,000
operations per second is 115 MB. Any share of them can be looked at again afterwards (those due
during a fault, the stores, a second), and processes merge by putting their rows together.

Rule: reads files only; the names of the format are here so that writer and reader share them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from perflab.forms import check_form, converted, decoded, document
from perflab.load.capacity_form import Capacity, Trial
from perflab.load.result_form import End, FaultResult, MissingShare, Result, Share

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "CAPACITY",
    "EVENTS",
    "FORMAT",
    "HEAD",
    "KINDS",
    "MANIFEST",
    "MONITOR",
    "OUTCOMES",
    "RESULT",
    "ROW",
    "SHARES",
    "VERSION",
    "Capacity",
    "End",
    "Event",
    "FaultResult",
    "Interval",
    "LoadManifest",
    "LoadRecord",
    "LoadRecordError",
    "MissingShare",
    "Result",
    "Share",
    "Trial",
    "decode_rows",
    "intervals_file",
    "operations_file",
    "read_capacity",
    "read_load",
    "read_manifest",
]

FORMAT = "p2pcore-load"
VERSION = 1  # raised when a reader of the old form would misread the new one
HEAD = b"p2pcore-load 1\n\0"
MANIFEST, RESULT, CAPACITY = "manifest.json", "result.json", "capacity.json"
SHARES = "shares.json"
EVENTS, MONITOR = "events.jsonl", "monitor.jsonl"

ROW = struct.Struct("<qqqIBBH")
"""Due, begun and ended (nanoseconds; -1 for what never came), the number of the record, kind,
outcome, and the number of the error (0: none) in the names that the intervals file tells."""
KINDS = ("retrieve", "store", "insert", "scan", "modify", "delete")
OUTCOMES = ("ok", "dropped", "timed_out", "refused", "failed", "wrong", "missed")
"""Dropped: not begun, for as many as allowed were unanswered. Wrong: answered with something that
was never written. Missed: not begun, for the generator came to it after its deadline. *Late* is
none of these: an operation that began more than 2 ms after its time."""

MOST_CLIENTS, MOST_SECONDS = 1024, 366 * 86400.0

T = TypeVar("T")


class LoadRecordError(ValueError):
    """A directory that is no load run's, or a damaged one; the message names file and fault."""


@dataclass(frozen=True, kw_only=True)
class LoadManifest:
    """What was asked. `scenario` is the scenario with all its defaults, as it was read."""

    format: str
    version: int
    began: str
    """UTC, ISO 8601."""
    command: str
    commit: str
    """Of the code that ran here, which of a running network is the clients' alone; "" if nobody
    knows."""
    versions: dict[str, str]
    machine: dict[str, Any]
    scenario: dict[str, Any]
    seed: int
    target: str
    """"swarm", or the address of a running network."""
    layout: str
    nodes: int
    """0 for a running network."""
    clients: int  # 1 or more
    """Processes that generate the load."""
    interval_s: float
    zero_mono_ns: int
    zero_wall_ns: int
    phases: list[tuple[str, float, float]]
    """Name, begin and end in seconds."""
    uncommitted: list[str] = field(default_factory=list)
    """Files of the code that differed from the commit; older records do not tell."""

    def __post_init__(self) -> None:
        if not 1 <= self.clients <= MOST_CLIENTS:
            raise ValueError(f"clients are 1 to {MOST_CLIENTS}, not {self.clients}")
        if not isinstance(self.scenario.get("name"), str):
            raise ValueError("the scenario has no name")
        phases = self.scenario.get("phase")
        if not isinstance(phases, list) or not all(isinstance(each, dict) for each in phases):
            raise ValueError("scenario.phase is no list of tables")
        if not phases or len(phases) != len(self.phases):
            raise ValueError(f"there are {len(phases)} phases in the scenario, {len(self.phases)} "
                             "with their times")  # fmt: skip
        if not all(isinstance(each.get("warm_up"), bool) for each in phases):
            raise ValueError("a phase of the scenario does not say if it is a warm-up")
        before_s = 0.0
        for name, begin_s, end_s in self.phases:
            if not before_s <= begin_s <= end_s <= MOST_SECONDS:
                raise ValueError(f"the phase {name!r} lasts from {begin_s} to {end_s} s")
            before_s = end_s


@dataclass(frozen=True, kw_only=True)
class Interval:
    """One process of the clients in one interval; all are counts of that interval, but `in_flight`
    and the last four, which are as they were at its end."""

    process: int
    at_ns: int
    scheduled: int
    dropped: int
    missed: int = 0
    late: int
    ended: int
    in_flight: int
    lag_max_ns: int
    """The longest from due to begun, of those that ended in the interval."""
    cpu_s: float
    """Processor time of the process since the beginning of the schedule."""
    cpu_wait_s: float | None = None
    """In that time, how long its main thread could have run and was given no processor."""
    steal_s: float | None = None
    """In that time, what a processor of the machine was kept by other guests of its host."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened: a "phase", a "fault", a "heal", a "note"."""

    at_ns: int
    kind: str
    text: str
    fault: int | None = None
    """The number of the fault in the scenario, counted from 0."""


@dataclass(frozen=True, kw_only=True)
class LoadRecord:
    """One run, as far as its directory tells it."""

    directory: Path
    manifest: LoadManifest
    rows: NDArray[np.void]
    """All operations of all processes, ordered by due time; fields due_ns, begun_ns, ended_ns,
    record, kind, outcome, error and process. `error` indexes `errors`."""
    errors: tuple[str, ...]
    """Names of exceptions; the first is "" for none."""
    intervals: tuple[Interval, ...]
    events: tuple[Event, ...]
    result: Result | None
    """None: the run was killed, or is still going on."""
    torn: tuple[str, ...]
    """Files whose last row or line was cut off, and left out."""
    shares: tuple[Share, ...] = ()
    """Of a run under a scheduler."""

    @property
    def usable(self) -> bool:
        """Whether a verdict may rest on it: it ended by itself and measured its target."""
        result = self.result
        return result is not None and result.end == "complete" and not result.generator_bound


def operations_file(process: int) -> str:
    return f"operations-{process}.bin"


def intervals_file(process: int) -> str:
    return f"intervals-{process}.jsonl"


def decode_rows(data: bytes) -> NDArray[np.void]:
    """Whole rows as a structured array; what follows the last whole one is left out."""
    import numpy as np

    names = [("due_ns", "<i8"), ("begun_ns", "<i8"), ("ended_ns", "<i8"), ("record", "<u4")]
    names += [("kind", "u1"), ("outcome", "u1"), ("error", "<u2")]
    return np.frombuffer(data, dtype=names, count=len(data) // ROW.size)


def read_capacity(directory: Path) -> Capacity:
    """Read what a search for the capacity found; LoadRecordError or OSError."""
    found = document(directory / CAPACITY, Capacity, LoadRecordError)
    check_form(found, (FORMAT, VERSION), CAPACITY, LoadRecordError)
    return found


def read_manifest(directory: Path) -> LoadManifest:
    """Read what was asked of a run; errors as those of `read_load`."""
    manifest = document(directory / MANIFEST, LoadManifest, LoadRecordError)
    check_form(manifest, (FORMAT, VERSION), MANIFEST, LoadRecordError)
    return manifest


def read_load(directory: Path) -> LoadRecord:
    """Read a run's directory; LoadRecordError for anything but what a kill leaves, or OSError."""
    import numpy as np

    manifest = read_manifest(directory)
    reader = _Reader(directory)
    tables = [reader.process(number) for number in range(manifest.clients)]
    rows = np.concatenate(tables)
    path = directory / RESULT
    result = document(path, Result, LoadRecordError) if path.exists() else None
    shares = directory / SHARES
    return LoadRecord(
        directory=directory,
        manifest=manifest,
        rows=rows[np.argsort(rows["due_ns"], kind="stable")],
        errors=tuple(reader.errors),
        intervals=tuple(sorted(reader.intervals, key=lambda each: each.at_ns)),
        events=tuple(
            converted(_decode(line, object, EVENTS), Event, EVENTS, LoadRecordError)
            for line in reader.lines(EVENTS)
        ),
        result=result,
        torn=tuple(reader.torn),
        shares=tuple(document(shares, list[Share], LoadRecordError) if shares.exists() else ()),
    )


@dataclass(frozen=True, kw_only=True)
class _Name:
    """A line that tells the name of an error."""

    number: int
    name: str

    def __post_init__(self) -> None:
        if not 0 < self.number < 1 << 16:
            raise ValueError(f"an error's number is 1 to 65535, not {self.number}")


class _Reader:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.errors: dict[str, int] = {"": 0}
        self.intervals: list[Interval] = []
        self.torn: list[str] = []

    def process(self, number: int) -> NDArray[np.void]:
        """The rows of one process, with its number and with errors as all processes name them."""
        import numpy as np
        from numpy.lib import recfunctions

        names: dict[int, str] = {0: ""}
        for line in self.lines(intervals_file(number)):
            place = intervals_file(number)
            found = _decode(line, dict[str, Any], place)
            kind = found.pop("type", None)
            if kind == "error":
                named = converted(found, _Name, place, LoadRecordError)
                names[named.number] = named.name
            elif kind == "interval":
                self.intervals.append(converted(found, Interval, place, LoadRecordError))
            else:
                raise LoadRecordError(f"{place}: a line of no known type")
        rows = self._rows(operations_file(number))
        if len(rows) and not set(np.unique(rows["error"]).tolist()) <= names.keys():
            raise LoadRecordError(f"{operations_file(number)}: an error that was never named")
        common = np.zeros(max(names) + 1, "<u2")
        for local, name in names.items():
            common[local] = self.errors.setdefault(name, len(self.errors))
        rows = rows.copy()
        rows["error"] = common[rows["error"]]
        who = np.full(len(rows), number, "<u2")
        added: NDArray[np.void] = recfunctions.append_fields(rows, "process", who, usemask=False)
        return added

    def _rows(self, name: str) -> NDArray[np.void]:
        try:
            data = (self._directory / name).read_bytes()
        except FileNotFoundError:
            data = b""  # killed before it began
        if not HEAD.startswith(data[: len(HEAD)]):
            raise LoadRecordError(f"{name}: does not begin like a file of operations")
        body = data[len(HEAD) :]
        if len(body) % ROW.size or 0 < len(data) < len(HEAD):
            self.torn.append(name)
        rows = decode_rows(body)
        if len(rows) and max(rows["ended_ns"].max(), rows["due_ns"].max()) > MOST_SECONDS * 1e9:
            raise LoadRecordError(f"{name}: an operation after more than a year")
        if len(rows) and (
            rows["kind"].max() >= len(KINDS) or rows["outcome"].max() >= len(OUTCOMES)
        ):
            raise LoadRecordError(f"{name}: a row of a kind or outcome that version 1 has not")
        if ((rows["ended_ns"] < rows["begun_ns"]) | (rows["due_ns"] < 0)).any():
            raise LoadRecordError(f"{name}: an operation that ended before it began")
        return rows

    def lines(self, name: str) -> Iterator[bytes]:
        """Whole lines; a torn one at the end is left out and noted."""
        try:
            data = (self._directory / name).read_bytes()
        except FileNotFoundError:
            return
        *whole, rest = data.split(b"\n")
        if rest:
            self.torn.append(name)
        yield from whole


def _decode(data: bytes, what: type[T], place: str) -> T:
    return decoded(data, what, place, LoadRecordError)
