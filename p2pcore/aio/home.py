"""The event loop that a host belongs to, and closing from elsewhere.

Theory of operation. All that a host does happens in the loop in which it was opened, its home. A
host that is to be closed from another loop is closed at home. Where home does not run any more, or
the owner was dropped and waits for nothing, connections are aborted. Where home was closed before
its connections were, only their sockets are left to close.

Rule: closes, and does nothing else.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from p2pcore.aio.host import Host
from p2pcore.aio.system import socket_of

__all__ = ["abandon", "close_at_home"]

LOOK_S = 0.2  # how often it is looked whether home still runs


async def close_at_home(host: Host, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `close` in the home of this host, wherever this is called."""
    home = host.home
    if asyncio.get_running_loop() is home:
        await close()
        return
    if home.is_running():  # in another thread
        closing = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(close(), home))
        while home.is_running() and not closing.done():
            await asyncio.wait({closing}, timeout=LOOK_S)
        if closing.done():
            closing.result()
            return
    abandon(host)


def abandon(host: Host) -> bool:
    """Leave nothing open, without a goodbye, from any thread. Returns whether anything was."""
    if host.closed:
        return False
    host.closed = True
    home = host.home
    if home.is_closed():
        _close_sockets(host)
    elif home.is_running():
        with contextlib.suppress(RuntimeError):  # it was closed just now
            home.call_soon_threadsafe(host.abort)
    else:
        _shut_sockets(host)
        host.abort()
    return True


def _shut_sockets(host: Host) -> None:
    """Tell the peers: transports end in a turn of the loop, and there may be none any more."""
    for transport in host.transports:
        descriptor = transport.get_extra_info("socket").fileno()
        with contextlib.suppress(OSError), socket_of(descriptor) as twin:
            twin.shutdown(socket.SHUT_RDWR)


def _close_sockets(host: Host) -> None:
    """The loop is closed. uvloop has closed its sockets with it; asyncio has not, and has no public
    name for that."""
    if not isinstance(host.home, asyncio.SelectorEventLoop):
        return
    for listener in host.listeners:
        listener._sock.close()  # type: ignore[attr-defined]
    for transport in host.transports:
        transport._call_connection_lost(None)  # type: ignore[attr-defined]
