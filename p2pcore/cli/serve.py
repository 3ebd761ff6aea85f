"""`serve`: one node in the foreground, or several in processes of their own."""

import argparse
import asyncio
import logging
import os
import signal
from collections.abc import Callable, Sequence

from p2pcore.aio.coordinator import AdaptiveCoordinator
from p2pcore.cli.arguments import LIMITS
from p2pcore.cli.keys import network_key, warn_if_open
from p2pcore.cli.output import log_to_stderr, say, say_json
from p2pcore.config import CoordinatorConfig
from p2pcore.errors import ConfigError

__all__ = ["EXIT_S", "Announce", "Stop", "config_of", "run_node", "serve"]

log = logging.getLogger("p2pcore.cli")

EXIT_S = 3.0  # beyond the handing over: for goodbyes, which take 1 s, and a look-up that hangs
SPARE_DESCRIPTORS = 128  # for a pool that is exceeded, files and the loop itself

Announce = Callable[[AdaptiveCoordinator], None]
"""Called once a node is in its network."""


def serve(args: argparse.Namespace) -> None:
    """Run nodes until SIGINT or SIGTERM.

    Raises:
        ConfigError: a setting can't be used.
        UnreachableError, AuthenticationError, IncompatibleError: they can't join.
        BrokenError: a worker ended before it was ready, and left no word.
    """
    config = config_of(args)
    supervisor = None
    if args.workers > 1:
        from p2pcore.cli.workers import Supervisor

        supervisor = Supervisor(config, args)
    warn_if_open(config.network_key, as_json=args.json)
    log_to_stderr(args.log_level, as_json=args.json)
    if supervisor is not None:
        supervisor.run()
    else:
        run_node(config, args.loop, lambda node: _announce(node, as_json=args.json))


def config_of(args: argparse.Namespace) -> CoordinatorConfig:
    """What the words of the command line mean to a node. Raises ConfigError."""
    quorum = args.replicas // 2 + 1
    return CoordinatorConfig(
        listen=args.listen,
        advertise=args.advertise,
        bootstrap=args.bootstrap,
        replication_factor=args.replicas,
        write_quorum=quorum if args.write_quorum is None else args.write_quorum,
        read_quorum=quorum if args.read_quorum is None else args.read_quorum,
        network_key=network_key(args),
        data_dir=args.data_dir,
        **{setting: getattr(args, setting) for _, setting, _, _ in LIMITS},
    )


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
) -> None:
    """Run one node until it is to stop. Raises what `AdaptiveCoordinator.start` raises."""
    loop_factory = _loop_factory(loop_name)
    connections = config.max_connections + config.max_handshakes + config.pool_size
    _allow_descriptors(connections + SPARE_DESCRIPTORS)
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_serve(config, announce, make_stop))


async def _serve(
    config: CoordinatorConfig,
    announce: Announce,
    make_stop: Callable[[asyncio.AbstractEventLoop], Stop],
) -> None:
    """Start a node, say where it is, and stop it when that is asked for, also before it has
    got into the network."""
    loop = asyncio.get_running_loop()
    stop = make_stop(loop)
    node = AdaptiveCoordinator(config)
    starting = loop.create_task(node.start())
    try:
        await asyncio.wait({starting, stop.wanted}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            announce(node)
            log.info(
                "others join with: p2pcore serve --join %s#%s", node.address, node.node_id.hex()
            )
            await stop.wanted
        handing_over_s = config.leave_timeout_s if starting.done() else 0.0
        loop.call_later(handing_over_s + EXIT_S, os._exit, 0)
    finally:
        starting.cancel()
        await asyncio.wait({starting})
        await node.shutdown()


def _announce(node: AdaptiveCoordinator, *, as_json: bool) -> None:
    address, node_id = node.address, node.node_id.hex()
    if as_json:
        say_json({"address": address, "id": node_id, "contact": f"{address}#{node_id}"})
    else:
        say(f"serving {address} as {node_id}")


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
