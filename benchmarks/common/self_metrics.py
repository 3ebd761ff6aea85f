"""What a process tells of itself while it runs: the lag of its event loop and its own counters.

Theory of operation. A timer on the loop fires every `BEAT_S` and writes a fixed-size record into a
mapped file; whoever watches maps the same file and reads, so that no question is asked, nothing is
woken, and a loop that hangs is seen to hang: the record says when the next beat is due. Beats are
numbered and the last `RING` lags are kept, so a reader that looks at any rate misses none. The
record is guarded by a sequence number, odd while it is being written.

Lag is how much later than asked a timer fires. Loops count in whole milliseconds, so an idle loop
shows up to one; there is no finer truth in it.

Rule: standard library only; knows neither the monitor nor what the counters mean.
"""

from __future__ import annotations

import asyncio
import json
import mmap
import os
import struct
import tempfile
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.columns import Column, Kind

__all__ = [
    "BEAT_S",
    "RING",
    "SelfMetrics",
    "SelfMetricsError",
    "SelfMetricsReader",
    "SelfReading",
    "self_metrics_file",
]

MAGIC = b"p2pulse1"
BEAT_S = 0.1  # as often as the monitor looks by default; on an idle core each beat wakes it
RING = 64  # beats a reader may miss: six seconds
MAX_METRICS = 256
HEADER_AT, HEADER_BYTES = 8192, 32768
_LENGTH = struct.Struct("<QI")  # sequence number and bytes of the header (names of the metrics)
_FIXED = struct.Struct("<4q")  # when the next beat is due, beats, CPU ns, metrics
_LAG = struct.Struct("<q")
_LENGTH_AT, _FIXED_AT, _RING_AT = len(MAGIC), 32, 64
_VALUES_AT = _RING_AT + RING * _LAG.size
TRIES = 8  # a reader meets a writer for microseconds, unless that one was stopped in them


def self_metrics_file() -> Path:
    """A new file for self metrics; in memory where the system has that: a mapped disk can block."""
    place = "/dev/shm" if os.path.isdir("/dev/shm") else None
    handle, name = tempfile.mkstemp(prefix="p2pcore-pulse-", dir=place)
    os.close(handle)
    return Path(name)


class SelfMetricsError(ValueError):
    """A file that holds no self metrics, or more metrics than fit into one."""


@dataclass(frozen=True)
class _Source:
    column: Column
    read: Callable[[], float]
    every: int  # beats


