"""What the operating system gives and says: the time, room to read into, and why something can't
be done."""

import asyncio
import os
import socket
import time
from weakref import WeakKeyDictionary

from p2pcore.effects import Instant

__all__ = ["now", "read_buffer", "reason_of"]

READ_BUFFER_BYTES = 256 * 1024  # one for all connections of a loop, which reads one at a time


def now() -> Instant:
    """This instant on both of the system's clocks."""
    return Instant(time.monotonic_ns(), time.time_ns() // 1_000_000)


def reason_of(error: OSError | ValueError) -> str:
    """The system's words for what went wrong; each event loop wraps them in its own.

    A ValueError comes of a host that is no name at all.
    """
    if isinstance(error, ValueError):
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
