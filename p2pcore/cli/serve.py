"""`serve`: one node in the foreground, from joining to its goodbye."""

import argparse
import asyncio
import logging
import os
import signal
from collections.abc import Callable

from p2pcore.aio.coordinator import AdaptiveCoordinator
from p2pcore.cli.keys import network_key, warn_if_open
from p2pcore.cli.output import log_to_stderr, say, say_json
from p2pcore.config import CoordinatorConfig
from p2pcore.errors import ConfigError

__all__ = ["serve"]

log = logging.getLogger("p2pcore.cli")

EXIT_S = 3.0  # for leaving, which takes 1 s at most, and for a name look-up that hangs
SPARE_DESCRIPTORS = 128  # for a pool that is exceeded, files and the loop itself


def serve(args: argparse.Namespace) -> None:
    """Run a node until SIGINT or SIGTERM.

    Raises:
        ConfigError: a setting can't be used.
        UnreachableError, AuthenticationError, IncompatibleError: it can't join.
    """
    quorum = args.replicas // 2 + 1
    config = CoordinatorConfig(
        listen=args.listen,
        advertise=args.advertise,
        bootstrap=args.bootstrap,
        replication_factor=args.replicas,
        write_quorum=quorum if args.write_quorum is None else args.write_quorum,
        read_quorum=quorum if args.read_quorum is None else args.read_quorum,
        network_key=network_key(args),
        data_dir=args.data_dir,
        join_timeout_s=args.join_timeout,
        max_connections=args.max_connections,
        pool_size=args.pool_size,
        max_handshakes=args.max_handshakes,
        handshake_timeout_s=args.handshake_timeout,
        max_store_bytes=args.max_store_bytes,
        tombstone_grace_s=args.tombstone_grace,
        max_clock_offset_s=args.max_clock_offset,
    )
    loop_factory = _loop_factory(args.loop)
    warn_if_open(config.network_key, as_json=args.json)
    log_to_stderr(args.log_level, as_json=args.json)
    connections = config.max_connections + config.max_handshakes + config.pool_size
    _allow_descriptors(connections + SPARE_DESCRIPTORS)
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_serve(config, as_json=args.json))


async def _serve(config: CoordinatorConfig, *, as_json: bool) -> None:
    """Start a node, say where it is, and stop it when a signal asks for it, also before it has
    got into the network."""
    loop = asyncio.get_running_loop()
    stop = _Stop(loop)
    node = AdaptiveCoordinator(config)
    starting = loop.create_task(node.start())
    try:
        await asyncio.wait({starting, stop.wanted}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            _announce(node, as_json=as_json)
            await stop.wanted
        loop.call_later(EXIT_S, os._exit, 0)
    finally:
        starting.cancel()
        await asyncio.wait({starting})
        await node.shutdown()


def _announce(node: AdaptiveCoordinator, *, as_json: bool) -> None:
    address, node_id = node.address, node.node_id.hex()
    if as_json:
        contact = f"{address}#{node_id}"
        say_json({"address": address, "id": node_id, "contact": contact})
    else:
        say(f"serving {address} as {node_id}")
    log.info("others join with: p2pcore serve --join %s#%s", address, node_id)


class _Stop:
    """The first signal asks to leave; the second one doesn't ask.

    Args:
        loop: calls back on SIGINT and SIGTERM until it is closed.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.wanted: asyncio.Future[None] = loop.create_future()
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, self._on_signal, number)
            except NotImplementedError:  # Windows, where Ctrl-C cancels the main task
                return

    def _on_signal(self, number: signal.Signals) -> None:
        if self.wanted.done():
            os._exit(128 + number)
        log.info("%s: leaving the network; another signal ends this at once", number.name)
        self.wanted.set_result(None)


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
