"""Follows one operation in so many of a client process, and files where its time went.

Rule: picks and files; the core collects, and `perflab/load/critical_path.py` draws figures.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from benchmarks.common import subject
from benchmarks.common.load.mix import Kind
from perflab.load.traces import FOLLOWED, traces_file

__all__ = ["Tracer"]


class Tracer:
    """One operation in `every`, of the kinds that the core can follow; 0, or a core that cannot
    follow any: none, and no file. `zero_ns` is the beginning of the schedule."""

    def __init__(self, directory: Path, process: int, every: int, zero_ns: int) -> None:
        import msgspec

        self._encode = msgspec.json.Encoder().encode
        self.every = every if every and subject.supports("traces") else 0
        self._zero_ns = zero_ns
        # The core goes by the monotonic clock, the run by the performance counter.
        self._shift_ns = time.perf_counter_ns() - time.monotonic_ns() - zero_ns
        self.open: dict[int, Any] = {}
        self._lines = bytearray()
        path = directory / traces_file(process)
        # Unbuffered: whatever was written survives this process.
        self._file = path.open("wb", buffering=0) if self.every else None

    def follows(self, number: int, kind: Kind) -> bool:
        """Whether this operation is one of them."""
        return self.every > 0 and number % self.every == 0 and kind in FOLLOWED

    def follow(self, number: int) -> Any:
        """The trace of an operation that begins."""
        trace = self.open[number] = subject.make_trace()
        return trace

    def ended(
        self, number: int, kind: Kind, outcome: str, due_ns: int, begun_ns: int, ended_ns: int
    ) -> None:
        """The operation is over."""
        trace, shift_ns = self.open.pop(number), self._shift_ns
        line = {
            "kind": kind,
            "outcome": outcome,
            "due_ns": due_ns,
            "begun_ns": begun_ns,
            "written_ns": None if trace.written_ns is None else trace.written_ns + shift_ns,
            "ended_ns": ended_ns,
            "replies": [
                {
                    "node": reply.address,
                    "read_ns": reply.read_ns + shift_ns,
                    "waited_ns": reply.turn_ns - reply.read_ns,
                    "served_ns": reply.done_ns - reply.turn_ns,
                    "replied_ns": reply.replied_ns + shift_ns,
                    "final": reply.final,
                }
                for reply in trace.replies
            ],
        }
        self._lines += self._encode(line) + b"\n"

    def flush(self) -> None:
        """Write what has ended."""
        data, self._lines = self._lines, bytearray()
        while data and self._file is not None:
            data = data[self._file.write(data) :]

    def close(self) -> None:
        """Write the rest."""
        self.flush()
        if self._file is not None:
            self._file.close()
