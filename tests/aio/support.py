"""Swarms on loopback, and waiting for conditions, for the tests of the asyncio edge."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from p2pcore import AdaptiveClient, AdaptiveCoordinator, ClientConfig, CoordinatorConfig

__all__ = ["ONE", "client_of", "crash", "eventually", "swarm"]

ONE: dict[str, Any] = {"replication_factor": 1, "write_quorum": 1, "read_quorum": 1}
"""The settings of a network of one node."""


async def eventually(condition: Callable[[], object], limit_s: float = 10.0) -> None:
    """Wait for a condition that nothing announces."""
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@asynccontextmanager
async def swarm(count: int, **settings: Any) -> AsyncIterator[list[AdaptiveCoordinator]]:
    """So many nodes that all know each other."""
    async with AsyncExitStack() as stack:
        nodes: list[AdaptiveCoordinator] = []
        for _ in range(count):
            bootstrap = [nodes[0].address] if nodes else []
            config = CoordinatorConfig(bootstrap=bootstrap, **settings)
            nodes.append(await stack.enter_async_context(AdaptiveCoordinator(config)))
        await eventually(lambda: all(node.known_nodes == count - 1 for node in nodes))
        yield nodes


def client_of(*nodes: AdaptiveCoordinator, **settings: Any) -> AdaptiveClient:
    """A client that enters through these nodes."""
    return AdaptiveClient(ClientConfig(bootstrap=[node.address for node in nodes], **settings))


def crash(node: AdaptiveCoordinator) -> None:
    """As if the process had been killed: no goodbye, connections reset, nobody listens."""
    host = node._host
    assert host is not None
    assert host._server is not None
    host._server.close()
    host.closed = True
    for timer in (host._timer, host._tick):
        if timer is not None:
            timer.cancel()
    for task in host._dials:
        task.cancel()
    for connection in list(host._connections.values()):
        connection.abort()
