"""What the operating system gives and says: the time, room to read into, and why something can't
be done."""

import asyncio
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from p2pcore.effects import Instant

__all__ = ["SMALL_READ_BYTES", "now", "read_buffer", "reason_of", "socket_of"]

READ_BUFFER_BYTES = 256 * 1024  # one for all connections of a loop, which reads one at a time
SMALL_READ_BYTES = 32 * 1024
"""Of one link at a time, unless more of a frame is to come. What we have no time for waits in the
kernel, and then with the peer."""


def now() -> Instant:
    """This instant on both of the system's clocks."""
    return Instant(time.monotonic_ns(), time.time_ns() // 1_000_000)


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


_read_buffers: WeakKeyDictionary[asyncio.AbstractEventLoop, memoryview] = WeakKeyDictionary()


def read_buffer(loop: asyncio.AbstractEventLoop) -> memoryview:
    """What is read into is used up before the loop reads again: all of its hosts can share it."""
    if loop not in _read_buffers:
        _read_buffers[loop] = memoryview(bytearray(READ_BUFFER_BYTES))
    return _read_buffers[loop]
