"""What a client process keeps of its operations: rows in files, and what was acknowledged.

`RowTail` reads the rows while they are written.

Rule: writes what it is told; asks nobody.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.common import subject
from benchmarks.common.load.mix import DrawnOperation
from benchmarks.common.load.open_loop import LATE_NS, NEVER, Fate, Log
from benchmarks.common.processors import Spent
from benchmarks.common.workload import WrongValueError
from perflab.load.record import (
    HEAD,
    KINDS,
    OUTCOMES,
    ROW,
    decode_rows,
    intervals_file,
    operations_file,
)
from perflab.load.tracer import Tracer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["DELETED", "Acknowledged", "OperationLog", "RowTail"]

DELETED = 0  # in place of the number of a write
OUTCOME = {name: number for number, name in enumerate(OUTCOMES)}
KIND = {name: number for number, name in enumerate(KINDS)}


class OperationLog(Log):
    """Writes rows and intervals. `take` gives the step of an operation, once; with `deletes`, some
    records are rightly not there. What `tracer` follows is filed, too."""

    def __init__(
        self,
        directory: Path,
        process: int,
        take: Callable[[int], DrawnOperation],
        deletes: bool,
        tracer: Tracer,
    ) -> None:
        # Unbuffered: whatever was written survives this process.
        self._rows = (directory / operations_file(process)).open("wb", buffering=0)
        self._lines = (directory / intervals_file(process)).open("wb", buffering=0)
        self._rows.write(HEAD)
        self._take, self._deletes, self._process = take, deletes, process
        self._tracer = tracer
        self._buffer = bytearray()
        self._names: dict[type[Exception] | None, tuple[int, int]] = {None: (OUTCOME["ok"], 0)}
        self._scheduled = self._dropped = self._missed = 0
        self._late = self._ended = self._lag_max_ns = 0

    def due(self, number: int, due_ns: int, fate: Fate) -> None:
        self._scheduled += 1
        if fate == "begun":
            return
        self._dropped += fate == "dropped"
        self._missed += fate == "missed"
        self._add(self._take(number), due_ns, NEVER, NEVER, OUTCOME[fate], 0)

    def ended(
        self, number: int, due_ns: int, begun_ns: int, ended_ns: int, error: Exception | None
    ) -> None:
        lag_ns = begun_ns - due_ns
        self._ended += 1
        if lag_ns > LATE_NS:
            self._late += 1
        if lag_ns > self._lag_max_ns:
            self._lag_max_ns = lag_ns
        kind = None if error is None else type(error)
        outcome, name = self._names.get(kind) or self._name(kind, error)
        step = self._take(number)
        self._add(step, due_ns, begun_ns, ended_ns, outcome, name)
        if number in self._tracer.open:
            self._tracer.ended(number, step.kind, OUTCOMES[outcome], due_ns, begun_ns, ended_ns)

    def flush(self) -> None:
        data, self._buffer = self._buffer, bytearray()
        while data:
            data = data[self._rows.write(data) :]
        self._tracer.flush()

    def interval(self, at_ns: int, in_flight: int, spent: Spent) -> None:
        """End an interval; `spent` counts from the beginning of the schedule."""
        self.flush()
        self._line(
            type="interval",
            process=self._process,
            at_ns=at_ns,
            scheduled=self._scheduled,
            dropped=self._dropped,
            missed=self._missed,
            late=self._late,
            ended=self._ended,
            in_flight=in_flight,
            lag_max_ns=self._lag_max_ns,
            **asdict(spent),
        )
        self._scheduled = self._dropped = self._missed = 0
        self._late = self._ended = self._lag_max_ns = 0

    def close(self) -> None:
        self.flush()
        self._rows.close()
        self._lines.close()
        self._tracer.close()

    def _name(self, kind: type[Exception] | None, error: Exception | None) -> tuple[int, int]:
        """The outcome that an error means, and its number; told before a row has it."""
        assert kind is not None
        assert error is not None
        found: str = "wrong" if kind is WrongValueError else subject.failure(error)
        if found == "absent":
            found = "ok" if self._deletes else "wrong"  # what nobody deletes has to be there
        number = len(self._names)
        self._line(type="error", number=number, name=kind.__name__)
        self._names[kind] = OUTCOME[found], number
        return self._names[kind]

    def _add(
        self, step: DrawnOperation, due: int, begun: int, ended: int, outcome: int, name: int
    ) -> None:
        self._buffer += ROW.pack(due, begun, ended, step.record, KIND[step.kind], outcome, name)

    def _line(self, **line: Any) -> None:
        self._lines.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")


class Acknowledged:
    """What was acknowledged of each record, and what may have happened besides.

    `newest` has the version and the write (or DELETED) that was acknowledged last, by versions;
    `unsure` the writes that failed: a store whose time ran out may have happened.
    """

    def __init__(self) -> None:
        self.newest: dict[int, tuple[str, int]] = {}
        self.unsure: dict[int, list[int]] = {}

    async def note(self, record: int, write: int, doing: Awaitable[object]) -> None:
        """Wait for a store or delete, and remember how it ended."""
        try:
            receipt = await doing
        except BaseException:
            self.unsure.setdefault(record, []).append(write)
            raise
        version = subject.version_of(receipt)
        if version > self.newest.get(record, ("", 0))[0]:
            self.newest[record] = version, write


class RowTail:
    """Reads the rows that were added to a file since the last look."""

    def __init__(self, path: Path) -> None:
        self._path, self._offset = path, len(HEAD)

    def read(self) -> NDArray[np.void]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            data = b""
        rows = decode_rows(data)
        self._offset += len(rows) * ROW.size
        return rows
