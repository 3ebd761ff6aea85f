"""What peers ask, a slice at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from p2pcore import AdaptiveCoordinator
from p2pcore.aio import intake
from p2pcore.aio.connection import Connection
from p2pcore.aio.system import SMALL_READ_BYTES
from p2pcore.effects import Instant
from p2pcore.routing.windows import BUSY
from p2pcore.wire import messages as m
from p2pcore.wire.codec import encode_frame
from tests.aio.support import ONE, client_of, eventually, swarm


@asynccontextmanager
async def link_to(node: AdaptiveCoordinator) -> AsyncIterator[Connection]:
    """The node's side of the link to one client."""
    async with client_of(node):
        assert node._host is not None
        [connection] = node._host._connections.values()
        yield connection


async def test_half_a_large_frame_does_not_end_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn whose time is over after one message leaves others to be served, and half a frame that
    is larger than what may wait for its turn: the other half has to be read nevertheless."""
    monkeypatch.setattr(intake, "TURN_NS", -1)
    value = bytes(3 * intake.HELD_BYTES)
    async with swarm(1, **ONE) as [node], client_of(node) as client, asyncio.timeout(20):
        await asyncio.gather(*(client.store(f"{number}", value) for number in range(40)))
        assert await client.retrieve("39") == value


async def test_little_is_read_at_a_time_unless_a_large_frame_has_begun() -> None:
    """What one read brings is held, on each of a thousand links, until there is time for it."""
    frame = encode_frame(m.Store(1, b"k" * 32, b"v" * 16, bytes(300_000), 0))
    async with swarm(1, **ONE) as [node], link_to(node) as connection:
        read = connection._host.intake.received
        assert len(connection.get_buffer(-1)) == SMALL_READ_BYTES
        read(connection, frame[:1000])
        assert len(connection.get_buffer(-1)) > SMALL_READ_BYTES
        read(connection, frame[1000:-1000])
        assert len(connection.get_buffer(-1)) == SMALL_READ_BYTES
        read(connection, frame[-1000:])
        assert not connection.parser.pending_bytes


async def test_what_waits_for_its_turn_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 64 requests in one read there is time for one: the others are held as their bytes, below
    the bound, and nothing more is read."""
    monkeypatch.setattr(intake, "TURN_NS", -1)
    frame = encode_frame(m.FetchMany(1, [bytes([n]) * 32 for n in range(30)]))
    async with swarm(1, **ONE) as [node], link_to(node) as connection:
        connection._host.intake.received(connection, frame * 20)
        assert connection.parser.pending_bytes == 19 * len(frame)
        assert not connection._reading
        assert connection.waiting_bytes == 19 * len(frame)


async def test_room_is_made_once_however_many_links_ask_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each look weighs all links: a thousand looks in one turn took more than a second."""
    made: list[int] = []
    monkeypatch.setattr(intake, "MAX_WAITING_BYTES", -1)
    monkeypatch.setattr(intake.Intake, "_make_room", lambda self: made.append(1))
    async with swarm(1, **ONE) as [node], link_to(node) as connection:
        made.clear()
        for _ in range(100):
            connection._host.intake.weigh(connection)
        await asyncio.sleep(0)
        assert len(made) <= 1


async def test_a_crowd_is_handled_a_few_at_a_time() -> None:
    """What a read brings is handled at once, unless others wait with more: dozens of slices in one
    turn would make it long. Who asks little does not wait for them."""
    frame = encode_frame(m.Ping(1))
    async with swarm(1, **ONE) as [node], client_of(node), client_of(node):
        assert node._host is not None
        one, other = node._host._connections.values()
        read, counters = node._host.intake.received, node._host.counters
        node._host.intake._turn_ns = 1 << 62  # however slow this machine is
        before = counters.messages_in
        read(one, frame * (intake.SLICE + 10))
        assert counters.messages_in - before == intake.SLICE
        read(other, frame * (intake.FEW - 1))
        assert not other.has_unserved
        read(other, frame * 20)
        assert counters.messages_in - before == intake.SLICE + 2 * intake.FEW - 1
        await eventually(lambda: not (one.has_unserved or other.has_unserved))
        assert counters.messages_in - before >= intake.SLICE + 10 + intake.FEW - 1 + 20


async def test_of_dear_messages_fewer_are_handled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slice is bounded by its time, too, and that of its answers, which is known afterwards."""
    frame = encode_frame(m.Ping(1))
    async with swarm(1, **ONE) as [node], link_to(node) as connection:
        host, backlog = connection._host, connection.backlog
        assert node._host is not None
        counters = node._host.counters
        monkeypatch.setattr(intake, "HEAVY_NS", 1 << 62)  # however slow this machine is
        host.intake.received(connection, frame * 3)
        assert backlog.at_once == 0
        monkeypatch.setattr(intake, "HEAVY_NS", -1)
        monkeypatch.setattr(intake, "QUEUE_NS", 0)
        host.intake.received(connection, frame * 3)
        assert backlog.at_once == 1
        before = counters.messages_in
        host.intake.received(connection, frame * 3)
        assert counters.messages_in - before == 3
        host.intake.received(connection, frame * (intake.FEW + 3))
        assert counters.messages_in - before == 3 + intake.FEW
        monkeypatch.setattr(intake, "HEAVY_NS", 1 << 62)
        await eventually(lambda: not connection.has_unserved)
        assert counters.messages_in - before >= 3 + intake.FEW + 3
        assert backlog.at_once == 0


async def test_beside_who_asks_little_dear_messages_have_less_of_a_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One link has more to be handled than a slice; whether another one asks decides how much of it
    is."""
    frame = encode_frame(m.Ping(1))
    async with swarm(1, **ONE) as [node], client_of(node), client_of(node):
        assert node._host is not None
        one, other = node._host._connections.values()
        monkeypatch.setattr(intake, "HEAVY_NS", -1)
        monkeypatch.setattr(intake, "QUEUE_NS", 1 << 62)
        monkeypatch.setattr(intake, "LITTLE_NS", 0)
        node._host.intake._turn_ns = 1 << 62
        read = node._host.intake.received
        read(one, frame * (intake.SLICE + 10))
        assert one.has_unserved
        assert one.backlog.at_once > 1
        read(other, frame)
        node._host.intake.go_on(one)
        assert one.backlog.at_once == 1


async def test_who_asks_little_is_not_told_to_ask_for_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one has more than a slice, and others do not, the delay is of his making alone."""
    frame = encode_frame(m.Ping(1))
    late = Instant(1, 1, BUSY + 20)
    told: list[int] = []
    async with swarm(1, **ONE) as [node], client_of(node), client_of(node):
        assert node._host is not None
        one, other = node._host._connections.values()
        its = node._host.intake
        monkeypatch.setattr(its.turns, "instant", lambda since_ns=0: late)
        monkeypatch.setattr(its._machine, "receive", lambda _, __, now: told.append(now.delay))
        its.received(other, frame)
        its.received(one, frame * (intake.SLICE * 20))
        for _ in range(2):
            for _ in range(intake.MANY):
                its.received(other, frame)
            its._work_off()
        assert told == [late.delay, *[late.delay] * intake.MANY, *[BUSY - 1] * intake.MANY]
