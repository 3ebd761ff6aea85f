"""A process that runs one node until it is asked to stop.

Rule: knows the node's settings, not the words of the command line.
"""

import asyncio
import errno
import logging
import os
import signal
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from p2pcore.aio.coordinator import AdaptiveCoordinator
from p2pcore.config import CoordinatorConfig
from p2pcore.errors import ConfigError, P2PError

if TYPE_CHECKING:
    from p2pcore.metrics.endpoint import MetricsEndpoint

__all__ = ["EXIT_S", "Announce", "OnReload", "Stop", "at_hangup", "run_node"]

log = logging.getLogger("p2pcore.cli")

EXIT_S = 3.0  # beyond the handing over: for goodbyes, which take 1 s, and a look-up that hangs
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
EXHAUSTED_EVERY_S = 10.0  # at most so often there is a line about it
SPARE_DESCRIPTORS = 128  # for a pool that is exceeded, files and the loop itself

WHERE = {
    "synced": "on disk, synced before a store is acknowledged",
    "buffered": "on disk, synced later: a power cut may take the last seconds",
    "memory": "in memory, gone when this process ends",
}

OnReload = Callable[[asyncio.AbstractEventLoop, Callable[[], None]], None]
"""Sees to it that a node's allow list is read anew when somebody wants that."""

Announce = Callable[[AdaptiveCoordinator], None]
"""Called once a node is in its network."""


class Stop:
    """The first signal asks to leave; the second one doesn't ask.

    Args:
        loop: calls back on signals until it is closed.
        numbers: the signals that ask.
        at_once: what the second one does before it ends the process.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        numbers: Sequence[signal.Signals] = (signal.SIGINT, signal.SIGTERM),
        at_once: Callable[[], None] = lambda: None,
    ) -> None:
        self.wanted: asyncio.Future[None] = loop.create_future()
        self._at_once = at_once
        for number in numbers:
            try:
                loop.add_signal_handler(number, self._on_signal, number)
            except NotImplementedError:  # Windows, where Ctrl-C cancels the main task
                return

    def ask(self, why: str) -> None:
        """Somebody wants the node to leave."""
        if not self.wanted.done():
            log.info("%s: leaving the network; another signal ends this at once", why)
            self.wanted.set_result(None)

    def _on_signal(self, number: signal.Signals) -> None:
        if self.wanted.done():
            self._at_once()
            os._exit(128 + number)
        self.ask(number.name)


def run_node(
    config: CoordinatorConfig,
    loop_name: str,
    announce: Announce,
    make_stop: Callable[[asyncio.AbstractEventLoop], Stop] = Stop,
    on_reload: OnReload | None = None,
    metrics: str | None = None,
) -> None:
    """Run one node until it is to stop; `on_reload` is given what reads its allow list anew, and
    `metrics` is where its endpoint listens. Raises what `AdaptiveCoordinator.start` raises."""
    loop_factory = _loop_factory(loop_name)
    connections = config.max_connections + config.max_handshakes + config.pool_size
    _allow_descriptors(connections + SPARE_DESCRIPTORS)
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_serve(config, announce, make_stop, on_reload or at_hangup, metrics))


async def _serve(
    config: CoordinatorConfig,
    announce: Announce,
    make_stop: Callable[[asyncio.AbstractEventLoop], Stop],
    on_reload: OnReload,
    metrics: str | None,
) -> None:
    """Start a node, say where it is, and stop it when that is asked for, also before it has
    got into the network."""
    loop = asyncio.get_running_loop()
    stop = make_stop(loop)
    loop.set_exception_handler(_LoopErrors())
    node = AdaptiveCoordinator(config)
    if config.allow_file is not None:
        on_reload(loop, lambda: _reload(node))
    endpoint = None if metrics is None else await _open_endpoint(node, metrics)
    starting = loop.create_task(node.start())
    broken = loop.create_task(node.wait_broken())
    try:
        await asyncio.wait({starting, stop.wanted}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            announce(node)
            log.info(
                "others join with: p2pcore serve --join %s#%s", node.address, node.node_id.hex()
            )
            log.info("records: %s", WHERE[config.durability])
            ends: set[asyncio.Future[Any]] = {stop.wanted, broken}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if broken.done():
                raise broken.result()
        handing_over_s = config.leave_timeout_s if starting.done() else 0.0
        loop.call_later(handing_over_s + EXIT_S, os._exit, 0)
    finally:
        starting.cancel()
        broken.cancel()
        over: set[asyncio.Future[Any]] = {starting, broken}
        await asyncio.wait(over)
        await node.shutdown()
        if endpoint is not None:
            await endpoint.close()


async def _open_endpoint(node: AdaptiveCoordinator, address: str) -> "MetricsEndpoint":
    """Before the node joins, which may take a while: probes are answered meanwhile."""
    from p2pcore.metrics.endpoint import MetricsEndpoint

    endpoint = MetricsEndpoint(node.metrics(), node.readiness)
    log.info("metrics: http://%s/metrics", await endpoint.listen(address))
    return endpoint


def at_hangup(loop: asyncio.AbstractEventLoop, reload: Callable[[], None]) -> None:
    """Call back on each SIGHUP, where there is such a signal."""
    if hasattr(signal, "SIGHUP"):
        loop.add_signal_handler(signal.SIGHUP, reload)


def _reload(node: AdaptiveCoordinator) -> None:
    """Read the allow list anew; one that is broken changes nothing."""
    try:
        count = node.reload_allow_list()
    except P2PError as error:
        log.warning("the allow list stays as it was: %s", error)
    else:
        log.info("the allow list has %d ids now", count)


class _LoopErrors:
    """Says what goes wrong in the loop itself. asyncio tries to accept 512 connections at a time,
    and says of each that it could not: here it is one line."""

    def __init__(self) -> None:
        self._next_s = 0.0

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not (isinstance(error, OSError) and error.errno in EXHAUSTED):
            loop.default_exception_handler(context)
        elif loop.time() >= self._next_s:
            self._next_s = loop.time() + EXHAUSTED_EVERY_S
            text = "raise the limit (ulimit -n) or lower --max-connections"
            log.warning("connections wait to be accepted: %s; %s", error.strerror, text)


def _loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """How the event loop is made; None for asyncio's own.

    Raises:
        ConfigError: uvloop was asked for, and is not here.
    """
    if name == "asyncio":
        return None
    try:
        import uvloop
    except ImportError as error:
        if name == "uvloop":
            raise ConfigError(f"--loop uvloop: {error}; pip install uvloop") from error
        return None
    return uvloop.new_event_loop


def _allow_descriptors(wanted: int) -> None:
    """Raise this process's limit of open files to what the configured connections need."""
    try:
        import resource
    except ImportError:  # not a POSIX system
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        log.warning(
            "%d open files are allowed here, the connections may need %d: "
            "raise the limit (ulimit -n) or lower --max-connections",
            allowed,
            wanted,
        )
