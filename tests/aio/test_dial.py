"""Dialling, on both event loops: whatever happens to a connection, the machine hears of it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from p2pcore import AdaptiveCoordinator, AuthenticationError, CoordinatorConfig, UnreachableError

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
