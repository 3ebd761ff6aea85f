"""The relay's own process: passes bytes between processes, under the conditions of their link.

Theory of operation. A relayed connection is two TCP connections and a `_Way` in each direction. A
way queues what comes in with the time at which it is due, and reads on while less than QUEUE_BYTES
are waiting and the writer takes it: so memory is bounded, and the sender feels it. A connection
that was begun while its link is held is not made at the other end before the heal.

Rule: bytes only; knows nothing of what is in them.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections import deque
from itertools import product
from typing import Any, cast

from benchmarks.common.children import allow_descriptors, serve_parent
from perflab.processes.relay import HEALTHY, HERE, RETRANSMISSION_S, Conditions

__all__ = ["QUEUE_BYTES", "run_child"]

# In each direction of a connection: with a delay d it lets through QUEUE_BYTES / d per second.
QUEUE_BYTES = 1 << 20
MAX_CONNECTIONS = 8192  # far above what scenarios need; each has two descriptors
DIAL_S = 5.0  # to a process of this machine
RESET = struct.pack("ii", 1, 0)  # SO_LINGER, no time to linger: closing sends a reset


class _Way:
    """One direction of one connection: what comes from a transport goes into another, in time."""

    def __init__(self, connection: _Connection, source: str, target: str) -> None:
        self._connection = connection
        self._exchange = connection.exchange
        self.pair = source, target
        self.reader: asyncio.Transport | None = None
        self.writer: asyncio.Transport | None = None
        self.ended = False  # the reader has said all
        self._over = False  # ... and the writer was told
        self.waiting_bytes = 0
        self._queue: deque[tuple[float, bytes]] = deque()  # (due on the loop's clock, bytes)
        self._timer: asyncio.TimerHandle | None = None
        self._writer_full = False

    def take(self, data: bytes) -> None:
        """Bytes have come in."""
        conditions = self._exchange.conditions(*self.pair)
        now = self._exchange.loop.time()
        due = now + conditions.delay_s
        if conditions.bytes_per_s is not None:
            begin = max(now, self._exchange.busy_until.get(self.pair, 0.0))
            busy_until = begin + len(data) / conditions.bytes_per_s
            self._exchange.busy_until[self.pair] = busy_until
            due = busy_until + conditions.delay_s
        if conditions.loss and self._exchange.chance.random() < conditions.loss:
            due += RETRANSMISSION_S
        if self._queue:
            due = max(due, self._queue[-1][0])  # a stream stays in order
        self._queue.append((due, data))
        self.waiting_bytes += len(data)
        self.pass_on()

    def end(self) -> None:
        """The reader has closed its half."""
        self.ended = True
        self.pass_on()

    def hasten(self) -> None:
        """The conditions have changed: what waits for its turn on a link that was narrower, or for
        a longer delay, waits no longer than what comes now would."""
        conditions = self._exchange.conditions(*self.pair)
        if self._queue and conditions.bytes_per_s is None:
            latest = self._exchange.loop.time() + conditions.delay_s
            self._queue = deque((min(due, latest), data) for due, data in self._queue)
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def pass_on(self) -> None:
        """Write what is due, if it may pass; ask for more, or for no more."""
        held = self._exchange.conditions(*self.pair).cut == "hold"
        if self.writer is not None and not held:
            now = self._exchange.loop.time()
            while self._queue and self._queue[0][0] <= now and not self._writer_full:
                _, data = self._queue.popleft()
                self.waiting_bytes -= len(data)
                self._exchange.passed_bytes += len(data)
                self.writer.write(data)
            if self._queue and self._timer is None and not self._writer_full:
                self._timer = self._exchange.loop.call_at(self._queue[0][0], self._on_timer)
            if self.ended and not self._queue and not self._over:
                self._over = True
                if not self.writer.is_closing():
                    self.writer.write_eof()
                self._connection.way_over()
        self._throttle(held)

    def _throttle(self, held: bool) -> None:
        """Read on unless too much is waiting, or nothing may pass on a connection that stands. One
        that does not stand yet is read, to learn whether its dialler gives up."""
        if self.reader is None or self.reader.is_closing():
            return
        if (held and self.writer is not None) or self.waiting_bytes >= QUEUE_BYTES:
            self.reader.pause_reading()
        else:
            self.reader.resume_reading()

    def writer_full(self, full: bool) -> None:
        self._writer_full = full
        self.pass_on()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._queue.clear()
        self.waiting_bytes = 0
        self.reader = self.writer = None

    def _on_timer(self) -> None:
        self._timer = None
        self.pass_on()


class _Half(asyncio.Protocol):
    """One of the two TCP connections behind one that is relayed; this is towards the end meant."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._out, self._in = connection.ways

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast(asyncio.Transport, transport)
        self._in.reader = self._out.writer = stream
        self._connection.half_open(stream, self)

    def data_received(self, data: bytes) -> None:
        self._in.take(data)

    def eof_received(self) -> bool:
        if self._connection.stands:
            self._in.end()
        else:
            self._connection.drop()  # given up before anybody was reached
        return True  # the other half may still have something to say

    def pause_writing(self) -> None:
        self._out.writer_full(True)

    def resume_writing(self) -> None:
        self._out.writer_full(False)

    def connection_lost(self, error: Exception | None) -> None:
        if self._in.ended and self._in.waiting_bytes:
            self._connection.way_over()  # of the other way; what it said last is on its way yet
        else:
            self._connection.drop()


