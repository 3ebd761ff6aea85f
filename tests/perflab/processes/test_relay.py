"""The relay passes everything on, and does to links what it is told, while it is told."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from p2pcore.address import split_address
from perflab.processes.relay import RETRANSMISSION_S, Conditions, Relay
from perflab.processes.relay_process import QUEUE_BYTES
from tests.aio.support import eventually

A, B, C = "127.77.0.1", "127.77.0.2", "127.77.0.3"
PATIENCE_S = 30
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture(scope="module")
def running() -> Iterator[Relay]:
    with Relay() as relay:
        yield relay


@pytest.fixture
def relay(running: Relay) -> Iterator[Relay]:
    yield running
    running.heal()


class Server:
    """An end that listens; `arrived` has the connections that have reached it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.arrived: asyncio.Queue[Ends] = asyncio.Queue()
        self.writers: list[asyncio.StreamWriter] = []

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        self.arrived.put_nowait((reader, writer))

    async def dialled(self, source: str) -> Ends:
        """The dialler's end of a new connection from this address."""
        host, port = split_address(self.address)
        ends = await asyncio.open_connection(host, port, local_addr=(source, 0))
        self.writers.append(ends[1])
        return ends

    async def linked(self, source: str) -> tuple[Ends, Ends]:
        """Both ends of a new connection from this address."""
        dialled = await self.dialled(source)
        return dialled, await self.arrived.get()


@asynccontextmanager
async def listening(relay: Relay, end: str = B) -> AsyncIterator[Server]:
    address, listen = relay.open(end)
    server = Server(address)
    async with asyncio.timeout(PATIENCE_S):
        async with await asyncio.start_server(server.accept, *split_address(listen)):
            try:
                yield server
            finally:
                relay.close(end)
                for writer in server.writers:
                    writer.transport.abort()


async def test_it_passes_everything_on_in_both_directions(relay: Relay) -> None:
    async with listening(relay) as server:
        (reader, writer), (arrived, answer) = await server.linked(A)
        much = bytes(range(256)) * 4096 * 4
        writer.write(much)
        writer.write_eof()
        assert await arrived.read() == much
        answer.write(b"all of it")
        answer.close()
        assert await reader.read() == b"all of it"
    assert relay.counts()["open"] == relay.counts()["waiting_bytes"] == 0


async def test_a_refusing_cut_resets_and_heals(relay: Relay) -> None:
    async with listening(relay) as server:
        (reader, _), _ = await server.linked(A)
        (other, _), (_, other_answer) = await server.linked(C)
        relay.set_between([A], [B], Conditions(cut="refuse"))
        with pytest.raises(ConnectionResetError):
            await reader.read()
        with pytest.raises(ConnectionResetError):
            await (await server.dialled(A))[0].read()
        other_answer.write(b"untouched")
        assert await other.readexactly(9) == b"untouched"
        relay.heal()
        (_, again), (arrived, _) = await server.linked(A)
        again.write(b"back")
        assert await arrived.readexactly(4) == b"back"


async def test_what_is_held_arrives_after_the_heal(relay: Relay) -> None:
    async with listening(relay) as server:
        (_, writer), (arrived, _) = await server.linked(A)
        (_, other), (untouched, _) = await server.linked(C)
        relay.set([A], [B], Conditions(cut="hold"))
        writer.write(b"late")
        other.write(b"in time")
        assert await untouched.readexactly(7) == b"in time"
        waiting = await server.dialled(A)
        given_up = await server.dialled(A)
        given_up[1].write(b"hello?")
        await eventually(lambda: relay.counts()["open"] == 4)
        given_up[1].close()
        await eventually(lambda: relay.counts()["open"] == 3)
        assert server.arrived.empty()
        relay.heal()
        assert await arrived.readexactly(4) == b"late"
        reached, _ = await server.arrived.get()
        waiting[1].write(b"at last")
        assert await reached.readexactly(7) == b"at last"
        assert server.arrived.empty()


async def test_one_direction_can_be_held(relay: Relay) -> None:
    async with listening(relay) as server:
        (reader, writer), (arrived, answer) = await server.linked(A)
        relay.set([B], [A], Conditions(cut="hold"))
        writer.write(b"there")
        assert await arrived.readexactly(5) == b"there"
        answer.write(b"back")
        relay.heal()
        assert await reader.readexactly(4) == b"back"


async def test_delay_and_bandwidth(relay: Relay) -> None:
    """Lower bounds only: a busy machine is slower, never faster."""
    loop = asyncio.get_running_loop()
    async with listening(relay) as server:
        (_, writer), (arrived, _) = await server.linked(A)
        relay.set([A], [B], Conditions(delay_s=0.2))
        begin = loop.time()
        writer.write(b"ping")
        await arrived.readexactly(4)
        assert loop.time() - begin >= 0.199
        relay.set([A], [B], Conditions(bytes_per_s=200_000))
        begin = loop.time()
        writer.write(bytes(50_000))
        await arrived.readexactly(50_000)
        assert loop.time() - begin >= 0.2


async def test_what_waits_on_a_narrow_link_passes_when_it_is_healed(relay: Relay) -> None:
    async with listening(relay) as server:
        (_, writer), (arrived, _) = await server.linked(A)
        relay.set([A], [B], Conditions(bytes_per_s=1))
        writer.write(bytes(1000))
        await eventually(lambda: relay.counts()["waiting_bytes"] > 0)
        relay.heal()
        await arrived.readexactly(1000)  # not in 1,000 s
        writer.write(b"and on")
        assert await arrived.readexactly(6) == b"and on"


async def test_what_is_lost_comes_later_and_in_order(relay: Relay) -> None:
    loop = asyncio.get_running_loop()
    async with listening(relay) as server:
        (_, writer), (arrived, _) = await server.linked(A)
        relay.set([A], [B], Conditions(loss=1.0))
        begin = loop.time()
        writer.write(b"lost")
        await eventually(lambda: relay.counts()["waiting_bytes"] == 4)
        writer.write(b" and next")
        assert await arrived.readexactly(13) == b"lost and next"
        assert loop.time() - begin >= RETRANSMISSION_S - 0.001


async def test_memory_is_bounded(relay: Relay) -> None:
    """The sender feels it when nobody reads."""
    async with listening(relay) as server:
        (_, writer), _ = await server.linked(A)
        relay.set([A], [B], Conditions(delay_s=60))
        writer.write(bytes(32 * QUEUE_BYTES))
        await eventually(lambda: relay.counts()["waiting_bytes"] >= QUEUE_BYTES)
        await asyncio.sleep(0.1)  # for as much as would come if it were read on
        assert relay.counts()["waiting_bytes"] <= 2 * QUEUE_BYTES


async def test_nobody_there(relay: Relay) -> None:
    async with listening(relay) as server:
        pass
    with pytest.raises(ConnectionRefusedError):
        await server.dialled(A)
    nobody = Server(relay.open(C)[0])
    with pytest.raises(ConnectionResetError):
        await (await nobody.dialled(A))[0].read()
    for writer in nobody.writers:
        writer.transport.abort()
    relay.close(C)


@pytest.mark.parametrize(
    "wrong",
    [{"cut": "maybe"}, {"delay_s": -1}, {"delay_s": 61}, {"bytes_per_s": 0.5}, {"loss": 1.5}],
)
def test_impossible_conditions(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=str(next(iter(wrong.values())))):
        Conditions(**wrong)
