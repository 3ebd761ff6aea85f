"""A process that generates load: it keeps its part of a scenario's schedule and writes as it goes.

Theory of operation. Every process goes through the whole schedule and takes each `parts`-th
operation of it, so that together they keep it to the nanosecond whatever their number; what the
operations are, each draws for itself. What has ended becomes a row of 32 bytes in a buffer that
is written FLUSH_S apart. In memory stay only the newest acknowledged write of each record and the
writes that failed, so that a soak of days needs hardly more of it than a burst. The format is
`perflab/load/record.py`.

Values name their record and their write, and their size follows from the record: every answer is
checked, whoever wrote it.

Rule: one client, one schedule; what is done to the network is not its business.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from benchmarks.common import subject
from benchmarks.common.children import Child, serve_parent
from benchmarks.common.load.mix import DrawnOperation, steps
from benchmarks.common.load.open_loop import OpenLoop
from benchmarks.common.load.values import StampedValues, key_of, record_of
from benchmarks.common.processors import Account
from benchmarks.common.records import LoopKind
from benchmarks.common.workload import WrongValueError, closed_loop
from perflab.load.operation_log import DELETED, Acknowledged, OperationLog
from perflab.load.scenario import scenario_of
from perflab.load.tracer import Tracer

__all__ = ["ClientProcess", "LoadClient", "LoadOrder", "StartsClient", "run_child"]

KEY_VARIABLE = "P2PCORE_LOAD_NETWORK_KEY"
FLUSH_S = 0.2
FILL_IN_FLIGHT = 16
FILL_TIMEOUT_S = 10.0  # whatever the time of what is measured: this is preparation
FILL_CHUNK = 2000  # records per question: a child has 30 s for each


@dataclass(frozen=True, kw_only=True)
class LoadOrder:
    """What one process is to do. `source` is the address to dial from, or "". Without a bootstrap
    there is no network: every operation is answered at once, and the generator measures itself."""

    scenario: dict[str, Any]
    part: int
    directory: str
    network: subject.NetworkSettings
    bootstrap: list[str]
    loop: LoopKind
    source: str
    interval_s: float


class ClientProcess(Protocol):
    """The process of a client: a child of this one, or one on another machine."""

    @property
    def pid(self) -> int: ...

    @property
    def self_metrics(self) -> Path | None: ...

    def wait_ready(self) -> dict[str, Any]: ...

    def ask(self, question: dict[str, Any]) -> dict[str, Any]: ...

    def release(self) -> None: ...

    def stop(self) -> None: ...


StartsClient = Callable[[str, list[str], dict[str, str]], ClientProcess]
"""Starts a module's `run_child` with arguments and variables of its environment."""


def _as_child(module: str, arguments: list[str], environment: dict[str, str]) -> Child:
    return Child(module, arguments, subject.core_dir(), environment, self_metrics=True)


class LoadClient:
    """The parent's side of one process."""

    def __init__(self, order: LoadOrder, start: StartsClient = _as_child) -> None:
        self.order = order
        # Arguments can be read by every user of the machine, environments only by this one.
        table = asdict(order) | {"network": asdict(order.network) | {"key": ""}}
        self.child = start(
            "perflab.load.client", [json.dumps(table)], {KEY_VARIABLE: order.network.key}
        )

    def fill(self, first: int, last: int) -> None:
        """Store records of these numbers; ChildError if one cannot be."""
        self.child.ask({"do": "fill", "first": first, "last": last})

    def go(self, zero_ns: int) -> None:
        """Let the schedule begin at that time of the performance counter."""
        self.child.ask({"do": "go", "zero_ns": zero_ns})

    def acknowledged(self) -> tuple[dict[int, tuple[str, int]], dict[int, list[int]]]:
        """Of each record the version and number of the write that was acknowledged last (0: a
        delete), and the numbers of those that failed."""
        found = self.child.ask({"ask": "acknowledged"})
        newest = {int(record): (str(v), int(w)) for record, (v, w) in found["newest"].items()}
        return newest, {int(record): writes for record, writes in found["unsure"].items()}

    def halt(self) -> None:
        """Start nothing more."""
        self.child.ask({"do": "halt"})

    def done(self) -> bool:
        """Whether all has ended and is in the files; ChildError if it broke."""
        done: bool = self.child.ask({"ask": "done"})["done"]
        return done


class _Nobody:
    """A client of no network: answers at once, and rightly."""

    def __init__(self, values: StampedValues) -> None:
        self._values = values

    async def store(self, key: str, value: bytes, **_: Any) -> object:
        return self

    version = b"\x01"  # of everything

    async def retrieve(self, key: str) -> bytes:
        return self._values.value(record_of(key), 1)

    async def delete(self, key: str) -> object:
        return self

    async def retrieve_many(self, keys: list[str]) -> dict[str, bytes]:
        return {key: self._values.value(record_of(key), 1) for key in keys}


