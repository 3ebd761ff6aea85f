"""Use that can't be meant: of another type, in another loop, or without an end."""

import asyncio
import gc
import threading
import warnings
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest

from p2pcore import (
    AdaptiveClient,
    AdaptiveCoordinator,
    ClientConfig,
    ClosedError,
    CoordinatorConfig,
    UsageError,
)
from tests.aio.conftest import LOOPS
from tests.aio.support import ONE, client_of, eventually, swarm

UNCLOSED = pytest.mark.filterwarnings("ignore:unclosed resource:ResourceWarning")
"""What uvloop says when it is closed before its connections; as an error it would not come to the
end of it."""

CALLS: dict[str, Callable[[Any], Awaitable[object]]] = {
    "store": lambda client: client.store("key", b"value"),
    "retrieve": lambda client: client.retrieve("key"),
    "delete": lambda client: client.delete("key"),
    "store_many": lambda client: client.store_many({"key": b"value"}),
    "retrieve_many": lambda client: client.retrieve_many(["key"]),
    "node_info": lambda client: client.node_info(),
    "network_stats": lambda client: client.network_stats(),
    "connect_to_peer": lambda client: client.connect_to_peer("127.0.0.1:1"),
}


def open_sockets() -> int:
    return len(psutil.Process().net_connections(kind="inet"))


async def test_values_may_be_anything_like_bytes() -> None:
    async with swarm(1, **ONE) as nodes, client_of(*nodes) as client:
        source = bytearray(b"value")
        storing = asyncio.ensure_future(client.store("key", source))
        await asyncio.sleep(0)
        source[:] = b"other"
        await storing
        assert await client.retrieve("key") == b"value"
        pairs = [("a", bytearray(b"1")), ("b", memoryview(b"2"))]
        assert list(await client.store_many(pairs)) == ["a", "b"]
        assert await client.retrieve_many(name for name in "ab") == {"a": b"1", "b": b"2"}


async def test_arguments_of_another_type_are_told_at_once() -> None:
    async with swarm(1, **ONE) as nodes, client_of(*nodes) as client:
        calls = [
            client.store_many("abc"),  # type: ignore[arg-type]
            client.retrieve_many("abc"),
            client.node_info(7),  # type: ignore[arg-type]
            client.node_info([nodes[0].address]),  # type: ignore[arg-type]
            client.connect_to_peer(7),  # type: ignore[arg-type]
            client.connect_to_peer(nodes[0].address.encode()),  # type: ignore[arg-type]
            client.network_stats(max_nodes=2.5),  # type: ignore[arg-type]
            client.network_stats(max_nodes=True),
            client.node_info(timeout_s="1"),  # type: ignore[arg-type]
        ]
        for call in calls:
            with pytest.raises(UsageError):
                await call
        assert client._host is not None
        assert client._host.futures == {}


def test_machines_take_their_own_settings() -> None:
    config: Any
    for config in (None, {}, CoordinatorConfig()):
        with pytest.raises(UsageError, match="takes a ClientConfig"):
            AdaptiveClient(config)  # type: ignore[arg-type]
    for config in ({}, 0, ClientConfig(bootstrap=["host:1"])):
        with pytest.raises(UsageError, match="takes a CoordinatorConfig"):
            AdaptiveCoordinator(config)  # type: ignore[arg-type]


async def test_another_thread_may_close_and_nothing_else() -> None:
    async with swarm(1, **ONE) as nodes:
        client = client_of(*nodes)
        await client.connect()

        def elsewhere() -> None:
            for call in CALLS.values():
                with pytest.raises(UsageError, match="another event loop"):
                    asyncio.run(call(client))  # type: ignore[arg-type]
            with pytest.raises(UsageError, match="another event loop"):
                asyncio.run(nodes[0].wait_ready())
            asyncio.run(client.close())

        await client.store("key", b"value")
        await asyncio.to_thread(elsewhere)
        with pytest.raises(ClosedError):
            await client.retrieve("key")
        assert client.stats.messages_out > 0
        await eventually(lambda: not nodes[0]._node.links.by_id)
        node = AdaptiveCoordinator(CoordinatorConfig(**ONE))
        await node.start()
        await asyncio.to_thread(asyncio.run, node.shutdown())
        with pytest.raises(ClosedError):
            await node.wait_ready()


