"""Handshakes, a few in a turn.

Theory of operation. A step of a handshake takes half a millisecond to two of signatures. When many
peers come at once, one turn of the loop would bring all their first bytes, and whoever is linked
would wait for hundreds of strangers. So after TURN_NS of handshakes in a turn, the next ones wait,
with what they have sent, for turns to come; nothing more is read from them meanwhile.

Rule: decides when; what a handshake is, the connection knows.
"""

import asyncio
import time
from collections import deque
from typing import Protocol

__all__ = ["Lobby"]

TURN_NS = 1_000_000


class Stranger(Protocol):
    """What the lobby needs of a connection."""

    @property
    def is_shaking(self) -> bool: ...

    def shake(self, data: bytes | memoryview) -> None: ...

    def stop_reading(self) -> None: ...

    def read_on(self, now_ns: int) -> None: ...


class Lobby:
    """The handshakes of one host."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._turn_ends_ns = 0  # 0: no handshake has gone on in this turn
        self._waiting: deque[tuple[Stranger, bytes]] = deque()

    def received(self, stranger: Stranger, data: memoryview) -> None:
        """Bytes of a handshake came in: it goes on, now or in a later turn."""
        if not self._turn_ends_ns:
            self._turn_ends_ns = time.monotonic_ns() + TURN_NS
            self._loop.call_soon(self._next_turn)
        if self._waiting or time.monotonic_ns() > self._turn_ends_ns:
            self._waiting.append((stranger, bytes(data)))
            stranger.stop_reading()
        else:
            stranger.shake(data)

    def _next_turn(self) -> None:
        self._turn_ends_ns = 0
        if not self._waiting:
            return
        self._turn_ends_ns = time.monotonic_ns() + TURN_NS
        self._loop.call_soon(self._next_turn)
        while self._waiting and time.monotonic_ns() <= self._turn_ends_ns:
            stranger, data = self._waiting.popleft()
            if stranger.is_shaking:  # else it has been given up meanwhile
                stranger.shake(data)
                stranger.read_on(time.monotonic_ns())
