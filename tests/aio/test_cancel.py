"""Cancellation at every place where start, connect, store, retrieve or shutdown wait.

Each test runs its subject again and again, cancelled one step later each time, until it runs
through. The fixture of this folder then finds whatever a cancelled run has left behind.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import Any

import pytest

from p2pcore import AdaptiveCoordinator, ClientConfig, CoordinatorConfig
from p2pcore.aio.client import AdaptiveClient
from tests.aio.conftest import sockets
from tests.aio.support import client_of, crash, eventually, swarm

MAX_STEPS = 200

Make = Callable[[], Awaitable[object]]
Run = Callable[[Make, int], Awaitable[bool]]


class CancelledAt:
    """Awaits something, and cancels the task when that has to wait for the `step`-th time."""

    def __init__(self, awaitable: Awaitable[object], step: int) -> None:
        self._awaitable = awaitable
        self._step = step

    def __await__(self) -> Generator[Any, Any, object]:
        inner = self._awaitable.__await__()
        task = asyncio.current_task()
        assert task is not None
        waits, sent, error = 0, None, None
        while True:
            try:
                waited_for = inner.throw(error) if error else inner.send(sent)
            except StopIteration as stop:
                return stop.value
            waits += 1
            if waits == self._step:
                task.cancel()
            sent, error = None, None
            try:
                sent = yield waited_for
            except BaseException as raised:
                error = raised


async def at_wait(make: Make, step: int) -> bool:
    """Cancel at the `step`-th await. Returns whether it was cancelled, not through before."""

    async def run() -> None:
        await CancelledAt(make(), step)

    task = asyncio.create_task(run())
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
    return task.cancelled()


async def at_turn(make: Make, step: int) -> bool:
    """Cancel after so many turns of the event loop, wherever the subject is then."""

    async def run() -> None:
        await make()

    task = asyncio.create_task(run())
    for _ in range(step):
        await asyncio.sleep(0)
    was_done = task.done()
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
    return not was_done


async def at_every_step(run: Run, make: Make) -> int:
    for step in range(1, MAX_STEPS):
        if not await run(make, step):
            return step
    raise AssertionError(f"still not through after {MAX_STEPS} steps")


runs = pytest.mark.parametrize("run", [at_wait, at_turn])


@pytest.fixture
async def three() -> AsyncIterator[list[AdaptiveCoordinator]]:
    async with swarm(3) as nodes:
        yield nodes


@runs
async def test_start(run: Run, three: list[AdaptiveCoordinator]) -> None:
    before = len(sockets())
    nodes: list[AdaptiveCoordinator] = []

    async def start() -> None:
        nodes.append(AdaptiveCoordinator(CoordinatorConfig(bootstrap=[three[0].address])))
        await nodes[-1].start()

    steps = await at_every_step(run, start)
    assert steps >= 3
    await nodes[-1].shutdown()
    await eventually(lambda: len(sockets()) == before)
    for node in nodes:
        assert not node._node.links.calls
        assert not node._node.links.by_id
    await eventually(lambda: all(node.known_nodes == 2 for node in three))


@runs
async def test_connect(run: Run, three: list[AdaptiveCoordinator]) -> None:
    before = len(sockets())
    clients: list[AdaptiveClient] = []

    async def connect() -> None:
        clients.append(client_of(*three))
        await clients[-1].connect()

    assert await at_every_step(run, connect) >= 2
    await clients[-1].close()
    await eventually(lambda: len(sockets()) == before)


@runs
async def test_connect_to_nobody(run: Run) -> None:
    async def connect() -> None:
        with contextlib.suppress(ConnectionError):
            await AdaptiveClient(ClientConfig(bootstrap=["127.0.0.1:1"])).connect()

    assert await at_every_step(run, connect) >= 2


@runs
@pytest.mark.parametrize("operation", ["store", "retrieve", "delete"])
async def test_operations(run: Run, operation: str, three: list[AdaptiveCoordinator]) -> None:
    async with client_of(three[0]) as client:
        await client.store("key", b"value")
        make: dict[str, Make] = {
            "store": lambda: client.store("key", b"x" * 50_000),
            "retrieve": lambda: client.retrieve("key"),
            "delete": lambda: client.delete("other"),
        }
        assert await at_every_step(run, make[operation]) >= 2
        assert not client._client.links.calls
        assert not client._client._operations
        assert client._host is not None
        assert client._host.futures == {}
        assert len(await client.retrieve("key")) in (5, 50_000)


async def test_wait_ready(three: list[AdaptiveCoordinator]) -> None:
    """Nothing is kept for callers who have gone; a node may wait for long, and be asked often."""
    node = three[0]
    crash(three[2])
    await eventually(lambda: not node.ready)
    for step in (1, 2):
        assert not node.ready, "the loss takes half a second to settle"
        waiting = asyncio.create_task(node.wait_ready())
        await eventually(lambda: node._node._waiting_ready)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        assert not node._node._waiting_ready, step
    await node.wait_ready()


@runs
async def test_shutdown(run: Run, three: list[AdaptiveCoordinator]) -> None:
    """Cancelled in its goodbye, a node closes at once instead of never."""
    before = len(sockets())

    async def started_shutdown() -> None:
        await nodes.pop().shutdown()

    nodes: list[AdaptiveCoordinator] = []
    for step in range(1, MAX_STEPS):
        nodes = [AdaptiveCoordinator(CoordinatorConfig(bootstrap=[three[0].address]))]
        await nodes[0].start()
        if not await run(started_shutdown, step):
            break
        await eventually(lambda: len(sockets()) == before)
    await eventually(lambda: len(sockets()) == before)


@runs
async def test_a_whole_client_in_a_context(run: Run, three: list[AdaptiveCoordinator]) -> None:
    before = len(sockets())

    async def whole() -> None:
        async with client_of(*three) as client:
            await client.store("key", b"value")
            assert await client.retrieve("key") == b"value"

    assert await at_every_step(run, whole) >= 4
    await eventually(lambda: len(sockets()) == before)
