"""Crowds on real sockets: the nodes of a network get in though clients have taken all they can."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from p2pcore import AdaptiveCoordinator, BrokenError, CoordinatorConfig
from p2pcore.address import split_address
from p2pcore.aio.connection import Connection
from p2pcore.aio.host import ENDED_AT_ONCE
from p2pcore.aio.identity import Credentials, Identity
from p2pcore.config import OPEN_NETWORK_KEY
from p2pcore.wire import messages as m
from p2pcore.wire.codec import FrameParser, encode_frame
from tests.aio.support import client_of, crash, eventually

PAIR = {"replication_factor": 2, "write_quorum": 2, "read_quorum": 2}


@asynccontextmanager
async def raw_link(address: str, credentials: Credentials) -> AsyncIterator[m.Message]:
    """One connection of this identity that greets as a client; what the node has said first."""
    host, port = split_address(address)
    reader, writer = await asyncio.open_connection(host, port, ssl=credentials.client)
    try:
        writer.write(encode_frame(m.Ready(1, 1, m.Role.CLIENT)))
        parser, found = FrameParser(), []
        while not found and (data := await reader.read(65536)):
            found = parser.feed(data)
        yield found[0]  # type: ignore[misc]
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_one_identity_can_not_take_all_connections() -> None:
    async with (
        AdaptiveCoordinator(CoordinatorConfig(max_connections=64, **PAIR)) as node,
        AsyncExitStack() as stack,
    ):
        credentials = Credentials(Identity.new(), OPEN_NETWORK_KEY)
        said = [
            await stack.enter_async_context(raw_link(node.address, credentials)) for _ in range(63)
        ]
        refused = [each for each in said if isinstance(each, m.Goodbye)]
        assert {each.reason for each in refused} == {m.Reason.TOO_MANY_CONNECTIONS}
        assert len(said) - len(refused) == 8
        config = CoordinatorConfig(bootstrap=[node.address], **PAIR)
        async with AdaptiveCoordinator(config) as other, client_of(other) as client:
            await client.store("key", b"value")


async def test_a_known_node_comes_back_into_a_crowd(tmp_path: Path) -> None:
    """Of 16 connections one is kept for the one node that is known, whatever clients do."""
    async with (
        AdaptiveCoordinator(CoordinatorConfig(max_connections=16, **PAIR)) as node,
        AsyncExitStack() as stack,
    ):
        config = CoordinatorConfig(bootstrap=[node.address], data_dir=tmp_path, **PAIR)
        other = AdaptiveCoordinator(config)
        await other.start()
        await eventually(lambda: node.known_nodes == 1)
        crash(other)
        await other.shutdown()  # its process would have freed its data directory
        clients = 0
        for _ in range(20):
            with contextlib.suppress(BrokenError):
                await stack.enter_async_context(client_of(node))
                clients += 1
        assert clients == 15
        async with AdaptiveCoordinator(config):
            await eventually(lambda: node.known_nodes == 1)


async def test_stalled_connections_end_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a crowd stall at the same moment; each end may concern many operations."""
    async with AdaptiveCoordinator(CoordinatorConfig(**PAIR)) as node, AsyncExitStack() as stack:
        host, port = split_address(node.address)
        for _ in range(60):
            _, writer = await asyncio.open_connection(host, port)
            stack.callback(writer.close)
        edge = node._host
        assert edge is not None
        await eventually(lambda: len(edge._connections) == 60)
        monkeypatch.setattr(Connection, "stalled", lambda *_: "too slow for this test")
        left: list[int] = []
        real = edge._on_tick

        def tick() -> None:
            real()
            left.append(len(edge._connections))

        monkeypatch.setattr(edge, "_on_tick", tick)
        assert edge._tick is not None
        edge._tick.cancel()
        tick()
        await eventually(lambda: not edge._connections)
        assert left == [60 - ENDED_AT_ONCE, 0]
