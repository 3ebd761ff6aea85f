"""Loops over wires: asyncio's rules for transports, rounds, and a clock that jumps."""

import asyncio
import os
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.common.counting.wire_loop import LOOPS, same_entropy, wire_loop
from benchmarks.common.counting.wires import WINDOW_BYTES


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Iterator[Any]:
    try:
        loop = wire_loop(request.param)
    except NotImplementedError as reason:
        pytest.skip(str(reason))
    yield loop
    loop.close()


class Echo(asyncio.Protocol):
    """Says what it hears."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.lost = False
        self.heard: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True


class Hearer(Echo):
    """Keeps what it hears, and says whether it may write."""

    may_write = True

    def data_received(self, data: bytes) -> None:
        self.heard.append(data)

    def pause_writing(self) -> None:
        self.may_write = False

    def resume_writing(self) -> None:
        self.may_write = True


class Small(asyncio.BufferedProtocol):
    """Reads four bytes at a time."""

    def __init__(self) -> None:
        self.buffer = bytearray(4)
        self.heard: list[bytes] = []

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.heard.append(bytes(self.buffer[:nbytes]))


def connected(loop: Any, far: type, near: type = Hearer) -> tuple[Any, Any, Any]:
    """A protocol, its transport and the other end's protocol."""
    served: list[Any] = []

    def factory() -> Any:
        served.append(far())
        return served[-1]

    async def connect() -> tuple[Any, Any]:
        server = await loop.create_server(factory, "10.0.0.1", 0)
        found: tuple[Any, Any] = await loop.create_connection(
            near, *server.sockets[0].getsockname()
        )
        return found

    transport, protocol = loop.run(connect())
    return protocol, transport, served[0]


async def write(transport: Any, *pieces: bytes) -> None:
    for piece in pieces:
        transport.write(piece)


def test_what_is_written_in_a_turn_comes_in_one_read_and_its_answer_in_two_rounds(
    loop: Any,
) -> None:
    protocol, transport, _ = connected(loop, Echo)
    rounds = loop.passed.rounds
    loop.run(write(transport, b"one", b"two"))
    assert protocol.heard == [b"onetwo"]
    assert loop.passed.rounds - rounds == 2
    assert (loop.passed.writes, loop.passed.reads, loop.passed.written_bytes) == (3, 2, 12)


def test_a_small_buffer_takes_several_reads(loop: Any) -> None:
    _, transport, far = connected(loop, Small)
    loop.run(write(transport, b"0123456789"))
    assert far.heard == [b"0123", b"4567", b"89"]


def test_what_has_no_room_pauses_the_writer_and_arrives_in_later_rounds(loop: Any) -> None:
    protocol, transport, far = connected(loop, Hearer)
    much = bytes(3 * WINDOW_BYTES)
    told = []

    async def fill() -> None:
        transport.write(much)
        told.append(protocol.may_write)

    rounds = loop.passed.rounds
    loop.run(fill())
    assert told == [False]
    assert protocol.may_write
    assert b"".join(far.heard) == much
    assert loop.passed.rounds - rounds == 3


def test_what_was_written_before_a_close_arrives_and_both_are_told(loop: Any) -> None:
    protocol, transport, far = connected(loop, Hearer)

    async def leave() -> None:
        transport.write(b"goodbye")
        transport.close()

    loop.run(leave())
    assert far.heard == [b"goodbye"]
    assert protocol.lost
    assert far.lost


def test_nobody_who_listens_is_refused(loop: Any) -> None:
    with pytest.raises(ConnectionRefusedError):
        loop.run(loop.create_connection(Echo, "10.0.0.9", 1))


def test_time_jumps_to_the_next_timer_and_the_clocks_of_the_process_with_it(loop: Any) -> None:
    began = time.monotonic_ns()

    async def look() -> tuple[int, int, int]:
        mono_ns, wall_ns = time.monotonic_ns(), time.time_ns()
        await asyncio.sleep(3600)
        try:
            async with asyncio.timeout(60):
                await loop.create_future()
        except TimeoutError:
            pass
        return mono_ns, time.monotonic_ns() - mono_ns, time.time_ns() - wall_ns

    mono_ns, mono_span_ns, wall_span_ns = loop.run(look())
    assert mono_span_ns == wall_span_ns == 3660 * 10**9
    assert abs(mono_ns - began) > 10**9  # another clock than the machine's
    assert time.monotonic_ns() - began < 600 * 10**9


def test_waiting_for_nothing_is_an_error(loop: Any) -> None:
    waiting = loop.create_future()

    async def wait() -> None:
        await waiting

    with pytest.raises(AssertionError, match="nobody has anything to do"):
        loop.run(wait())
    waiting.cancel()
    loop.pass_time(1)


def test_entropy_is_the_same_from_the_same_stream_and_given_back() -> None:
    def drawn() -> tuple[bytes, bytes]:
        with same_entropy(Random(7)):
            return os.urandom(8), Ed25519PrivateKey.generate().private_bytes_raw()

    assert drawn() == drawn()
    assert os.urandom(8) != os.urandom(8)
    assert (
        Ed25519PrivateKey.generate().private_bytes_raw()
        != Ed25519PrivateKey.generate().private_bytes_raw()
    )
