"""The pool on real sockets: links are given up and opened again, and nobody is missed."""

import asyncio

from p2pcore.ids import key_of
from tests.aio.support import client_of, eventually, swarm

KEYS = [f"key {number}" for number in range(40)]


async def test_links_that_are_given_up_end_on_both_sides() -> None:
    async with swarm(6, pool_size=1) as nodes, client_of(*nodes[:2], pool_size=1) as client:

        async def use(key: str) -> None:
            for _ in range(5):
                await client.store(key, key.encode())
                assert await client.retrieve(key) == key.encode()

        await asyncio.gather(*map(use, KEYS))
        machines = [client._client, *(node._node for node in nodes)]
        for machine in machines:
            links = machine.links.by_id.values()
            await eventually(lambda links=links: sum(not link.incoming for link in links) <= 1)
        assert client.stats.links_evicted >= 3
        await eventually(lambda: not any(machine.links.pool.retiring for machine in machines))
        for node in nodes:
            assert node.known_nodes == 5
            assert node.stats.links_broken == 0
        assert client.stats.links_broken == 0
        assert await client.retrieve(KEYS[0]) == KEYS[0].encode()
        for key in KEYS:
            held = [n for n in nodes if n._node.store.version(key_of(key)) is not None]
            assert len(held) == 3
