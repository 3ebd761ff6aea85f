"""`serve`: one node in the foreground, or several in processes of their own."""

import argparse
import warnings
from functools import partial

from p2pcore.aio.coordinator import AdaptiveCoordinator
from p2pcore.cli.keys import network_key, warn_if_open
from p2pcore.cli.node_process import run_node
from p2pcore.cli.output import log_to_stderr, say, say_json, warn
from p2pcore.cli.settings import LIMITS, MANNERS, ON_OFF, SWITCHES
from p2pcore.config import CoordinatorConfig

__all__ = ["config_of", "serve"]


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
        announce = partial(_announce, as_json=args.json)
        run_node(config, args.loop, announce, metrics=args.metrics)


def config_of(args: argparse.Namespace) -> CoordinatorConfig:
    """What the words of the command line mean to a node, and a line for each thing that it had
    better not mean. Raises ConfigError."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        config = CoordinatorConfig(
            listen=args.listen,
            advertise=args.advertise,
            bootstrap=args.bootstrap,
            replication_factor=args.replicas,
            write_quorum=args.write_quorum,
            read_quorum=args.read_quorum,
            network_key=network_key(args),
            data_dir=args.data_dir,
            durability=args.durability,
            allow_file=args.allow,
            **{setting: getattr(args, setting) for _, setting, _, _ in LIMITS + MANNERS},
            **{setting: getattr(args, setting) == ON_OFF[0] for _, setting, _ in SWITCHES},
        )
    for warning in told:
        warn(str(warning.message), as_json=args.json)
    return config


def _announce(node: AdaptiveCoordinator, *, as_json: bool) -> None:
    address, node_id = node.address, node.node_id.hex()
    if as_json:
        durability = node.config.durability
        contact = f"{address}#{node_id}"
        say_json({"address": address, "id": node_id, "contact": contact, "durability": durability})
    else:
        say(f"serving {address} as {node_id}")