class _Arrival(_Half):
    """The half towards the end that has dialled."""

    def __init__(self, exchange: _Exchange, target: str, port: int) -> None:
        self._exchange = exchange
        self._target = target, port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        source: str = transport.get_extra_info("peername")[0]
        self._connection = self._exchange.arrived(source, *self._target)
        self._in, self._out = self._connection.ways
        super().connection_made(transport)


class _Connection:
    """A relayed connection: from an end that dialled, to the end that it meant."""

    def __init__(self, exchange: _Exchange, source: str, target: str, port: int) -> None:
        self.exchange = exchange
        self.pair = source, target
        self.ways = _Way(self, source, target), _Way(self, target, source)
        self.stands = False
        self._port = port
        self._transports: list[asyncio.Transport] = []
        self._dial: asyncio.Task[None] | None = None
        self._open_ways = 2

    def half_open(self, transport: asyncio.Transport, half: _Half) -> None:
        """The dialler is there, or the end that it meant has been reached."""
        self._transports.append(transport)
        self.stands = not isinstance(half, _Arrival)
        if id(self) not in self.exchange.connections:
            transport.abort()  # dropped meanwhile
        elif len(self.exchange.connections) > MAX_CONNECTIONS:
            self.exchange.refused += 1
            self.drop(reset=True)
        else:
            self.review()

    def review(self) -> None:
        """The conditions have changed, or this is new."""
        cuts = [self.exchange.conditions(*way.pair).cut for way in self.ways]
        if "refuse" in cuts:
            self.exchange.refused += 1
            self.drop(reset=True)
        elif self.stands:
            for way in self.ways:
                way.hasten()
                way.pass_on()
        elif "hold" not in cuts and self._dial is None:
            self._dial = self.exchange.loop.create_task(self._reach())

    async def _reach(self) -> None:
        """Connect to the end that is meant; failing that, the dialler is reset."""
        try:
            async with asyncio.timeout(DIAL_S):
                await self.exchange.loop.create_connection(
                    lambda: _Half(self), self.pair[1], self._port
                )
        except OSError:
            self.exchange.refused += 1
            self.drop(reset=True)

    def way_over(self) -> None:
        self._open_ways -= 1
        if not self._open_ways:
            self.drop()

    def drop(self, *, reset: bool = False) -> None:
        """End both halves: with a reset, or by closing what is not closed yet."""
        if self.exchange.connections.pop(id(self), None) is None:
            return
        orderly = not self._open_ways
        for way in self.ways:
            way.stop()
        if self._dial is not None and self._dial is not asyncio.current_task():
            self._dial.cancel()
        for transport in self._transports:
            if orderly:
                transport.close()
                continue
            sock = transport.get_extra_info("socket")
            if reset and sock is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            transport.abort()


class _Exchange:
    """The child's service: all listeners, links and connections."""

    def __init__(self) -> None:
        self.connections: dict[int, _Connection] = {}
        self.busy_until: dict[tuple[str, str], float] = {}  # of narrowed links, on the loop's clock
        self.passed_bytes = self.made = self.refused = 0
        self.chance = random.Random(0)
        self._conditions: dict[tuple[str, str], Conditions] = {}
        self._servers: dict[str, asyncio.Server] = {}

    def conditions(self, source: str, target: str) -> Conditions:
        return self._conditions.get((source, target), HEALTHY)

    async def start(self) -> dict[str, Any]:
        self.loop = asyncio.get_running_loop()
        allow_descriptors(2 * MAX_CONNECTIONS + 64)
        return {}

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        match question:
            case {"do": "open", "end": str(end)}:
                return {"port": await self._open(end)}
            case {"do": "close", "end": str(end)}:
                self._servers.pop(end).close()
                for connection in [c for c in self.connections.values() if end in c.pair]:
                    connection.drop()
            case {"do": "set", "sources": sources, "targets": targets, "conditions": conditions}:
                wanted = Conditions(**conditions)
                for pair in product(sources, targets):
                    self._conditions[pair] = wanted
                    self.busy_until.pop(pair, None)
                self._review()
            case {"do": "heal"}:
                self._conditions.clear()
                self.busy_until.clear()
                self._review()
            case {"do": "count"}:
                waiting = [way.waiting_bytes for c in self.connections.values() for way in c.ways]
                return {
                    "open": len(self.connections),
                    "made": self.made,
                    "refused": self.refused,
                    "passed_bytes": self.passed_bytes,
                    "waiting_bytes": sum(waiting),
                }
            case _:
                raise ValueError(f"a relay cannot answer {question}")
        return {}

    async def stop(self) -> None:
        for server in self._servers.values():
            server.close()
        for connection in list(self.connections.values()):
            connection.drop(reset=True)

    async def _open(self, end: str) -> int:
        if end in self._servers:
            raise ValueError(f"{end} has a listener already")
        server = await self.loop.create_server(
            lambda: _Arrival(self, end, port), HERE, 0, backlog=512, start_serving=False
        )
        port: int = server.sockets[0].getsockname()[1]
        await server.start_serving()
        self._servers[end] = server
        return port

    def arrived(self, source: str, target: str, port: int) -> _Connection:
        connection = _Connection(self, source, target, port)
        self.connections[id(connection)] = connection
        self.made += 1
        return connection

    def _review(self) -> None:
        for connection in list(self.connections.values()):
            connection.review()


def run_child(arguments: list[str]) -> None:
    """The relay's process."""
    serve_parent(_Exchange(), arguments[0])
