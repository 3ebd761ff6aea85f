"""What the operating system gives and says: the time, entropy, room to read into, sockets, and why
something can't be done.

Rule: loads no event loop, which the edge of plain sockets (`blocking/`) does without.
"""

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from p2pcore.effects import Instant
from p2pcore.machine import Streams

if TYPE_CHECKING:
    import asyncio

__all__ = [
    "SMALL_READ_BYTES",
    "entropy",
    "keep_alive",
    "now",
    "read_buffer",
    "reason_of",
    "socket_of",
]

KEEP_ALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}  # gone after a minute
READ_BUFFER_BYTES = 256 * 1024  # one for all connections of a loop, which reads one at a time
SMALL_READ_BYTES = 32 * 1024
"""Of one link at a time, unless more of a frame is to come. What we have no time for waits in the
kernel, and then with the peer."""


def now() -> Instant:
    """This instant on both of the system's clocks."""
    return Instant(time.monotonic_ns(), time.time_ns() // 1_000_000)


def entropy() -> Streams:
    """Random streams by purpose, from one seed of the operating system."""
    seed = os.urandom(16).hex()
    return lambda purpose: Random(f"{seed}/{purpose}")


def keep_alive(connected: socket.socket) -> None:
    """Let the kernel find out about peers that vanish: nobody asks a client for signs of life."""
    with contextlib.suppress(OSError):  # it may be reset already
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in KEEP_ALIVE.items():
            if hasattr(socket, name):  # not on every platform; then its own, longer times hold
                connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


@contextmanager
def socket_of(descriptor: int) -> Iterator[socket.socket]:
    """A transport's socket with all that sockets can do: uvloop's own allows little. It takes no
    descriptor of its own, of which there may be none left."""
    twin = socket.socket(fileno=descriptor)
    try:
        yield twin
    finally:
        twin.detach()


def reason_of(error: Exception) -> str:
    """The system's words for what went wrong; each event loop wraps them in its own.

    A ValueError comes of a host that is no name at all. At the limit of descriptors or threads, the
    codec of host names gives a LookupError, and the thread that looks names up a RuntimeError.
    """
    if not isinstance(error, OSError):
        return str(error)
    if error.errno and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)
    return error.strerror or str(error)


_read_buffers: "WeakKeyDictionary[asyncio.AbstractEventLoop, memoryview]" = WeakKeyDictionary()


def read_buffer(loop: "asyncio.AbstractEventLoop") -> memoryview:
    """What is read into is used up before the loop reads again: all of its hosts can share it."""
    if loop not in _read_buffers:
        _read_buffers[loop] = memoryview(bytearray(READ_BUFFER_BYTES))
    return _read_buffers[loop]
