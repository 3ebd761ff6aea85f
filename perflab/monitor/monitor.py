"""The monitor of a run: a process of its own that watches the others and writes as it goes.

Theory of operation. Sampling in the process that drives the load would disturb it and be disturbed
by it, so the monitor is a child (`children`): it ends, and ends its file, when its parent does,
however that one died. Killed itself, it leaves a file that lacks the end. The processes it watches
are asked nothing while it runs: their self metrics are mapped files, the rest is the system's.
Times are of the monotonic clock, which all processes of a machine share.

    with Monitor(path) as monitor:
        monitor.watch(child.pid, "node 0", child.self_metrics)
        monitor.mark("warm-up over")

Rule: starts and asks; sampling is the sampler's, and nothing here judges.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common.children import Child, WithChild, serve_parent
from perflab.monitor.sampler import Sampler

__all__ = ["Monitor", "run_child"]


class Monitor(WithChild):
    """The caller's side, from entering to leaving. Every call waits for the monitor's answer.

    `interval_s` is the time between samples. Raises ChildError, with the monitor's own words, for
    what cannot be watched or written.
    """

    def __init__(self, path: Path, interval_s: float = 0.1) -> None:
        self.path = path
        order = {"path": str(path.absolute()), "interval_s": interval_s}
        self._child = Child("perflab.monitor.monitor", [json.dumps(order)])

    @property
    def pid(self) -> int:
        return self._child.pid

    def watch(self, pid: int, name: str = "", self_metrics: Path | None = None) -> list[str]:
        """Watch a process, with its self metrics if it has one; says what cannot be known."""
        order = {
            "do": "watch",
            "pid": pid,
            "name": name,
            "self_metrics": str(self_metrics) if self_metrics else None,
        }
        unknown: list[str] = self._child.ask(order)["unknown"]
        return unknown

    def mark(self, name: str) -> None:
        """Note that something happened now: a phase, a fault."""
        self._child.ask({"do": "mark", "name": name})

    def sites(self, pid: int, operations: float, sites: Sequence[Mapping[str, Any]]) -> None:
        """File where the memory of a watched process grew, as `children.Child.trace_end` says."""
        self._child.ask({"do": "sites", "pid": pid, "operations": operations, "sites": sites})

    def cost(self) -> dict[str, float]:
        """What watching took so far; see verdict.series.Cost."""
        return self._child.ask({"do": "cost"})


class _Service:
    """The child's side."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._order = order
        self._sampling: asyncio.Task[None] | None = None

    async def start(self) -> dict[str, Any]:
        self._sampler = Sampler(Path(self._order["path"]), self._order["interval_s"])
        self._sampling = asyncio.create_task(self._sample())
        return {}

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        sampler = self._sampler
        match question:
            case {"do": "watch", "pid": pid, "name": name, "self_metrics": self_metrics}:
                target = sampler.watch(pid, name, Path(self_metrics) if self_metrics else None)
                return {"unknown": list(target.unknown)}
            case {"do": "mark", "name": name}:
                sampler.mark(name)
                return {}
            case {"do": "sites", "pid": pid, "operations": operations, "sites": sites}:
                sampler.sites(pid, operations, sites)
                return {}
            case {"do": "cost"}:
                return sampler.cost
        raise ValueError(f"a monitor cannot answer {question}")

    async def stop(self) -> None:
        if self._sampling is None:
            return  # the file could not be opened
        self._sampling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._sampling
        self._sampler.close()

    async def _sample(self) -> None:
        while True:
            await asyncio.sleep(max(0, self._sampler.due_ns - time.monotonic_ns()) / 1e9)
            self._sampler.tick()


def run_child(arguments: list[str]) -> None:
    """The process of a Monitor; its order is one JSON object."""
    serve_parent(_Service(json.loads(arguments[0])), "asyncio")
