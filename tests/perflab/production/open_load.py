"""A client under a load that does not wait for answers, and that a Prometheus can scrape."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from prometheus_client import CollectorRegistry, start_http_server

from p2pcore import AdaptiveClient

__all__ = ["offered"]

EVERY_S = 0.02  # 50 operations a second, stores and retrieves in turn
MOST = 500  # in flight: what would be more is not begun


@contextlib.asynccontextmanager
async def offered(client: AdaptiveClient, port: int) -> AsyncIterator[None]:
    """Serve the client's metrics at a port, and have it asked all the time meanwhile."""
    registry = CollectorRegistry()
    registry.register(client.metrics())
    server, thread = start_http_server(port, "127.0.0.1", registry=registry)
    load = asyncio.create_task(_ask(client))
    try:
        yield
        assert not load.done()
    finally:
        load.cancel()
        await asyncio.wait([load])
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        thread.join()


async def _ask(client: AdaptiveClient) -> None:
    """Operations without an end; one that fails is the metrics' to tell."""
    number, asked = 0, set[asyncio.Task[None]]()
    try:
        while True:
            number += 1
            if len(asked) < MOST:
                asked.add(task := asyncio.create_task(_one(client, number)))
                task.add_done_callback(asked.discard)
            await asyncio.sleep(EVERY_S)
    finally:
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)


async def _one(client: AdaptiveClient, number: int) -> None:
    key = f"key {number // 2 % 500}"
    with contextlib.suppress(Exception):
        if number % 2:
            await client.store(key, b"value")
        else:
            await client.retrieve(key)
