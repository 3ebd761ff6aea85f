"""Event loops over wires in memory, whose time passes for want of anything else.

Theory of operation. The loops are asyncio's and uvloop's own; what connects two protocols is no
socket but a wire. When nothing else is left to do in a loop, all wires carry what was written: a
*round*, two of them for a request and its answer, however many requests share them. When no wire
has anything to carry either, the clock jumps to the next timer. It stands still otherwise, and so
do the clocks that the core reads: two `BytesIO`, whose `tell` is a function in C like those of
`time` that it stands in for, so that profilers see the same call. Random bytes and fresh Ed25519
keys come from a stream with a seed. So each run is the same.

Rule: knows nothing of p2pcore but the clocks and the entropy that it reads; counts only what passes
through the loop (`Passed`).
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import os
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from io import BytesIO
from random import Random
from typing import Any, TypeVar

from benchmarks.common.counting.wires import Listener, Passed, WireTransport

__all__ = ["LOOPS", "WireLoop", "same_entropy", "wire_loop"]

LOOPS = ("asyncio", "uvloop")
EPOCH_NS = 1_700_000_000_000_000_000
BEGIN_NS = 1_000_000_000_000  # on the monotonic clock; no machine's is 0 either

Result = TypeVar("Result")


class WireLoop:
    """What is put in front of an event loop's class: wires, a clock that jumps, and counters."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = Passed()
        self.plug = socket.socket()
        """Of every transport, for whoever sets options of its socket."""
        self.listeners: dict[tuple[str, int], Listener] = {}
        self._to_carry: dict[WireTransport, None] = {}
        self._timers: list[tuple[int, int, asyncio.TimerHandle]] = []
        self._mono, self._wall = BytesIO(), BytesIO()
        self._set_clock(BEGIN_NS)
        self._numbers = 0
        self._seen = -1
        self._is_over: Callable[[], bool] = lambda: True

    # What is driven from outside

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run until the coroutine has returned and nothing is left to do at this instant.

        Raises:
            AssertionError: it waits for something that will never happen.
        """
        task: asyncio.Task[Result] = self._plain.create_task(coroutine)
        self._go_on(task.done)
        return task.result()

    def pass_time(self, span_ns: int) -> None:
        """Run until the clock has moved so far."""
        end_ns = self.now_ns + span_ns
        self._add_timer(end_ns / 1e9, lambda: None, ())
        self._go_on(lambda: self.now_ns >= end_ns)

    @property
    def now_ns(self) -> int:
        return self._mono.tell()

    def close(self) -> None:
        self.plug.close()
        self._plain.close()

    def _go_on(self, is_over: Callable[[], bool]) -> None:
        self._is_over, self._seen = is_over, -1
        with self._clocks():
            self._plain.call_soon(self._tick)
            self._plain.run_forever()
        if not is_over():
            raise AssertionError("nobody has anything to do, and what is waited for is not over")

    def _tick(self) -> None:
        """Callbacks run in the order of their calls: none is left if none was asked for since the
        last tick."""
        if self._seen != self.passed.callbacks:
            self._seen = self.passed.callbacks
        elif self._to_carry:
            self.passed.rounds += 1
            carried, self._to_carry = self._to_carry, {}
            for transport in carried:
                transport.deliver()
        elif self._is_over() or not self._jump():
            self._plain.stop()
            return
        self._plain.call_soon(self._tick)

    def _jump(self) -> bool:
        """To the next timer. Returns whether there is one."""
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        if not timers:
            return False
        self._set_clock(max(self.now_ns, timers[0][0]))
        while timers and timers[0][0] <= self.now_ns:
            handle = heapq.heappop(timers)[2]
            if not handle.cancelled():
                self.passed.callbacks += 1
                self._plain.call_soon(handle._run)
        return True

    def carry(self, transport: WireTransport) -> None:
        """In the next round."""
        self._to_carry[transport] = None

    # What a loop does

    @property
    def _plain(self) -> Any:
        """The loop as it would be: what it does is not counted."""
        return super()

    def time(self) -> float:
        return self.now_ns / 1e9

    def call_soon(self, callback: Any, *arguments: Any, context: Any = None) -> Any:
        self.passed.callbacks += 1
        return super().call_soon(callback, *arguments, context=context)  # type: ignore[misc]

    def call_later(
        self, delay: float, callback: Any, *arguments: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *arguments, context=context)

    def call_at(
        self, when: float, callback: Any, *arguments: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        self.passed.timers += 1
        return self._add_timer(when, callback, arguments, context)

    def _add_timer(
        self, when: float, callback: Any, arguments: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        loop: Any = self
        handle = asyncio.TimerHandle(when, callback, arguments, loop, context)
        self._numbers += 1
        heapq.heappush(self._timers, (round(when * 1e9), self._numbers, handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """asyncio's handles tell their loop."""

    def create_future(self) -> Any:
        self.passed.futures += 1
        return super().create_future()  # type: ignore[misc]

    def create_task(self, coroutine: Any, **options: Any) -> Any:
        self.passed.tasks += 1
        return super().create_task(coroutine, **options)  # type: ignore[misc]

    async def create_server(
        self, factory: Any, host: Any = None, port: Any = None, **options: Any
    ) -> Listener:
        self._numbers += 1
        listener = Listener(self, factory, (host, port or 20_000 + self._numbers))
        if options.get("start_serving", True):
            await listener.start_serving()
        return listener

    async def create_connection(
        self, factory: Any, host: Any = None, port: Any = None, **options: Any
    ) -> tuple[WireTransport, Any]:
        listener = self.listeners.get((host, port))
        if listener is None:
            raise ConnectionRefusedError(111, "nobody listens there")
        self._numbers += 1
        here, there = ("127.0.0.1", 40_000 + self._numbers), (host, port)
        near = WireTransport(self, factory(), here, there)
        far = WireTransport(self, listener.factory(), there, here)
        near.other, far.other = far, near
        far._protocol.connection_made(far)
        near._protocol.connection_made(near)
        return near, near._protocol

    # Clocks

    def _set_clock(self, mono_ns: int) -> None:
        self._mono.seek(mono_ns)
        self._wall.seek(mono_ns + EPOCH_NS)

    @contextlib.contextmanager
    def _clocks(self) -> Iterator[None]:
        """The core reads this loop's time while it runs."""
        kept = time.monotonic_ns, time.time_ns
        time.monotonic_ns, time.time_ns = self._mono.tell, self._wall.tell
        try:
            yield
        finally:
            time.monotonic_ns, time.time_ns = kept


def wire_loop(kind: str) -> Any:
    """A new loop of one of LOOPS, over wires.

    Raises:
        NotImplementedError: there is no uvloop here.
    """
    base: Any = asyncio.SelectorEventLoop
    if kind != "asyncio":
        try:
            import uvloop
        except ImportError:
            raise NotImplementedError("uvloop is not installed") from None
        base = uvloop.Loop

    class Loop(WireLoop, base):  # type: ignore[misc]
        pass

    return Loop()


@contextlib.contextmanager
def same_entropy(stream: Random) -> Iterator[None]:
    """Random bytes and new Ed25519 keys come from this stream while it lasts. OpenSSL's own, for
    the keys of a handshake, do not: they are of the same size each time."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    kept = os.urandom, Ed25519PrivateKey.__dict__["generate"]
    os.urandom = stream.randbytes
    generate = staticmethod(lambda: Ed25519PrivateKey.from_private_bytes(stream.randbytes(32)))
    Ed25519PrivateKey.generate = generate  # type: ignore[method-assign]
    try:
        yield
    finally:
        os.urandom, Ed25519PrivateKey.generate = kept  # type: ignore[method-assign]
