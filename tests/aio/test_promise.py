"""The record promise on real sockets: a node joins, one is killed, one leaves; nothing is lost."""

import asyncio

from p2pcore import AdaptiveCoordinator, CoordinatorConfig
from p2pcore.ids import key_of
from tests.aio.support import client_of, crash, eventually, swarm

KEYS = [f"key {number}" for number in range(60)]


def copies(nodes: list[AdaptiveCoordinator]) -> list[int]:
    """On how many nodes each key is."""
    return [sum(n._node.store.version(key_of(key)) is not None for n in nodes) for key in KEYS]


async def test_join_crash_and_leave() -> None:
    async with swarm(5, copy_after_s=0) as nodes, client_of(*nodes[:3]) as client:
        await client.store_many({key: key.encode() for key in KEYS})

        async def all_is_there(members: list[AdaptiveCoordinator]) -> None:
            assert await client.retrieve_many(KEYS) == {key: key.encode() for key in KEYS}
            async with asyncio.timeout(10):
                for member in members:
                    await member.wait_ready()
            assert await client.retrieve_many(KEYS) == {key: key.encode() for key in KEYS}
            await eventually(lambda: copies(members) == [3] * len(KEYS))

        newcomer = AdaptiveCoordinator(
            CoordinatorConfig(bootstrap=[nodes[1].address], copy_after_s=0)
        )
        async with newcomer:
            await all_is_there([*nodes, newcomer])
            assert newcomer.ready
            assert newcomer.stats.records_pulled > 0
            crash(nodes[0])
            rest = [*nodes[1:], newcomer]
            await eventually(lambda: all(node.known_nodes == 4 for node in rest))
            await all_is_there(rest)
        await all_is_there(nodes[1:])
