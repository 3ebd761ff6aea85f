"""A child process in which every byte of heap is counted, asked to do one thing at a time.

It runs nodes and a client of them on one loop, under PYTHONMALLOC=malloc: Python's objects,
OpenSSL's connections and uvloop's handles then all come from malloc, whose count of bytes in use
is exact. A page-wise figure such as resident memory would need a leak a hundred times as large.
What it counts is a few percent above a usual process, whose small objects share their headers.

Rule: started by a suite through `HeapLab`; one question, one reading.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import Any

from benchmarks.common import subject
from benchmarks.common.children import Child, WithChild, serve_parent
from benchmarks.common.disk import NodeStorage
from benchmarks.common.footprint import heap_bytes
from benchmarks.common.swarm import Members
from benchmarks.common.workload import Values, closed_loop

__all__ = ["HeapLab", "run_child"]

IN_FLIGHT = 8


class HeapLab(WithChild):
    """The parent's side: a network in a child process, and its heap after each thing done."""

    def __init__(
        self, nodes: int, network: subject.NetworkSettings, storage: NodeStorage | None = None
    ) -> None:
        order = {
            "nodes": nodes,
            "network": asdict(network),
            "loop": subject.default_loop(),
            "storage": asdict(storage or NodeStorage()),
        }
        self._child = Child(
            "benchmarks.common.heap_lab",
            [json.dumps(order)],
            subject.core_dir(),
            {"PYTHONMALLOC": "malloc"},
        )

    def __enter__(self) -> HeapLab:
        super().__enter__()
        self.addresses: list[str] = self._child.ready["addresses"]
        return self

    def nodes(self, count: int) -> int:
        """Start nodes, each a network of its own, and keep them."""
        return self._ask("nodes", count=count)

    def store(
        self, count: int, size_bytes: int, *, first: int = 0, edition: int = 0, among: int = 0
    ) -> int:
        """Store records first … first+count-1; another edition has other values. `among`: so many
        records instead, again and again, each time in the next edition."""
        among = among or count
        return self._ask(
            "store", count=count, size=size_bytes, first=first, edition=edition, among=among
        )

    def retrieve(self, count: int, size_bytes: int, *, edition: int, among: int = 0) -> int:
        """Retrieve records 0 … count-1, or `among` so many again and again, and compare them with
        that edition."""
        among = among or count
        return self._ask("retrieve", count=count, size=size_bytes, edition=edition, among=among)

    def _ask(self, thing: str, **how: int) -> int:
        """Bytes of heap in use after the thing is done; NotImplementedError without glibc."""
        reading = self._child.ask({"do": thing, **how})["heap_bytes"]
        if reading is None:
            raise NotImplementedError("the exact count of heap bytes needs glibc 2.33 or newer")
        return int(reading)


class _Lab:
    """The child's service."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._count: int = order["nodes"]
        self._network = subject.NetworkSettings(**order["network"])
        self._members = Members(self._network, NodeStorage(**order["storage"]))
        self._stack = AsyncExitStack()

    async def start(self) -> dict[str, Any]:
        self._stack.push_async_callback(self._members.shutdown)
        await self._members.add(self._count, [])
        self._client = await self._stack.enter_async_context(
            subject.make_client(self._network, self._members.addresses[:1])
        )
        return {"addresses": self._members.addresses}

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        things: dict[str, Callable[..., Awaitable[None]]] = {
            "nodes": self._do_nodes,
            "store": self._do_store,
            "retrieve": self._do_retrieve,
        }
        await things[question.pop("do")](**question)
        await asyncio.sleep(0)  # what was cancelled or closed just now lets go in the next turn
        return {"heap_bytes": heap_bytes()}

    async def stop(self) -> None:
        await self._stack.aclose()

    async def _do_nodes(self, count: int) -> None:
        for _ in range(count):
            loner = Members(subject.NetworkSettings(replication=1, write_quorum=1, read_quorum=1))
            self._stack.push_async_callback(loner.shutdown)
            await loner.add(1, [])

    async def _do_store(self, count: int, size: int, first: int, edition: int, among: int) -> None:
        editions = [Values(size, edition + done) for done in range(-(-count // among))]
        outcome = await closed_loop(
            lambda n: self._client.store(
                f"{size}-{first + n % among}", editions[n // among].value(first + n % among)
            ),
            operations=count,
            in_flight=IN_FLIGHT,
        )
        outcome.require_clean()

    async def _do_retrieve(self, count: int, size: int, edition: int, among: int) -> None:
        values = Values(size, edition)
        outcome = await closed_loop(
            lambda n: self._client.retrieve(f"{size}-{n % among}"),
            operations=count,
            in_flight=IN_FLIGHT,
            check=lambda n, answer: values.check(n % among, answer),
        )
        outcome.require_clean()


def run_child(arguments: list[str]) -> None:
    """A child process of HeapLab; its order is one JSON object."""
    order = json.loads(arguments[0])
    serve_parent(_Lab(order), order["loop"])
