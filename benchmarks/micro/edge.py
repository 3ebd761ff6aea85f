"""The edge on sockets at work, over wires in memory: client, host, connection, outbox and TLS.

Only instructions of these are counted: their time is the suites' matter, on real sockets.
"""

from __future__ import annotations

import atexit
from collections.abc import Callable
from functools import cache
from typing import Any

from benchmarks.common.counting.edge_swarm import EdgeSwarm
from benchmarks.common.counting.wire_loop import LOOPS
from benchmarks.common.workload import Values
from benchmarks.micro.prepared import Micro, Prepared

__all__ = ["EDGE"]

OPERATIONS = 12  # a multiple of three, for whoever takes the replicas in turn
SIZE_BYTES = 1024


@cache
def _swarm(kind: str) -> EdgeSwarm:
    """One for all micro benchmarks of a loop; it holds the records that are read."""
    swarm = EdgeSwarm(kind)
    atexit.register(swarm.close)
    swarm.run(_stores(swarm))
    return swarm


async def _stores(swarm: EdgeSwarm) -> None:
    values = Values(SIZE_BYTES)
    for number in range(OPERATIONS):
        await swarm.client.store(f"r{number}", values.value(number))


async def _retrieves(swarm: EdgeSwarm) -> None:
    values = Values(SIZE_BYTES)
    for number in range(OPERATIONS):
        values.check(number, await swarm.client.retrieve(f"r{number}"))


async def _connect(swarm: EdgeSwarm) -> None:
    async with swarm.make_client():
        pass


def _at_work(kind: str, work: Callable[[EdgeSwarm], Any]) -> Callable[[], Prepared]:
    def prepare() -> Prepared:
        swarm = _swarm(kind)
        swarm.run(work(swarm))
        return Prepared(lambda swarm: swarm.run(work(swarm)), lambda: swarm)

    return prepare


EDGE = {
    f"edge_{name}_{kind}": Micro(f"{about} over wires, on {kind}", count, _at_work(kind, work))
    for kind in LOOPS
    for name, about, count, work in (
        ("store", "a client's store of 1 KiB", OPERATIONS, _stores),
        ("retrieve", "a client's retrieve of 1 KiB", OPERATIONS, _retrieves),
        ("connect", "a client is made, connects and closes", 1, _connect),
    )
}
