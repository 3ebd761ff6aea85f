"""Two protocols on one event loop, connected in memory instead of by sockets.

What is written waits for a *round*: then every wire carries what was written so far, at most
WINDOW_BYTES of it. What a protocol does not take in one read comes in further turns of the loop, as
from a kernel. What finds no room makes the protocol pause, as at a socket.

Rule: knows nothing of p2pcore, and not when rounds are: that is `wire_loop.py`'s matter.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

__all__ = ["Listener", "Passed", "WireTransport"]

WINDOW_BYTES = 256 * 1024  # of a wire's in a round; a kernel's buffers are about as large
READ_BYTES = 256 * 1024  # of a protocol that has no buffer of its own
HIGH_BYTES = 64 * 1024  # the loops' own default, until a protocol sets another


@dataclass
class Passed:
    """What has passed through a loop."""

    writes: int = 0
    """Calls of a transport's `write`."""
    written_bytes: int = 0
    reads: int = 0
    """Times that a protocol was given bytes."""
    rounds: int = 0
    """Times that the wires carried what was written."""
    callbacks: int = 0
    tasks: int = 0
    futures: int = 0
    timers: int = 0

    def since(self, before: Passed) -> dict[str, int]:
        """What has passed since, by name."""
        return {
            each.name: getattr(self, each.name) - getattr(before, each.name)
            for each in fields(self)
        }


class WireTransport(asyncio.Transport):
    """One end of a wire."""

    def __init__(self, loop: Any, protocol: Any, near: tuple[str, int], far: tuple[str, int]):
        super().__init__({"socket": loop.plug, "sockname": near, "peername": far})
        self._loop = loop
        self._protocol = protocol
        self._buffered = isinstance(protocol, asyncio.BufferedProtocol)
        self.other: WireTransport
        self._outgoing: deque[memoryview] = deque()
        self._outgoing_bytes = 0
        self._incoming: deque[memoryview] = deque()
        self._high = HIGH_BYTES
        self._paused = self._stopped = self._reading = False
        self._closing = self._lost = self._ends = self._eof_sent = self._eof_came = False

    # What a protocol calls

    def write(self, data: Any) -> None:
        if self._closing or self._ends or not data:
            return
        passed = self._loop.passed
        passed.writes += 1
        passed.written_bytes += len(data)
        self._outgoing.append(memoryview(bytes(data)))
        self._outgoing_bytes += len(data)
        self._loop.carry(self)
        if not self._paused and self.get_write_buffer_size() > self._high:
            self._paused = True
            self._protocol.pause_writing()

    def get_write_buffer_size(self) -> int:
        """What the wire's window has no room for."""
        return max(0, self._outgoing_bytes - WINDOW_BYTES)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = HIGH_BYTES if high is None else high

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._ends = True
        self._loop.carry(self)

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        """What was written still arrives."""
        if not self._closing:
            self._closing = self._ends = True
            self._loop.carry(self)

    def abort(self) -> None:
        self._outgoing.clear()
        self._outgoing_bytes = 0
        self.close()

    def is_reading(self) -> bool:
        return not self._stopped and not self._closing

    def pause_reading(self) -> None:
        self._stopped = True

    def resume_reading(self) -> None:
        self._stopped = False
        self._want_read()

    def get_protocol(self) -> Any:
        return self._protocol

    def set_protocol(self, protocol: Any) -> None:
        self._protocol = protocol
        self._buffered = isinstance(protocol, asyncio.BufferedProtocol)

    # What the loop calls

    def deliver(self) -> None:
        """A round: what was written goes to the other end."""
        room = WINDOW_BYTES
        while self._outgoing and room:
            piece = self._outgoing.popleft()
            if len(piece) > room:
                self._outgoing.appendleft(piece[room:])
                piece = piece[:room]
            room -= len(piece)
            self._outgoing_bytes -= len(piece)
            if not self.other._closing:
                self.other._incoming.append(piece)
        if self._outgoing:
            self._loop.carry(self)
        elif self._ends and not self._eof_sent:
            self._eof_sent = self.other._eof_came = True
        self.other._want_read()
        if self._paused and self.get_write_buffer_size() <= self._high // 4:
            self._paused = False
            self._loop.call_soon(self._protocol.resume_writing)
        if self._closing and not self._outgoing:
            self._loop.call_soon(self._lose)

    def _want_read(self) -> None:
        if not self._reading and (self._incoming or self._eof_came):
            self._reading = True
            self._loop.call_soon(self._read)

    def _read(self) -> None:
        self._reading = False
        if self._closing or self._stopped:
            return
        if self._incoming:
            self._loop.passed.reads += 1
            if self._buffered:
                buffer = self._protocol.get_buffer(-1)
                self._protocol.buffer_updated(self._fill(buffer))
            else:
                buffer = memoryview(bytearray(READ_BYTES))
                self._protocol.data_received(bytes(buffer[: self._fill(buffer)]))
        elif self._eof_came:
            self._eof_came = False
            if not self._protocol.eof_received():
                self.close()
        self._want_read()

    def _fill(self, buffer: Any) -> int:
        """Bytes from the wire into a buffer: as many as there are, or as have room."""
        size = 0
        while self._incoming and size < len(buffer):
            piece = self._incoming.popleft()
            taken = min(len(piece), len(buffer) - size)
            buffer[size : size + taken] = piece[:taken]
            size += taken
            if taken < len(piece):
                self._incoming.appendleft(piece[taken:])
        return size

    def _lose(self) -> None:
        if not self._lost:
            self._lost = True
            self._incoming.clear()
            self._protocol.connection_lost(None)


class Listener:
    """What `create_server` returns: it takes connections at one address."""

    def __init__(self, loop: Any, factory: Callable[[], Any], address: tuple[str, int]):
        self._loop, self.factory, self._address = loop, factory, address
        self.sockets = [self]

    def getsockname(self) -> tuple[str, int]:
        return self._address

    async def start_serving(self) -> None:
        self._loop.listeners[self._address] = self

    def close(self) -> None:
        self._loop.listeners.pop(self._address, None)

    async def wait_closed(self) -> None:
        pass
