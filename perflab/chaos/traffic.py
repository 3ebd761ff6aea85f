"""Writers and readers of a network, in a process of their own, that write down all they see.

Theory of operation. A few clients with a few workers each take a key by chance, store, delete or
retrieve it, note the outcome and pause; one process stores every key before that. Each value names
its client and its number, so it is written once; workers of all processes share the keys, so writes
of one key do meet. What has ended is appended to a file twice a second
(`ObservedOperation`, one line each): a run that dies leaves what it had. It is a closed loop,
meant to ask for the truth and not for speed.

Rule: no network of its own, no judgement.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.common import subject
from benchmarks.common.children import Child, WithChild, serve_parent
from benchmarks.common.records import LoopKind
from perflab.chaos.consistency import Kind, ObservedOperation

__all__ = ["ChaosTraffic", "TrafficOrder", "read_last", "run_child"]

FLUSH_S = 0.5
DELETES = 0.1  # of all writes
IN_FLIGHT = 16  # of operations that go through all keys

Outcome: TypeAlias = Coroutine[Any, Any, tuple[str | None, str | None]]  # value and version


@dataclass(frozen=True, kw_only=True)
class TrafficOrder:
    """What one process of clients is to do. `source` is the address to dial from, or ""; `rate` is
    how many operations per second its workers try for together. `fill`: it begins by
    storing every key once, as fast as it can."""

    network: subject.NetworkSettings
    bootstrap: list[str]
    loop: LoopKind
    source: str
    seed: int
    name: str
    file: str
    clients: int = 2
    writers: int = 2
    readers: int = 2
    keys: int = 5000
    value_bytes: int = 256
    rate: float = 100.0
    fill: bool = False


class ChaosTraffic(WithChild):
    """The parent's side: clients at work in a process, from entering to leaving."""

    def __init__(self, order: TrafficOrder) -> None:
        self.file = Path(order.file)
        self.clients = frozenset(_names(order))
        self._child = Child(
            "perflab.chaos.traffic", [json.dumps(asdict(order))], subject.core_dir()
        )

    def counts(self) -> dict[str, int]:
        """What has ended so far: operations under "ok", and failures by their exception."""
        return self._child.ask({"ask": "counts"})

    def finish(self) -> None:
        """Begin nothing more; returns when what is in flight has ended and is in the file."""
        self._child.ask({"do": "finish"})


def _names(order: TrafficOrder) -> list[str]:
    return [f"{order.name}{number}" for number in range(order.clients)]


class _Value:
    """Values that name their write, and are padded to a size."""

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = size_bytes

    def encode(self, name: str) -> bytes:
        return (name + " ").encode().ljust(self._size_bytes, b".")

    def decode(self, value: bytes) -> str:
        """The name; for bytes that nobody has written, something that no write is called."""
        name = value.partition(b" ")[0].decode(errors="replace")
        return name if self.encode(name) == value else f"wrong bytes: {value[:60]!r}"


class _Office:
    """The child's service: clients, their workers, and the file."""

    def __init__(self, order: TrafficOrder) -> None:
        self._order = order
        self._value = _Value(order.value_bytes)
        self._counts: Counter[str] = Counter()
        self._unwritten: list[ObservedOperation] = []
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._finished = False
        self._file = Path(order.file).open("a", encoding="utf-8")  # noqa: SIM115 -- closed by stop()

    async def start(self) -> dict[str, Any]:
        order = self._order
        workers: list[_Worker] = []
        pause_s = order.clients * (order.writers + order.readers) / order.rate
        for name in _names(order):
            client = await self._stack.enter_async_context(
                subject.make_client(order.network, order.bootstrap)
            )
            for number in range(order.writers + order.readers):
                rng = random.Random(f"{order.seed} {name} {number}")
                workers.append(
                    _Worker(client, name, number, order.keys, self._value, rng, self._note)
                )
        if order.fill:
            await _each([f"key {number}" for number in range(order.keys)], workers[0].store)
        for number, work in enumerate(workers):
            writes = number % (order.writers + order.readers) < order.writers
            self._tasks.append(asyncio.create_task(self._work(work, writes, pause_s)))
        self._tasks.append(asyncio.create_task(self._keep_writing()))
        return {}

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        if question == {"ask": "counts"}:
            return dict(self._counts)
        if question == {"do": "finish"}:
            self._finished = True
            await asyncio.wait(self._tasks)
            for task in self._tasks:
                task.result()
            return {}
        raise ValueError(f"traffic cannot answer {question}")

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._flush()
        self._file.close()
        await self._stack.aclose()

    async def _work(self, worker: _Worker, writes: bool, pause_s: float) -> None:
        while not self._finished:
            await (worker.write() if writes else worker.read())
            await asyncio.sleep(worker.rng.uniform(0, 2 * pause_s))

    async def _keep_writing(self) -> None:
        while not self._finished:
            await asyncio.sleep(FLUSH_S)
            self._flush()
        await asyncio.wait(self._tasks[:-1])
        self._flush()

    def _flush(self) -> None:
        lines, self._unwritten = self._unwritten, []
        self._file.writelines(operation.as_line() + "\n" for operation in lines)
        self._file.flush()

    def _note(self, operation: ObservedOperation) -> None:
        self._unwritten.append(operation)
        self._counts[operation.error or "ok"] += 1


