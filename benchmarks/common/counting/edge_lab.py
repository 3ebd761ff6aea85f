"""A child process that counts what the edge on sockets does: host, connection, outbox, TLS, client.

Nodes and clients are the public ones, on a real event loop; only the sockets are wires in memory
(`wire_loop.py`), so that time, order, random bytes and keys are the same in every run. Counted is
what passes through the loop, and calls as a profiler sees them. What the ruler's own files do, and
what asyncio's loop does to turn, is left out: uvloop does that in C.

Rule: started by a suite or the gate through `EdgeLab`; every value that is read is checked.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import selectors
import sys
import tracemalloc
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks.common import subject
from benchmarks.common.children import Child, WithChild, serve_parent
from benchmarks.common.counting.call_tree import CallTree
from benchmarks.common.counting.edge_swarm import EdgeSwarm
from benchmarks.common.counting.memory_lab import Site, sites_held, traced
from benchmarks.common.reach import unreached
from benchmarks.common.workload import Values

__all__ = ["EDGE_COUNTS", "EDGE_OPERATIONS", "EdgeLab", "run_child"]

EDGE_OPERATIONS = (
    "store",
    "retrieve",
    "store_1MiB",
    "retrieve_1MiB",
    "at_once",
    "connect",
)
EDGE_COUNTS = (
    "python_calls",
    "c_calls",
    "writes",
    "written_bytes",
    "reads",
    "rounds",
    "callbacks",
    "tasks",
    "futures",
    "timers",
    "log_records",
    "collections",
)
ANSWER_S = 100.0  # twenty times what it takes when nothing else runs
SMALL_BYTES, LARGE_BYTES = 1024, 1024 * 1024
# Request ids below 256 are shorter on the wire: by then they are used up.
WARM_UP = 300
BLOCK = 12  # operations: a multiple of three, for whoever takes the replicas in turn
LARGE_BLOCK = 3
AT_ONCE = 64
CONNECTS = 3
LIVES = 48  # clients that come and go
SETTLE_NS = 10_000_000_000
Make = Callable[[int], Coroutine[Any, Any, None]]
Measure = Callable[[EdgeSwarm, int, Callable[[int], object]], Any]
RULER = str(Path(__file__).resolve().parents[2])
TURNING = {
    each.__file__
    for each in (asyncio.base_events, asyncio.events, asyncio.selector_events, selectors)
}
"""In which asyncio's loop turns; uvloop's does so in C."""


class EdgeLab(WithChild):
    """The caller's side: a swarm over wires on one kind of loop, in a process of its own.

    `core_dir` holds the p2pcore package to count; by default it is the one installed here.
    """

    def __init__(self, loop: str, core_dir: str | None = None) -> None:
        self._child = Child(
            "benchmarks.common.counting.edge_lab",
            [json.dumps({"loop": loop})],
            core_dir or subject.core_dir(),
            {"PYTHONHASHSEED": "0"},
        )

    def count(self) -> dict[str, dict[str, float]]:
        """EDGE_COUNTS of each of EDGE_OPERATIONS; nothing if this p2pcore has no network, or there
        is no such loop.

        A store or retrieve is one of a client's; "at_once" are AT_ONCE stores that begin together,
        whose `rounds` are two if all are in flight at the same time; "connect" is a client that is
        made, connects and closes.
        """
        return self._child.ask({"count": "operations"}, ANSWER_S)

    def kept(self) -> float | None:
        """Bytes that Python holds for the swarm after LIVES clients have come, stored and gone."""
        return self._child.ask({"count": "lives"}, ANSWER_S).get("bytes")

    def sites(self) -> list[Site]:
        """Where in the program what is `kept` was asked for."""
        sites: list[Site] = self._child.ask({"count": "sites"}, ANSWER_S).get("sites", [])
        return sites

    def trees(self) -> dict[str, tuple[list[Any], int]]:
        """Of each of EDGE_OPERATIONS, who calls whom (`TreeNode.as_list`), and in how many."""
        return self._child.ask({"count": "trees"}, ANSWER_S)


class _CallCounter:
    """Calls made by whatever is not the ruler's, and not the turning of a loop; log records; and
    collections that are asked for."""

    def __init__(self) -> None:
        self.counts = {"python_calls": 0, "c_calls": 0, "log_records": 0, "collections": 0}
        self._files: dict[str, bool] = {}

    @contextmanager
    def counting(self) -> Iterator[None]:
        handler = logging.Handler()
        handler.emit = self._emit  # type: ignore[method-assign]
        log = logging.getLogger("p2pcore")
        log.addHandler(handler)
        gc.callbacks.append(self._collected)
        sys.setprofile(self._profile)
        try:
            yield
        finally:
            sys.setprofile(None)
            gc.callbacks.remove(self._collected)
            log.removeHandler(handler)

    def _profile(self, frame: FrameType, event: str, argument: object) -> None:
        if event == "call" or event == "c_call":
            file = frame.f_code.co_filename
            counts = self._files.get(file)
            if counts is None:
                counts = self._files[file] = file not in TURNING and not file.startswith(RULER)
            if counts:
                self.counts["python_calls" if event == "call" else "c_calls"] += 1

    def _emit(self, record: logging.LogRecord) -> None:
        self.counts["log_records"] += 1

    def _collected(self, phase: str, info: object) -> None:
        self.counts["collections"] += phase == "start"


class _Lab:
    """The child's service. Its own loop serves the parent; the swarm's runs in another thread."""

    def __init__(self, order: dict[str, Any]) -> None:
        gc.disable()  # so that every collection is one that was asked for
        self._kind: str = order["loop"]

    async def start(self) -> dict[str, Any]:
        return {}

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        things: dict[str, Callable[[], dict[str, Any]]]
        things = {
            "operations": self._operations,
            "lives": self._lives,
            "trees": self._trees,
            "sites": partial(self._lives, sites=True),
        }
        try:
            return await asyncio.to_thread(things[question["count"]])
        except NotImplementedError as reason:
            if unreached(reason):
                raise  # it may be there, under another name
            return {}

    async def stop(self) -> None:
        pass

    def _operations(self) -> dict[str, Any]:
        return self._measured(_count)

    def _trees(self) -> dict[str, Any]:
        return self._measured(_grown)

    def _measured(self, measure: Measure) -> dict[str, Any]:
        logging.getLogger("p2pcore").setLevel(logging.DEBUG)
        logging.getLogger("p2pcore").propagate = False
        swarm = EdgeSwarm(self._kind)
        try:
            return _measured(swarm, measure)
        finally:
            swarm.close()

    def _lives(self, *, sites: bool = False) -> dict[str, Any]:
        """The first swarm brings along what Python keeps for all."""
        tracemalloc.start()
        try:
            _kept(self._kind)
            if sites:
                found: list[Site] = []
                _kept(self._kind, found)
                return {"sites": found}
            return {"bytes": _kept(self._kind)}
        finally:
            tracemalloc.stop()


def _measured(swarm: EdgeSwarm, measure: Measure) -> dict[str, Any]:
    small, large = Values(SMALL_BYTES), Values(LARGE_BYTES)

    async def warm_up() -> None:
        for number in range(WARM_UP):
            await swarm.client.store(f"r{number % BLOCK}", small.value(number % BLOCK))
        for number in range(BLOCK):
            small.check(number, await swarm.client.retrieve(f"r{number}"))
        for number in range(LARGE_BLOCK):
            await swarm.client.store(f"l{number}", large.value(number))
            large.check(number, await swarm.client.retrieve(f"l{number}"))

    async def store(values: Values, name: str, number: int) -> None:
        await swarm.client.store(f"{name}{number}", values.value(number))

    async def retrieve(values: Values, name: str, number: int) -> None:
        values.check(number, await swarm.client.retrieve(f"{name}{number}"))

    async def at_once(edition: int) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(AT_ONCE):
                group.create_task(store(small, f"a{edition}.", number))

    async def connect(_: int) -> None:
        async with swarm.make_client():
            pass

    swarm.run(warm_up())
    swarm.run(at_once(0))
    swarm.run(connect(0))
    swarm.loop.pass_time(SETTLE_NS)
    blocks: dict[str, tuple[int, Make]] = {
        "store": (BLOCK, lambda number: store(small, "r", number)),
        "retrieve": (BLOCK, lambda number: retrieve(small, "r", number)),
        "store_1MiB": (LARGE_BLOCK, lambda number: store(large, "l", number)),
        "retrieve_1MiB": (LARGE_BLOCK, lambda number: retrieve(large, "l", number)),
        "at_once": (1, lambda number: at_once(1 + number)),
        "connect": (CONNECTS, connect),
    }
    found = {}
    for name, (count, make) in blocks.items():
        found[name] = measure(swarm, count, partial(_run, swarm, make))
    return found


def _run(swarm: EdgeSwarm, make: Make, number: int) -> None:
    swarm.run(make(number))


def _count(swarm: EdgeSwarm, times: int, thing: Callable[[int], object]) -> dict[str, float]:
    before, counter = replace(swarm.loop.passed), _CallCounter()
    with counter.counting():
        for number in range(times):
            thing(number)
    totals = swarm.loop.passed.since(before) | counter.counts
    return {name: totals[name] / times for name in EDGE_COUNTS}


def _grown(swarm: EdgeSwarm, times: int, thing: Callable[[int], object]) -> tuple[list[Any], int]:
    tree = CallTree()
    with tree:
        for number in range(times):
            thing(number)
    return tree.root.as_list(), times


def _kept(kind: str, sites: list[Site] | None = None) -> float:
    """Clients come, store a record and go; where the rest of them was made goes to `sites`."""
    values = Values(SMALL_BYTES)
    before = traced()
    if sites is not None:
        tracemalloc.clear_traces()
    swarm = EdgeSwarm(kind)

    async def live(number: int) -> None:
        async with swarm.make_client() as client:
            await client.store("shared", values.value(number))

    for number in range(LIVES):
        swarm.run(live(number))
    swarm.loop.pass_time(SETTLE_NS)
    kept = traced() - before
    if sites is not None:
        sites += sites_held()
    swarm.close()
    return kept


def run_child(arguments: list[str]) -> None:
    """A child process of EdgeLab; its order is one JSON object."""
    serve_parent(_Lab(json.loads(arguments[0])), "asyncio")