class SelfMetrics:
    """The writing side, on the loop of the process that is watched.

    `path` is written anew. Metrics may be registered at any time; `read` runs on the loop, so it
    must be quick.
    """

    def __init__(self, path: Path) -> None:
        size = HEADER_AT + HEADER_BYTES
        self.path = path
        with path.open("w+b") as file:
            file.truncate(size)
            self._map = mmap.mmap(file.fileno(), size)
        self._sources: list[_Source] = []
        self._groups: list[tuple[Callable[[], Mapping[str, float]], Kind]] = []
        self._values: dict[str, float] = {}
        self._columns: list[Column] = []
        self._sequence = 0
        self._beats = 0
        self._cpu_ns = 0
        self._timer: asyncio.TimerHandle | None = None

    def register(
        self, name: str, unit: str, kind: Kind, read: Callable[[], float], *, every: int = 1
    ) -> None:
        """Add a metric, read at every beat or every so many; SelfMetricsError if it cannot be
        added."""
        self._add(Column(name, unit, kind))
        self._sources.append(_Source(self._columns[-1], read, every))

    def register_group(self, read: Callable[[], Mapping[str, float]], kind: Kind) -> None:
        """Add metrics that are read together; names with "bytes" in them are counted in bytes."""
        self._groups.append((read, kind))

    def start(self) -> None:
        """Begin to beat on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._due_ns = time.monotonic_ns()
        self._beat()

    def close(self) -> None:
        """Stop beating and take the file away; a reader keeps what it has mapped."""
        if self._timer is not None:
            self._timer.cancel()
        self.path.unlink(missing_ok=True)

    def _add(self, column: Column) -> None:
        if column.name in self._values:
            raise SelfMetricsError(f"there is a metric called {column.name!r} already")
        if len(self._columns) == MAX_METRICS:
            raise SelfMetricsError(
                f"no more than {MAX_METRICS} metrics fit; {column.name!r} is too many"
            )
        self._columns.append(column)
        self._values[column.name] = 0.0
        names = [[each.name, each.unit, each.kind] for each in self._columns]
        header = json.dumps(names).encode()
        if len(header) > HEADER_BYTES:
            raise SelfMetricsError(f"the names of {len(names)} metrics exceed {HEADER_BYTES} bytes")
        self._begin()
        self._map[HEADER_AT : HEADER_AT + len(header)] = header
        self._end(len(header))

    def _beat(self) -> None:
        now, cpu = time.monotonic_ns(), time.thread_time_ns()
        lag_ns = max(0, now - self._due_ns)
        for source in self._sources:
            if self._beats % source.every == 0:
                self._values[source.column.name] = source.read()
        for read, kind in self._groups:
            values = read()
            for name in values.keys() - self._values.keys():
                self._add(Column(name, "B" if "bytes" in name else "1", kind))
            self._values.update(values)
        self._due_ns = now + int(BEAT_S * 1e9)
        self._write(lag_ns)
        self._timer = self._loop.call_later(BEAT_S, self._beat)
        self._cpu_ns += time.thread_time_ns() - cpu

    def _write(self, lag_ns: int) -> None:
        count = len(self._columns)
        self._begin()
        _LAG.pack_into(self._map, _RING_AT + self._beats % RING * _LAG.size, lag_ns)
        self._beats += 1
        _FIXED.pack_into(self._map, _FIXED_AT, self._due_ns, self._beats, self._cpu_ns, count)
        # Not struct.pack_into: with all values as arguments, CPython 3.11 never takes a tuple of
        # 20 from its free list but puts each back, and 10 beats a second look like a leak.
        values = array("d", self._values.values()).tobytes()
        self._map[_VALUES_AT : _VALUES_AT + len(values)] = values
        self._end()

    def _begin(self) -> None:
        self._sequence += 1
        struct.pack_into("<Q", self._map, _LENGTH_AT, self._sequence)

    def _end(self, header_bytes: int | None = None) -> None:
        self._sequence += 1
        if header_bytes is not None:
            struct.pack_into("<I", self._map, _LENGTH_AT + 8, header_bytes)
        struct.pack_into("<Q", self._map, _LENGTH_AT, self._sequence)
        self._map[: len(MAGIC)] = MAGIC


@dataclass(frozen=True)
class SelfReading:
    """One look at self metrics.

    `lag_s` is the longest lag since the look before, that of an overdue beat included; `beats` and
    `cpu_s` count from the start of the self metrics; `values` go with the reader's `columns`.
    """

    lag_s: float
    beats: int
    cpu_s: float
    values: Sequence[float]


class SelfMetricsReader:
    """The watching side. Raises OSError without the file, SelfMetricsError if it is another."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size != HEADER_AT + HEADER_BYTES:
                raise SelfMetricsError(f"{path.name} has not the size of self metrics")
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if self._map[: len(MAGIC)] not in (MAGIC, bytes(len(MAGIC))):
            raise SelfMetricsError(f"{path.name} does not begin like self metrics")
        self._seen = 0
        self._header_bytes = 0
        self.columns: list[Column] = []

    def read(self, now_ns: int) -> SelfReading | None:
        """What the process told last; None before its first beat, or within a writing."""
        for _ in range(TRIES):
            before, header_bytes = _LENGTH.unpack_from(self._map, _LENGTH_AT)
            # All that is used is copied before the sequence number is looked at again.
            due, beats, cpu, count = _FIXED.unpack_from(self._map, _FIXED_AT)
            fresh = [
                _LAG.unpack_from(self._map, _RING_AT + (beat % RING) * _LAG.size)[0]
                for beat in range(max(self._seen, beats - RING), beats)
            ]
            header = b""
            if header_bytes != self._header_bytes:  # metrics are only ever added
                header = self._map[HEADER_AT : HEADER_AT + header_bytes]
            count = min(max(count, 0), MAX_METRICS)
            values = array("d", self._map[_VALUES_AT : _VALUES_AT + 8 * count])
            after, _ = _LENGTH.unpack_from(self._map, _LENGTH_AT)
            if before == after and not before % 2:
                break
        else:
            return None
        if not beats:
            return None
        if header:
            self._header_bytes = header_bytes
            self.columns = [Column(*each) for each in json.loads(header)]
        self._seen = beats
        return SelfReading(max(0, now_ns - due, *fresh) / 1e9, beats, cpu / 1e9, values)