class _Service:
    """The child's side."""

    def __init__(self, order: LoadOrder) -> None:
        self._order = order
        self._scenario = scenario_of(order.scenario)
        self._values = StampedValues(self._scenario.load.sizes)
        self._deletes = self._scenario.deletes
        self._pending: dict[int, DrawnOperation] = {}
        self._acknowledged = Acknowledged()
        self._writes = (order.part + 1) << 48  # no other process has these numbers
        self._stack = AsyncExitStack()
        self._driver: OpenLoop | None = None
        self._running: asyncio.Task[None] | None = None
        self._account = Account()  # anew when the schedule begins
        self._do: dict[str, Callable[..., Awaitable[object]]] = {
            "retrieve": self._retrieve,
            "store": self._store,
            "insert": self._store,
            "scan": self._scan,
            "modify": self._modify,
            "delete": self._delete,
        }

    async def start(self) -> dict[str, Any]:
        order, timeout_s = self._order, self._scenario.load.timeout_s
        self._client: Any
        if order.bootstrap:
            opening = subject.make_client(order.network, order.bootstrap, timeout_s=timeout_s)
            self._client = await self._stack.enter_async_context(opening)
        else:
            self._client = _Nobody(self._values)
        return {"identity": asdict(subject.identity(order.loop))}

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        match question:
            case {"do": "fill", "first": first, "last": last}:
                await self._fill(first, last)
                return {}
            case {"do": "go", "zero_ns": zero_ns}:
                self._running = asyncio.create_task(self._run(zero_ns))
                return {}
            case {"do": "halt"}:
                if self._driver is not None:
                    self._driver.stop()
                return {}
            case {"ask": "acknowledged"}:
                return {"newest": self._acknowledged.newest, "unsure": self._acknowledged.unsure}
            case {"ask": "done"}:
                if self._running is None or not self._running.done():
                    return {"done": False}
                self._running.result()
                return {"done": True}
        raise ValueError(f"a load client cannot answer {question}")

    async def stop(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
        await self._stack.aclose()

    async def _fill(self, first: int, last: int) -> None:
        outcome = await closed_loop(
            lambda n: self._store(DrawnOperation("store", first + n), timeout_s=FILL_TIMEOUT_S),
            operations=last - first,
            in_flight=FILL_IN_FLIGHT,
        )
        if outcome.errors:
            raise RuntimeError(f"records {first} to {last - 1} gave {outcome.errors}")

    async def _run(self, zero_ns: int) -> None:
        load = self._scenario.load
        directory, part = Path(self._order.directory), self._order.part
        every = load.trace_every if self._order.bootstrap else 0
        self._tracer = Tracer(directory, part, every, zero_ns)
        book = OperationLog(directory, part, self._pending.pop, self._deletes, self._tracer)
        try:
            self._driver = OpenLoop(
                self._operate,
                due_ns=self._plan(),
                max_in_flight=load.max_in_flight,
                log=book,
                zero_ns=zero_ns,
                begin_within_ns=round(load.timeout_s * 1e9),
            )
            writing = asyncio.create_task(self._keep_writing(book, self._driver, zero_ns))
            try:
                await self._driver.run()
            finally:
                writing.cancel()
                await asyncio.wait([writing])
                self._interval(book, self._driver)
        finally:
            book.close()

    def _plan(self) -> Iterator[int]:
        """When this process' operations are due; what they are, it notes under their numbers."""
        scenario, part, parts = self._scenario, self._order.part, self._scenario.load.clients
        load = scenario.load
        drawn = steps(
            load.weights,
            load.chosen_by,
            load.records,
            seed=f"{scenario.seed} steps",
            part=part,
            parts=parts,
        )
        number = 0
        for place, (due_ns, step) in enumerate(scenario.due()):
            if place % parts == part:
                self._pending[number] = next(drawn) if step is None else step
                number += 1
                yield due_ns

    async def _keep_writing(self, book: OperationLog, driver: OpenLoop, zero_ns: int) -> None:
        await asyncio.sleep(max(0, zero_ns - time.perf_counter_ns()) / 1e9)
        self._account = Account()
        interval_ns = round(self._order.interval_s * 1e9)
        end_ns = interval_ns
        while True:
            await asyncio.sleep(FLUSH_S)
            book.flush()
            if (passed_ns := driver.passed_ns()) >= end_ns:
                self._interval(book, driver)
                end_ns = (passed_ns // interval_ns + 1) * interval_ns

    def _interval(self, book: OperationLog, driver: OpenLoop) -> None:
        book.interval(max(0, driver.passed_ns()), driver.in_flight, self._account.spent())

    def _operate(self, number: int) -> Awaitable[object]:
        step = self._pending[number]
        if self._tracer.every and self._tracer.follows(number, step.kind):
            return self._do[step.kind](step, trace=self._tracer.follow(number))
        return self._do[step.kind](step)

    # Options of the following, such as `trace`, are the core's own.

    async def _retrieve(self, step: DrawnOperation, **trace: Any) -> None:
        value = await self._client.retrieve(key_of(step.record), **trace)
        self._values.check(step.record, value)

    async def _store(self, step: DrawnOperation, **options: Any) -> None:
        self._writes += 1
        record, write = step.record, self._writes
        storing = self._client.store(key_of(record), self._values.value(record, write), **options)
        await self._acknowledged.note(record, write, storing)

    async def _delete(self, step: DrawnOperation, **trace: Any) -> None:
        deleting = self._client.delete(key_of(step.record), **trace)
        await self._acknowledged.note(step.record, DELETED, deleting)

    async def _modify(self, step: DrawnOperation) -> None:
        await self._retrieve(step)
        await self._store(step)

    async def _scan(self, step: DrawnOperation) -> None:
        """Records one after the other by their numbers: keys have no order in a hashed store."""
        numbers = range(step.record, step.record + step.records)
        found = await self._client.retrieve_many([key_of(number) for number in numbers])
        for number in numbers:
            value = found.get(key_of(number))
            if value is not None:
                self._values.check(number, value)
            elif not self._deletes:
                raise WrongValueError(f"record {number} was left out of {len(numbers)}")


def run_child(arguments: list[str]) -> None:
    """The process of a LoadClient; its order is one JSON object. A second argument is the folder to
    write to, where that is decided on the machine."""
    table = json.loads(arguments[0])
    table["directory"] = arguments[1] if len(arguments) > 1 else table["directory"]
    network = subject.NetworkSettings(**table["network"] | {"key": os.environ.pop(KEY_VARIABLE)})
    order = LoadOrder(**table | {"network": network})
    serve_parent(_Service(order), order.loop, order.source or None)
