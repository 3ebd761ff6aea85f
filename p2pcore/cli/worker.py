"""A worker of `serve --workers`: one node, in a process that can't outlive its parent.

Theory of operation. The first line of standard input says what to serve: a network key is no
business of the process list. Further lines want the allow list to be read anew. Standard output
gets one line, that the node is ready or why it is not. When standard input ends, the parent wants
the node to leave, or has died in whatever way: the kernel closes that pipe. A thread waits for it,
so that a loop which hangs ends as well. Ctrl-C in a terminal reaches all processes: it is left to
the parent.

Rule: knows nothing of other workers.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

from p2pcore.aio.coordinator import AdaptiveCoordinator
from p2pcore.cli.exits import Exit, exit_of
from p2pcore.cli.node_process import EXIT_S, Stop, run_node
from p2pcore.cli.output import OutputError, log_to_stderr, say_json
from p2pcore.config import CoordinatorConfig
from p2pcore.errors import P2PError

__all__ = ["GRACE_S", "main"]

GRACE_S = 2.0  # beyond all that a node does to leave
STDIN = 0


def main() -> int:
    """Serve as the parent says; returns an exit code."""
    for name in (
        "SIGINT",
        "SIGHUP",
    ):  # a terminal sends them to all: the parent says what they mean
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    line = _read_line()
    if not line:
        return Exit.OK  # the parent has gone before it said anything
    order = json.loads(line)
    log_to_stderr(order["log_level"], as_json=order["json"], worker=order["worker"])
    key = bytes.fromhex(order["network_key"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the parent has said it
        config = CoordinatorConfig(network_key=key, **order["settings"])
    over = threading.Event()
    reloads: list[Callable[[], None]] = []

    def make_stop(loop: asyncio.AbstractEventLoop) -> Stop:
        stop = Stop(loop, (signal.SIGTERM,))

        def leave() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                loop.call_soon_threadsafe(stop.ask, "the parent wants it, or has gone")

        limit_s = config.leave_timeout_s + EXIT_S + GRACE_S
        arguments = (reloads, leave, over, limit_s)
        threading.Thread(target=_follow_parent, args=arguments, daemon=True).start()
        return stop

    def on_reload(loop: asyncio.AbstractEventLoop, reload: Callable[[], None]) -> None:
        def ask() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(reload)

        reloads.append(ask)

    try:
        run_node(config, order["loop"], _announce, make_stop, on_reload, order["metrics"])
    except P2PError as error:
        _tell({"error": str(error), "kind": type(error).__name__})
        return exit_of(error)
    finally:
        over.set()
    return Exit.OK


def _announce(node: AdaptiveCoordinator) -> None:
    _tell({"address": node.address, "id": node.node_id.hex()})


def _tell(fields: dict[str, Any]) -> None:
    with contextlib.suppress(OutputError):  # a parent that has gone is noticed by the other pipe
        say_json(fields)


def _read_line() -> bytes:
    """What the parent says first; empty if it says nothing."""
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(STDIN, 1 << 16)
        if not piece:
            return b""
        line += piece
    return line


def _follow_parent(
    reloads: list[Callable[[], None]],
    leave: Callable[[], None],
    over: threading.Event,
    limit_s: float,
) -> None:
    # Not sys.stdin: a thread that waits inside its lock would hold up the interpreter's end.
    while os.read(STDIN, 1 << 16):  # each line says that there is something to be read anew
        for reload in reloads:
            reload()
    leave()
    if not over.wait(limit_s):
        os._exit(Exit.BUG)


if __name__ == "__main__":
    sys.exit(main())