class _Worker:
    """One after the other: an operation on a key taken by chance."""

    def __init__(
        self,
        client: subject.SubjectClient,
        name: str,
        number: int,
        keys: int,
        value: _Value,
        rng: random.Random,
        note: Callable[[ObservedOperation], None],
    ) -> None:
        self._client = client
        self._name = name
        self._prefix = f"{name}.{number}"
        self._keys = keys
        self._value = value
        self.rng = rng
        self._note = note
        self._written = 0

    async def write(self) -> None:
        key = f"key {self.rng.randrange(self._keys)}"
        if self.rng.random() < DELETES:
            await self._noted("delete", key, None, self._delete(key))
        else:
            await self.store(key)

    async def store(self, key: str) -> None:
        self._written += 1
        name = f"{self._prefix}:{self._written}"
        await self._noted("store", key, name, self._store(key, name))

    async def read(self) -> None:
        key = f"key {self.rng.randrange(self._keys)}"
        await self._noted("retrieve", key, None, _retrieve(self._client, key, self._value))

    async def _store(self, key: str, name: str) -> tuple[str | None, str | None]:
        receipt = await self._client.store(key, self._value.encode(name))
        return name, subject.version_of(receipt)

    async def _delete(self, key: str) -> tuple[str | None, str | None]:
        return None, subject.version_of(await self._client.delete(key))

    async def _noted(self, kind: Kind, key: str, value: str | None, outcome: Outcome) -> None:
        self._note(await _operation(self._name, kind, key, value, outcome))


async def _operation(
    client: str, kind: Kind, key: str, value: str | None, outcome: Outcome, *, last: bool = False
) -> ObservedOperation:
    """Carry an operation out; it ends with a value and version, or with an error."""
    begin_ns = time.monotonic_ns()
    version = error = None
    try:
        value, version = await outcome
    except Exception as failure:  # of any kind: it is counted, and the work goes on
        error = type(failure).__name__
    return ObservedOperation(
        client, kind, key, value, begin_ns, time.monotonic_ns(), version, error, last
    )


async def _retrieve(
    client: subject.SubjectClient, key: str, value: _Value
) -> tuple[str | None, str | None]:
    found = await subject.retrieve_if_there(client, key)
    return None if found is None else value.decode(found), None


async def read_last(
    client: subject.SubjectClient, keys: Sequence[str], value_bytes: int
) -> list[ObservedOperation]:
    """Retrieve each key once more, when all has settled."""
    value = _Value(value_bytes)
    done: list[ObservedOperation] = []

    async def read(key: str) -> None:
        outcome = _retrieve(client, key, value)
        done.append(await _operation("last", "retrieve", key, None, outcome, last=True))

    await _each(keys, read)
    return done


async def _each(keys: Sequence[str], do: Callable[[str], Awaitable[None]]) -> None:
    """Do something with every key, with a few of them in flight."""
    waiting = list(reversed(keys))

    async def work() -> None:
        while waiting:
            await do(waiting.pop())

    async with asyncio.TaskGroup() as group:
        for _ in range(IN_FLIGHT):
            group.create_task(work())


def run_child(arguments: list[str]) -> None:
    """A child process of Traffic; its order is one JSON object."""
    order = json.loads(arguments[0])
    order["network"] = subject.NetworkSettings(**order["network"])
    ordered = TrafficOrder(**order)
    serve_parent(_Office(ordered), ordered.loop, ordered.source or None)
