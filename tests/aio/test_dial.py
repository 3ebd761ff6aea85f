"""Dialling, on both event loops: whatever happens to a connection, the machine hears of it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from p2pcore import (
    AdaptiveClient,
    AdaptiveCoordinator,
    AuthenticationError,
    ClientConfig,
    CoordinatorConfig,
    UnreachableError,
)
from p2pcore.aio.identity import Credentials, Identity
from p2pcore.config import OPEN_NETWORK_KEY

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=LOOPS)
def new_loop(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    return LOOPS[request.param]


def run(new_loop: Callable[[], asyncio.AbstractEventLoop], work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(work)


def test_a_wrong_network_key_is_said_so(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    # tests/cli/test_serve.py has the same between two processes, where uvloop brings the refusal
    # before create_connection returns.
    async def work() -> None:
        async with AdaptiveCoordinator(CoordinatorConfig(network_key=b"a" * 32)) as node:
            config = CoordinatorConfig(bootstrap=[node.address], network_key=b"b" * 32)
            async with asyncio.timeout(20):
                with pytest.raises(AuthenticationError, match="network key"):
                    await AdaptiveCoordinator(config).start()

    run(new_loop, work())


def test_another_id_than_the_expected_one_is_said_so(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def work() -> None:
        async with AdaptiveCoordinator() as node:
            config = CoordinatorConfig(bootstrap=[f"{node.address}#{'0' * 64}"])
            async with asyncio.timeout(20):
                with pytest.raises(AuthenticationError, match="not 0000"):
                    await AdaptiveCoordinator(config).start()

    run(new_loop, work())


def test_the_reason_is_the_systems_on_either_loop(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def work() -> None:
        async with AdaptiveCoordinator() as node:
            address = node.address
        config = CoordinatorConfig(bootstrap=[address], join_timeout_s=0.3)
        with pytest.raises(UnreachableError, match=f"{address}: Connection refused$"):
            await AdaptiveCoordinator(config).start()

    run(new_loop, work())


async def closes_before_its_greeting(address: str, times: int) -> str:
    """A member that ends so many connections right after TLS, as one that is full; its address.
    Then nobody listens there any more."""
    host, port = address.split(":")
    credentials = Credentials(Identity.new(), OPEN_NETWORK_KEY)
    ended = 0

    def accepted(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal ended
        ended += 1
        writer.close()
        if ended == times:
            server.close()

    server = await asyncio.start_server(accepted, host, int(port), ssl=credentials.server)
    bound = server.sockets[0].getsockname()
    return f"{bound[0]}:{bound[1]}"


def test_a_full_node_is_no_wrong_network_key(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def work() -> None:
        address = await closes_before_its_greeting("127.0.0.1:0", 1)
        with pytest.raises(UnreachableError, match="before its greeting: it may be full"):
            await AdaptiveClient(ClientConfig(bootstrap=[address])).connect()

    run(new_loop, work())


def test_a_join_through_a_full_node_is_tried_again(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def work() -> None:
        address = await closes_before_its_greeting("127.0.0.1:0", 2)
        config = CoordinatorConfig(bootstrap=[address], join_timeout_s=60)
        node = AdaptiveCoordinator(config)
        starting = asyncio.create_task(node.start())
        async with asyncio.timeout(60):
            while node._node.counters.links_refused < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        async with AdaptiveCoordinator(CoordinatorConfig(listen=address)):
            await starting
            assert node.known_nodes == 1
            await node.shutdown()

    run(new_loop, work())
