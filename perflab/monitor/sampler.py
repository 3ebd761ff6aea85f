"""Samples processes at a fixed rate and writes each sample down before the next is taken.

Theory of operation. A tick looks at every process (`probe`) and, where it has one, at its self
metrics; one line of the file holds it. Ticks have fixed times, `begin + n * interval`: one that
begins more than a tenth of the interval late is counted as late, and those whose time has passed
altogether are counted as missed and not made up for. What the sampler costs is in the file too,
every few seconds, so that a run that was killed still says what its watching took.

Rule: synchronous; `monitor` and `watch` decide where and when it runs.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.common.columns import Column
from benchmarks.common.records import this_machine
from benchmarks.common.self_metrics import SelfMetricsReader
from perflab.monitor.probe import QUICK, SLOW, GoneError, ProbeError, ProcessProbe
from perflab.monitor.record import FORMAT, VERSION

__all__ = ["Sampler", "WatchedProcess"]

SLOW_S = 5.0  # memory that is a process' own costs a walk through its page tables
LATE_SHARE = 0.1
LOOP = (Column("loop_lag", "s", "gauge"), Column("loop_beats", "1", "counter"))
NO_SELF_METRICS = "only a process of ours, which reports its self metrics, can tell it"
UNKNOWN_OF_STRANGERS = ("loop_lag", "bytes_in", "bytes_out", "the node's own figures")


@dataclass
class WatchedProcess:
    """A process under watch."""

    number: int
    name: str
    probe: ProcessProbe
    self_metrics: SelfMetricsReader | None
    unknown: dict[str, str]
    columns: list[Column] = field(default_factory=list)
    pulse_cpu_s: float = 0.0
    gone: bool = False
    last: tuple[int, list[float | None]] | None = None
    """The last sample and its time, for a live view."""


class Sampler:
    """Writes one file from its header to its end.

    `interval_s` is the time between samples. The file is made anew; OSError if it cannot be.
    """

    def __init__(self, path: Path, interval_s: float = 0.1) -> None:
        if not 0.01 <= interval_s <= 60:
            raise ValueError(f"an interval of 0.01 to 60 s, not {interval_s:g}")
        self.targets: list[WatchedProcess] = []
        self.interval_ns = round(interval_s * 1e9)
        self.ticks = self.late = self.missed = 0
        self.late_max_s = 0.0
        # Unbuffered, and one write a line: whatever was sampled survives this process.
        self._file = path.open("wb", buffering=0)
        self._begin_ns = time.monotonic_ns()
        self._cpu_s = time.process_time()
        self._next_slow_ns = self._begin_ns
        self._write(
            format=FORMAT,
            version=VERSION,
            interval_ns=self.interval_ns,
            mono_ns=self._begin_ns,
            wall_ns=time.time_ns(),
            machine=asdict(this_machine()),
        )
        self.due_ns = self._begin_ns + self.interval_ns

    def watch(self, pid: int, name: str = "", self_metrics: Path | None = None) -> WatchedProcess:
        """Add a process; ProbeError if there is none, OSError or SelfMetricsError for damaged self
        metrics."""
        reader = SelfMetricsReader(self_metrics) if self_metrics else None
        probe = ProcessProbe(pid)
        unknown = probe.unknown()
        if reader is None:
            unknown |= dict.fromkeys(UNKNOWN_OF_STRANGERS, NO_SELF_METRICS)
        target = WatchedProcess(len(self.targets), name or probe.name, probe, reader, unknown)
        self.targets.append(target)
        self._declare(target, [*QUICK, *(LOOP if reader else ())])
        return target

    def mark(self, name: str) -> None:
        """Note that something happened now: a phase, a fault."""
        self._write(type="mark", at=time.monotonic_ns(), name=name)

    def sites(self, pid: int, operations: float, sites: Sequence[Mapping[str, Any]]) -> None:
        """File what `allocations` found in a process, the last of that id."""
        number = [target.number for target in self.targets if target.probe.pid == pid]
        if not number:
            raise ProbeError(f"process {pid} is not watched")
        self._write(
            type="sites",
            at=time.monotonic_ns(),
            process=number[-1],
            operations=operations,
            sites=sites,
        )

    def tick(self) -> None:
        """Take one sample now, and fix the time of the next."""
        now = time.monotonic_ns()
        self.ticks += 1
        late_ns = now - self.due_ns
        self.late_max_s = max(self.late_max_s, late_ns / 1e9)
        self.late += late_ns > LATE_SHARE * self.interval_ns
        slow = now >= self._next_slow_ns
        rows, slow_rows = {}, {}
        for target in self.targets:
            if target.gone:
                continue
            try:
                rows[target.number] = self._row(target, now)
                if slow:
                    slow_rows[target.number] = target.probe.slow()
            except GoneError:
                self._forget(target)
        self._write(type="sample", at=now, rows=rows)
        if slow:
            self._write(type="slow", at=now, rows=slow_rows)
            self._write_cost()
            while self._next_slow_ns <= now:
                self._next_slow_ns += round(SLOW_S * 1e9)
        passed = max(0, (time.monotonic_ns() - self.due_ns) // self.interval_ns)
        self.missed += passed
        self.due_ns += (passed + 1) * self.interval_ns

    def close(self) -> None:
        """Write the final cost and the end."""
        self._write_cost()
        self._write(type="end", at=time.monotonic_ns())
        self._file.close()
        for target in self.targets:
            target.probe.close()

    @property
    def cost(self) -> dict[str, float]:
        """What watching took since the beginning; see verdict.series.Cost."""
        return {
            "cpu_s": time.process_time() - self._cpu_s,
            "pulse_cpu_s": sum(target.pulse_cpu_s for target in self.targets),
            "wall_s": (time.monotonic_ns() - self._begin_ns) / 1e9,
            "ticks": self.ticks,
            "late": self.late,
            "missed": self.missed,
            "late_max_s": self.late_max_s,
        }

    def _row(self, target: WatchedProcess, now: int) -> list[float | None]:
        row = target.probe.quick()
        if target.self_metrics is not None:
            reading = target.self_metrics.read(now)
            if reading is not None:
                known = len(QUICK) + len(LOOP) + len(target.self_metrics.columns)
                if known > len(target.columns):
                    self._declare(target, [*QUICK, *LOOP, *target.self_metrics.columns])
                target.pulse_cpu_s = reading.cpu_s
                row += [reading.lag_s, reading.beats, *reading.values]
            row += [None] * (len(target.columns) - len(row))  # not to be known at this instant
        target.last = (now, row)
        return row

    def _declare(self, target: WatchedProcess, columns: list[Column]) -> None:
        target.columns = columns
        self._write(
            type="process",
            at=time.monotonic_ns(),
            process=target.number,
            pid=target.probe.pid,
            name=target.name,
            columns=[asdict(column) for column in columns],
            slow_columns=[asdict(column) for column in SLOW],
            unknown=target.unknown,
        )

    def _forget(self, target: WatchedProcess) -> None:
        target.gone = True
        target.probe.close()
        self._write(type="gone", at=time.monotonic_ns(), process=target.number)

    def _write_cost(self) -> None:
        self._write(type="cost", at=time.monotonic_ns(), **self.cost)

    def _write(self, **line: Any) -> None:
        """One line, in one write."""
        text = json.dumps(line, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        while text:
            text = text[os.write(self._file.fileno(), text) :]
