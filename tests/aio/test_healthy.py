"""A healthy run on sockets has no accidents: what would be one is counted, and stays at 0."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from p2pcore import AdaptiveClient, AdaptiveCoordinator
from p2pcore.session.link import ACCIDENTS, Counters
from p2pcore.session.timeouts import LEAST_NS
from tests.aio.support import client_of, eventually, swarm

ATTEMPTS = 8  # a machine that stands still makes answers late, which is then true


class Lag:
    """The longest time for which the event loop did nothing else."""

    worst_s = 0.0

    async def watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            before_s = loop.time()
            await asyncio.sleep(0.005)
            self.worst_s = max(self.worst_s, loop.time() - before_s)


@asynccontextmanager
async def lag_watched() -> AsyncIterator[Lag]:
    lag = Lag()
    watcher = asyncio.create_task(lag.watch())
    try:
        yield lag
    finally:
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)


def counters_of(member: AdaptiveCoordinator | AdaptiveClient) -> Counters:
    assert member._host is not None
    return member._host.machine.counters


def accidents(*members: AdaptiveCoordinator | AdaptiveClient) -> dict[str, int]:
    """Those that were counted, of all members."""
    counters = [counters_of(member) for member in members]
    sums = {name: sum(getattr(each, name) for each in counters) for name in ACCIDENTS}
    return {name: count for name, count in sums.items() if count}


async def healthy_run() -> dict[str, int]:
    """Everything that clients ask of four nodes; gives the accidents."""
    async with swarm(4) as nodes:
        for node in nodes:
            await node.wait_ready()
        async with client_of(*nodes) as client, client_of(nodes[0]) as other:
            for number in range(100):
                await client.store(f"key {number}", bytes(100), ttl_s=3600)
                assert await other.retrieve(f"key {number}") == bytes(100)
                await client.delete(f"key {number}")
            names = [f"batch {number}" for number in range(200)]
            await client.store_many({name: bytes(100) for name in names})
            assert len(await other.retrieve_many(names)) == len(names)
            assert len((await client.network_stats()).nodes) == 4
            assert min(counters_of(node).messages_out for node in nodes) > 100
            host = client._host
            assert host is not None
            await eventually(lambda: not host.machine.links._pending.unneeded)
            return accidents(client, other, *nodes)


async def test_nothing_goes_wrong_where_nothing_is_wrong() -> None:
    for _ in range(ATTEMPTS):
        async with lag_watched() as lag:
            found = await healthy_run()
        if lag.worst_s < LEAST_NS / 4e9:
            assert found == {}
            return
    pytest.skip(f"the machine stood still each time, lately for {lag.worst_s:.3f} s")
