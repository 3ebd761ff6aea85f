"""Reads of nodes with few and with many records, in turn: python -m tests.stocked

Two swarms of three nodes, each node a process of its own; the nodes of one hold 1,000 records,
those of the other 300,000. In each round both are read at the same rate while records are stored,
one after the other, in an order that a coin decides. A read counts from when it was to begin, so
that a node that stands still shows. Reported: P50, P99 and P99.9 of all reads of a swarm, in ms,
the rounds' P99.9, and the median of their ratios with its bounds (sign test; each misses with a
chance of 2.5 %). Goal (issue 16): a ratio of at most 1.5. Absolute figures say nothing on a machine
that others use; the ratio says less.
"""

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from random import Random

from benchmarks.common.records import nearest_rank
from p2pcore import AdaptiveClient, ClientConfig
from perflab.stats.bounds import of_ratios

__all__ = ["main"]

NETWORK_KEY = b"the network key of the stocked.."
NODES, FILL_ITEMS, STORE_ITEMS, VALUE = 3, 500, 50, bytes(100)
NODE = f"""
import asyncio, sys
import uvloop
from p2pcore import AdaptiveCoordinator, CoordinatorConfig

async def main():
    config = CoordinatorConfig(bootstrap=sys.argv[1:], network_key={NETWORK_KEY!r})
    async with AdaptiveCoordinator(config) as node:
        print(node.address, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

uvloop.run(main())
"""


Act = Callable[[float], Coroutine[None, None, None]]


@contextmanager
def processes() -> Iterator[list[str]]:
    """The nodes of one swarm; their addresses."""
    addresses: list[str] = []
    with contextlib.ExitStack() as stack:
        for _ in range(NODES):
            command = [sys.executable, "-c", NODE, *addresses[:1]]
            pipe = subprocess.PIPE
            node = stack.enter_context(subprocess.Popen(command, stdin=pipe, stdout=pipe))
            stack.callback(node.kill)
            assert node.stdout is not None
            addresses.append(node.stdout.readline().decode().strip())
        yield addresses


@asynccontextmanager
async def stocked(records: int) -> AsyncIterator[AdaptiveClient]:
    """A client of a swarm whose nodes hold so many records each."""
    with processes() as addresses:
        config = ClientConfig(bootstrap=addresses, network_key=NETWORK_KEY, timeout_s=20)
        async with AdaptiveClient(config) as client:
            await fill(client, records)
            yield client


async def fill(client: AdaptiveClient, records: int) -> None:
    """So many records, four batches at a time."""
    starts = iter(range(0, records, FILL_ITEMS))

    async def some() -> None:
        for start in starts:
            count = min(FILL_ITEMS, records - start)
            await client.store_many({f"record {start + n}": VALUE for n in range(count)})

    async with asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(some())


class Load:
    """What is asked of one swarm, and how long its reads took, in ms."""

    def __init__(self, client: AdaptiveClient, records: int, reads: int, stores: int) -> None:
        self._client = client
        self._records = records
        self._read_s, self._store_s = 1 / reads, STORE_ITEMS / stores
        self._next = 0
        self.took: list[float] = []

    async def block(self, seconds: float) -> float:
        """So long; returns the P99.9 of the reads."""
        began, start_s = len(self.took), time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._each(tasks, self._read, self._read_s, start_s, seconds))
            tasks.create_task(self._each(tasks, self._store, self._store_s, start_s, seconds))
        return nearest_rank(sorted(self.took[began:]), 999)

    async def _each(
        self,
        tasks: asyncio.TaskGroup,
        act: Callable[[float], Coroutine[None, None, None]],
        every_s: float,
        start_s: float,
        seconds: float,
    ) -> None:
        for number in range(round(seconds / every_s)):
            due_s = start_s + number * every_s
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            tasks.create_task(act(due_s))

    def _name(self) -> str:
        self._next += 7919  # a prime: neither in order nor the same ones again
        return f"record {self._next % self._records}"

    async def _read(self, due_s: float) -> None:
        assert await self._client.retrieve(self._name()) == VALUE
        self.took.append(1000 * (time.monotonic() - due_s))

    async def _store(self, due_s: float) -> None:
        await self._client.store_many({self._name(): VALUE for _ in range(STORE_ITEMS)})


async def run(few: int, many: int, rounds: int, seconds: float, rates: tuple[int, int]) -> object:
    """All rounds."""
    async with AsyncExitStack() as stack:
        began_s = time.monotonic()
        loads = []
        for records in (few, many):
            client = await stack.enter_async_context(stocked(records))
            loads.append(Load(client, records, *rates))
        filled_s = time.monotonic() - began_s
        p999s: list[tuple[float, float]] = []
        coin = Random(0)
        for _ in range(rounds):
            order = loads if coin.random() < 0.5 else loads[::-1]
            p999 = {id(load): await load.block(seconds) for load in order}
            p999s.append((p999[id(loads[0])], p999[id(loads[1])]))
    bounds = of_ratios([second / first for first, second in p999s], 0.025)
    return {
        "load_average": os.getloadavg(),
        "filled_s": round(filled_s),
        **{f"{n} records": _figures(load.took) for n, load in zip((few, many), loads, strict=True)},
        "p999_of_rounds_ms": [tuple(round(value, 2) for value in each) for each in p999s],
        "ratio": round(bounds.ratio, 2),
        "bounds": [round(bounds.low, 2), round(bounds.high, 2)],
    }


def _figures(took: list[float]) -> dict[str, float]:
    ordered = sorted(took)
    shares = {"p50_ms": 500, "p99_ms": 990, "p999_ms": 999}
    return {"reads": len(ordered)} | {
        name: round(nearest_rank(ordered, share), 2) for name, share in shares.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--few", type=int, default=1000, help="records per node")
    parser.add_argument("--many", type=int, default=300_000, help="records per node")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=5, help="of each swarm in each round")
    parser.add_argument("--reads", type=int, default=300, help="per second")
    parser.add_argument("--stores", type=int, default=2000, help="per second, 50 at a time")
    given = parser.parse_args()
    rates = given.reads, given.stores
    took = run(given.few, given.many, given.rounds, given.seconds, rates)
    print(json.dumps(asyncio.run(took), indent=2))


if __name__ == "__main__":
    main()
