"""Hundreds of clients at one node: does each get its answer, and what does the node pay for it?

The node is a process of its own, once as it is, for the memory that the system sees, and once with
every allocation counted exactly (PYTHONMALLOC=malloc, see `heap_lab`). The clients live in the
caller's process, stay connected while the others come, and each writes a record and reads it back.

Rule: measures and returns.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass

from benchmarks.common import subject
from benchmarks.common.children import Child, allow_descriptors
from benchmarks.common.loops import running_loop
from benchmarks.common.records import LoopKind

__all__ = ["AtOneNode", "connect_clients"]

# At once: a node drops the oldest of more than 64 handshakes, which takes part of the crowd home.
ARRIVING = 16
SPARE_DESCRIPTORS = 256  # beside one for each client
WARM_UP = 2  # clients before the first reading: the first ones bring lazy imports along


@dataclass(frozen=True, kw_only=True)
class AtOneNode:
    """What a node was like before and after its clients came. `heap_bytes` is None without glibc's
    count; the bytes are per connection, its record of 64 bytes included."""

    loop: LoopKind
    clients: int
    seconds: float
    resident_bytes: float
    heap_bytes: float | None


def connect_clients(clients: int, loop: LoopKind) -> AtOneNode:
    """Let clients come to a node of this loop; raises what a client raises."""
    allow_descriptors(clients + SPARE_DESCRIPTORS)
    as_it_is = _readings(clients, loop, {})
    counted = _readings(clients, loop, {"PYTHONMALLOC": "malloc"})
    heap = None
    if "heap_bytes" in counted[0]:
        heap = (counted[1]["heap_bytes"] - counted[0]["heap_bytes"]) / clients
    before, after, seconds = as_it_is
    return AtOneNode(
        loop=loop,
        clients=clients,
        seconds=seconds,
        resident_bytes=(after["resident_bytes"] - before["resident_bytes"]) / clients,
        heap_bytes=heap,
    )


def _readings(
    clients: int, loop: LoopKind, environment: dict[str, str]
) -> tuple[dict[str, float], dict[str, float], float]:
    """The node's memory before and after they came, and the seconds it took to serve them."""
    network = subject.NetworkSettings(replication=1, write_quorum=1, read_quorum=1)
    order = {"network": asdict(network), "count": 1, "bootstrap": [], "loop": loop}
    node = Child("benchmarks.common.swarm", [json.dumps(order)], subject.core_dir(), environment)
    try:
        address: str = node.wait_ready()["addresses"][0]
        with running_loop(loop) as runner:
            stack = AsyncExitStack()
            try:
                runner.run(_come(stack, network, address, WARM_UP, "warm-up"))
                before = node.ask({"ask": "usage"})
                begin = time.perf_counter()
                runner.run(_come(stack, network, address, clients, "client"))
                seconds = time.perf_counter() - begin
                return before, node.ask({"ask": "usage"}), seconds
            finally:
                runner.run(stack.aclose())
    finally:
        node.stop()


async def _come(
    stack: AsyncExitStack, network: subject.NetworkSettings, address: str, count: int, name: str
) -> None:
    """So many clients connect, a few at a time, write and read, and stay."""
    room = asyncio.Semaphore(ARRIVING)

    async def one(number: int) -> None:
        async with room:
            client = await stack.enter_async_context(subject.make_client(network, [address]))
            key, value = f"{name} {number}", number.to_bytes(64, "big")
            await client.store(key, value)
            if await client.retrieve(key) != value:
                raise AssertionError(f"{name} {number} was given another value than its own")

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(one(number))