async def connected() -> tuple[AdaptiveCoordinator, AdaptiveClient]:
    node = AdaptiveCoordinator(CoordinatorConfig(**ONE))
    await node.start()
    client = client_of(node)
    await client.connect()
    await client.store("key", b"value")
    return node, client


async def close_all(*things: Any) -> None:
    for thing in things:
        await (thing.close() if isinstance(thing, AdaptiveClient) else thing.shutdown())


@UNCLOSED
@pytest.mark.parametrize("loop", LOOPS)
def test_closing_closes_though_the_loop_is_closed(loop: str) -> None:
    """In a thread, whose loops are no business of the test's own."""

    def work() -> None:
        before = open_sockets()
        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            node, client = runner.run(connected())
        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            for call in CALLS.values():
                with pytest.raises(UsageError, match="another event loop"):
                    runner.run(call(client))  # type: ignore[arg-type]
            runner.run(close_all(client, node))
            with pytest.raises(ClosedError):
                runner.run(client.retrieve("key"))
            runner.run(close_all(client, node))
        assert open_sockets() == before

    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


@UNCLOSED
@pytest.mark.parametrize("loop", LOOPS)
def test_closing_closes_though_the_loop_stands_still(loop: str) -> None:
    def work() -> None:
        before = open_sockets()
        home = LOOPS[loop]()
        node, client = home.run_until_complete(connected())
        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            runner.run(close_all(client, node))
            for _ in range(2):
                with pytest.raises(ClosedError):
                    runner.run(client.retrieve("key"))
        home.run_until_complete(asyncio.sleep(0))  # where transports end
        home.run_until_complete(asyncio.sleep(0))
        home.close()
        assert open_sockets() == before

    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


async def test_a_client_that_is_dropped_warns_and_leaves_nothing() -> None:
    async with swarm(1, **ONE) as nodes:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            for _ in range(5):
                client = client_of(*nodes)
                await client.connect()
                del client
            gc.collect()
        kinds = [each.category for each in told if "unclosed AdaptiveClient" in str(each.message)]
        assert kinds == [ResourceWarning] * 5
        await eventually(lambda: not nodes[0]._node.links.by_id)


async def test_a_client_that_another_thread_drops_leaves_nothing() -> None:
    async with swarm(1, **ONE) as nodes:
        held = [client_of(*nodes)]
        await held[0].connect()
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            thread = threading.Thread(target=held.clear)
            thread.start()
            await asyncio.to_thread(thread.join)
        assert [each.category for each in told] == [ResourceWarning]
        await eventually(lambda: not nodes[0]._node.links.by_id)


async def test_those_who_were_never_opened_or_are_closed_do_not_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with swarm(1, **ONE) as nodes:
            client = client_of(*nodes)
            await client.connect()
            await client.close()
            del client
            never = client_of(*nodes)
            del never
            with pytest.raises(UsageError):
                AdaptiveClient(None)  # type: ignore[arg-type]
        gc.collect()


async def test_a_node_that_is_dropped_warns_and_serves_on() -> None:
    """To end it without a word would be the loss of a holder of records."""
    node = AdaptiveCoordinator(CoordinatorConfig(**ONE))
    await node.start()
    host, address = node._host, node.address
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        del node
        gc.collect()
    assert [each.category for each in told] == [ResourceWarning]
    async with AdaptiveClient(ClientConfig(bootstrap=[address])) as client:
        await client.store("key", b"value")
    assert host is not None
    await host.close()
