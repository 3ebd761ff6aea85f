"""The words of the command line: commands, options, and the kinds of values they take."""

import argparse
from collections.abc import Callable
from typing import NoReturn

from p2pcore.cli.descriptions import (
    BACKUP,
    CHECK,
    COMPACT,
    COMPLETION,
    DELETE,
    GET,
    KEYGEN,
    KEYGEN_IDENTITY,
    KEYGEN_NETWORK,
    PUT,
    QUICK_START,
    RESTORE,
    SERVE,
    STATS,
)
from p2pcore.cli.exits import MEANINGS
from p2pcore.cli.kinds import address, contact, count, node_name, seconds, size, size_words
from p2pcore.cli.output import say_text
from p2pcore.config import DURABILITIES, ClientConfig, CoordinatorConfig
from p2pcore.errors import UsageError
from p2pcore.version import __version__

__all__ = ["LIMITS", "VIA_VARIABLE", "CommandLine", "parser"]

VIA_VARIABLE = "P2PCORE_VIA"
SHELLS = ("bash", "zsh", "fish")


Commands = argparse._SubParsersAction
"""What argparse has no public name for."""


class _Parser(argparse.ArgumentParser):
    """argparse whose errors are ours: one line, the same exit code, JSON where asked for."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see `{self.prog} --help`)")

    def print_help(self, file: object = None) -> None:
        say_text(self.format_help())  # argparse's own would not notice that nobody reads it


class CommandLine(_Parser):
    """The whole command line. Parsing raises UsageError, or SystemExit for --help, --version.

    `commands` are the parsers of the commands by name, `summaries` what each does in few words.
    """

    commands: dict[str, _Parser]

    def __init__(self) -> None:
        codes = "\n".join(f"  {code:<4} {text}" for code, text in MEANINGS.items())
        super().__init__(
            prog="p2pcore",
            description=QUICK_START,
            epilog=f"exit codes:\n{codes}\n\n"
            "errors are one line on stderr; with --json, one object",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,  # a script's --li must not change its meaning when --limit comes
        )
        self.add_argument("--version", action="version", version=f"p2pcore {__version__}")
        commands: Commands[_Parser] = self.add_subparsers(
            dest="command",
            required=True,
            metavar="COMMAND",
            title="commands",
            parser_class=_Parser,
        )
        for add in (_add_serve, _add_put, _add_get, _add_delete, _add_stats, _add_upkeep,
                    _add_keygen, _add_completion):  # fmt: skip
            add(commands)
        self.commands = commands.choices
        self.summaries = {each.dest: each.help or "" for each in commands._choices_actions}


def parser() -> argparse.ArgumentParser:
    """The whole command line, without what files and the environment add to it."""
    return CommandLine()


def _command(commands: "Commands[_Parser]", name: str, help: str, text: str) -> _Parser:
    command = commands.add_parser(
        name,
        help=help,
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_argument(
        "--json", action="store_true", help="say everything as JSON, one object per line"
    )
    return command


# The commands


def _add_serve(commands: "Commands[_Parser]") -> None:
    command = _command(commands, "serve", "run a node", SERVE)
    _add_config(command)
    default = CoordinatorConfig
    add = command.add_argument
    add(
        "--listen",
        type=address,
        default=default.listen,
        metavar="HOST:PORT",
        help="where to listen; port 0 takes a free one (default %(default)s)",
    )
    add(
        "--advertise",
        type=address,
        metavar="HOST:PORT",
        help="where others reach this node, if that is not what it listens on",
    )
    _add_bootstrap(command, "--join", help="a member to join through; none: be the first")
    _add_network_key(command)
    add("--data-dir", metavar="DIR", help="keep the node's identity and records here")
    add(
        "--durability",
        choices=DURABILITIES,
        default=default.durability,
        help="when a store is acknowledged: synced to disk, buffered by the system, or in memory "
        "(default: synced with --data-dir, else memory)",
    )
    add(
        "--allow",
        metavar="FILE",
        help="let only the ids in this file in, one a line; SIGHUP reads it anew (default: whoever "
        "has the network key)",
    )
    add(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        default="info",
        help="least serious kind of log line on stderr (default %(default)s)",
    )
    add(
        "--loop",
        choices=("auto", "asyncio", "uvloop"),
        default="auto",
        help="event loop; auto: uvloop where it is installed (default %(default)s)",
    )
    add(
        "--workers",
        type=count,
        default=1,
        metavar="COUNT",
        help="as many nodes, a process each: on ports from that of --listen up, with data "
        "directories DIR/worker-0, DIR/worker-1 ... (default %(default)s)",
    )
    _add_replication(command)
    _add_limits(command)


def _add_replication(command: _Parser) -> None:
    group = command.add_argument_group("replication (one setting for the whole network)")
    add = group.add_argument
    add(
        "-n",
        "--replicas",
        type=count,
        default=CoordinatorConfig.replication_factor,
        metavar="N",
        help="copies of each record (default %(default)s)",
    )
    add(
        "-w",
        "--write-quorum",
        type=count,
        metavar="W",
        help="copies that must confirm a store (default: most of N)",
    )
    add(
        "-r",
        "--read-quorum",
        type=count,
        metavar="R",
        help="copies that must answer a retrieve (default: most of N)",
    )


LIMITS: tuple[tuple[str, str, Callable[[str], object], str], ...] = (
    ("--max-store-bytes", "max_store_bytes", size,
     "room for records, 400 bytes beside each value; stores beyond it are refused"),
    ("--max-disk", "max_disk_bytes", size,
     "room on disk for records and their log; stores beyond it are refused, deletes go on"),
    ("--cache", "cache_bytes", size,
     "values that stay in memory where there is a data directory; others are read from disk"),
    ("--max-connections", "max_connections", count, "incoming connections"),
    ("--pool-size", "pool_size", count, "outgoing connections kept to other nodes"),
    ("--max-handshakes", "max_handshakes", count,
     "incoming connections that are not authenticated yet; the oldest makes room"),
    ("--join-timeout", "join_timeout_s", seconds, "how long to try to get into the network"),
    ("--leave-timeout", "leave_timeout_s", seconds,
     "how long to hand records over before leaving; 0: leave at once"),
    ("--handshake-timeout", "handshake_timeout_s", seconds,
     "patience with strangers, and with half a frame"),
    ("--repair-rate", "repair_bytes_per_s", size,
     "bytes per second that are taken over from other nodes, and handed over to them"),
    ("--tombstone-grace", "tombstone_grace_s", seconds,
     "how long deletions are remembered: longer than any absence of a node"),
    ("--max-clock-offset", "max_clock_offset_s", seconds,
     "versions further ahead of this clock are refused"),
)  # fmt: skip
"""Each with the setting of CoordinatorConfig that it is."""

METAVARS: dict[Callable[[str], object], str] = {size: "SIZE", count: "COUNT", seconds: "SECONDS"}


def _add_limits(command: _Parser) -> None:
    group = command.add_argument_group(
        "limits", "SIZE is in bytes, or with a unit of 1024: 512K, 64M, 2G"
    )
    for name, setting, kind, text in LIMITS:
        default = getattr(CoordinatorConfig, setting)
        words = size_words(default) if kind is size else f"{default:.10g}"
        group.add_argument(
            name,
            dest=setting,
            type=kind,
            default=default,
            metavar=METAVARS[kind],
            help=f"{text} (default {words})",
        )


def _add_put(commands: "Commands[_Parser]") -> None:
    command = _command(commands, "put", "store a value", PUT)
    command.add_argument("key", metavar="KEY", help="1 to 65,536 bytes")
    command.add_argument(
        "value", metavar="VALUE", nargs="?", help="up to 1 MiB; - takes standard input"
    )
    command.add_argument("--file", metavar="FILE", help="take the value from this file instead")
    command.add_argument(
        "--ttl", type=seconds, metavar="SECONDS", help="when it expires (default: never)"
    )
    _add_client(command)


def _add_get(commands: "Commands[_Parser]") -> None:
    command = _command(commands, "get", "retrieve a value", GET)
    command.add_argument("key", metavar="KEY")
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write the value to this file, whole or not at all; - for stdout (the default)",
    )
    _add_client(command)


def _add_delete(commands: "Commands[_Parser]") -> None:
    command = _command(commands, "delete", "delete a record", DELETE)
    command.add_argument("key", metavar="KEY")
    _add_client(command)


def _add_stats(commands: "Commands[_Parser]") -> None:
    command = _command(commands, "stats", "ask nodes how they are", STATS)
    command.add_argument(
        "node",
        metavar="NODE",
        nargs="?",
        type=node_name,
        help="the node to ask: HOST:PORT, HOST:PORT#ID or, with --via, ID (default: all nodes)",
    )
    command.add_argument(
        "--watch",
        type=seconds,
        metavar="SECONDS",
        help="ask again so often, with rates, until Ctrl-C",
    )
    command.add_argument(
        "--max-nodes",
        type=count,
        default=256,
        metavar="COUNT",
        help="of all nodes, ask no more than these (default %(default)s)",
    )
    _add_client(command)


def _add_upkeep(commands: "Commands[_Parser]") -> None:
    backup = _command(commands, "backup", "copy the records of a data directory", BACKUP)
    backup.add_argument("data_dir", metavar="DIR", help="the node's data directory")
    backup.add_argument("target", metavar="TARGET", help="a new file")
    restore = _command(commands, "restore", "put a backup into a data directory", RESTORE)
    restore.add_argument("backup", metavar="BACKUP", help="what `backup` has written")
    restore.add_argument("data_dir", metavar="DIR", help="a data directory without records")
    check = _command(commands, "check", "read every record in a data directory", CHECK)
    check.add_argument("data_dir", metavar="DIR")
    compact = _command(commands, "compact", "make a file of records small", COMPACT)
    compact.add_argument("data_dir", metavar="DIR")


def _add_keygen(commands: "Commands[_Parser]") -> None:
    command = commands.add_parser(
        "keygen",
        help="make a network key or a node's identity",
        description=KEYGEN,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    kinds = command.add_subparsers(dest="what", required=True, metavar="WHAT", title="secrets")
    network = _command(kinds, "network", "a key for a network of your own", KEYGEN_NETWORK)
    network.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="a new file for it that only you can read (default: stdout)",
    )
    identity = _command(kinds, "identity", "the identity of a node", KEYGEN_IDENTITY)
    identity.add_argument("data_dir", metavar="DATA_DIR", help="made if it is not there")


def _add_completion(commands: "Commands[_Parser]") -> None:
    command = commands.add_parser(
        "completion",
        help="make a shell complete commands and options",
        description=COMPLETION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_argument("shell", choices=SHELLS, metavar="SHELL", help="bash, zsh or fish")


# What several commands have in common


def _add_client(command: _Parser) -> None:
    _add_config(command)
    _add_bootstrap(
        command,
        "--via",
        help=f"a member to go through (default: those in the environment variable {VIA_VARIABLE}, "
        "between commas)",
    )
    _add_network_key(command)
    command.add_argument(
        "--identity",
        metavar="DIR",
        help="keep the client's identity here, for networks that let in listed ids only "
        "(default: a new one each time)",
    )
    command.add_argument(
        "--timeout",
        type=seconds,
        default=ClientConfig.timeout_s,
        metavar="SECONDS",
        help="deadline for connecting and the operation together (default %(default)g)",
    )


def _add_config(command: _Parser) -> None:
    command.add_argument(
        "--config",
        metavar="FILE",
        help="take options from this TOML file that are not given here: `timeout = 10` for every "
        "command that has --timeout, and below [serve] for serve alone",
    )


def _add_bootstrap(command: _Parser, name: str, *, help: str) -> None:
    command.add_argument(
        name,
        "--bootstrap",
        dest="bootstrap",
        type=contact,
        action="append",
        default=[],
        metavar="ADDRESS",
        help=f"{help}: HOST:PORT, or HOST:PORT#ID to insist on that node; may be repeated",
    )


def _add_network_key(command: _Parser) -> None:
    command.add_argument(
        "--network-key-file",
        metavar="FILE",
        help="the network's key as hex (default: the file that the environment variable "
        "P2PCORE_NETWORK_KEY_FILE names; else the open network, whose key is published)",
    )
