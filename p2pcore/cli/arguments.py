"""The words of the command line: commands, options, and the kinds of values they take."""

import argparse

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
    LIST,
    PUT,
    QUICK_START,
    RESTORE,
    SERVE,
    STATS,
)
from p2pcore.cli.exits import MEANINGS
from p2pcore.cli.kinds import address, count, node_name, seconds
from p2pcore.cli.settings import add_node_settings
from p2pcore.cli.words import (
    VIA_VARIABLE,
    Commands,
    Parser,
    add_bootstrap,
    add_client,
    add_config,
    add_network_key,
    new_command,
)
from p2pcore.config import DURABILITIES, CoordinatorConfig
from p2pcore.version import __version__

__all__ = ["VIA_VARIABLE", "CommandLine", "parser"]

SHELLS = ("bash", "zsh", "fish")


class CommandLine(Parser):
    """The whole command line. Parsing raises UsageError, or SystemExit for --help, --version.

    `commands` are the parsers of the commands by name, `summaries` what each does in few words.
    """

    commands: dict[str, Parser]

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
        commands: Commands[Parser] = self.add_subparsers(
            dest="command",
            required=True,
            metavar="COMMAND",
            title="commands",
            parser_class=Parser,
        )
        for add in (_add_serve, _add_put, _add_get, _add_delete, _add_list, _add_stats,
                    _add_upkeep, _add_keygen, _add_completion):  # fmt: skip
            add(commands)
        self.commands = commands.choices
        self.summaries = {each.dest: each.help or "" for each in commands._choices_actions}


def parser() -> argparse.ArgumentParser:
    """The whole command line, without what files and the environment add to it."""
    return CommandLine()


# The commands


def _add_serve(commands: "Commands[Parser]") -> None:
    command = new_command(commands, "serve", "run a node", SERVE)
    add_config(command)
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
    add_bootstrap(command, "--join", help="a member to join through; none: be the first")
    add_network_key(command)
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
    _add_monitoring(command)
    _add_replication(command)
    add_node_settings(command)


def _add_monitoring(command: Parser) -> None:
    add = command.add_argument
    add(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        default="info",
        help="least serious kind of log line on stderr (default %(default)s)",
    )
    add(
        "--metrics",
        type=address,
        metavar="HOST:PORT",
        help="answer /metrics for Prometheus, /healthz and /readyz here, to whoever asks; workers "
        "on ports from this one up (needs p2pcore[metrics]; default: nowhere)",
    )


def _add_replication(command: Parser) -> None:
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


def _add_put(commands: "Commands[Parser]") -> None:
    command = new_command(commands, "put", "store a value", PUT)
    command.add_argument("key", metavar="KEY", help="1 to 65,536 bytes")
    command.add_argument(
        "value", metavar="VALUE", nargs="?", help="up to 1 MiB; - takes standard input"
    )
    command.add_argument("--file", metavar="FILE", help="take the value from this file instead")
    command.add_argument(
        "--ttl", type=seconds, metavar="SECONDS", help="when it expires (default: never)"
    )
    command.add_argument(
        "--listed", action="store_true", help="let `list` find the key, which has up to 1,024 bytes"
    )
    add_client(command)


def _add_get(commands: "Commands[Parser]") -> None:
    command = new_command(commands, "get", "retrieve a value", GET)
    command.add_argument("key", metavar="KEY")
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write the value to this file, whole or not at all; - for stdout (the default)",
    )
    add_client(command)


def _add_delete(commands: "Commands[Parser]") -> None:
    command = new_command(commands, "delete", "delete a record", DELETE)
    command.add_argument("key", metavar="KEY")
    add_client(command)


def _add_list(commands: "Commands[Parser]") -> None:
    command = new_command(commands, "list", "list the keys that were put with --listed", LIST)
    command.add_argument(
        "--prefix", metavar="TEXT", default="", help="only keys that begin with it (default: all)"
    )
    command.add_argument(
        "--limit",
        type=count,
        metavar="COUNT",
        help="stop after so many (default: when all are said)",
    )
    command.add_argument(
        "--after", metavar="KEY", help="go on after this key, the last one of an earlier list"
    )
    add_client(command)


def _add_stats(commands: "Commands[Parser]") -> None:
    command = new_command(commands, "stats", "ask nodes how they are", STATS)
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
    add_client(command)


def _add_upkeep(commands: "Commands[Parser]") -> None:
    backup = new_command(commands, "backup", "copy the records of a data directory", BACKUP)
    backup.add_argument("data_dir", metavar="DIR", help="the node's data directory")
    backup.add_argument("target", metavar="TARGET", help="a new file")
    restore = new_command(commands, "restore", "put a backup into a data directory", RESTORE)
    restore.add_argument("backup", metavar="BACKUP", help="what `backup` has written")
    restore.add_argument("data_dir", metavar="DIR", help="a data directory without records")
    check = new_command(commands, "check", "read every record in a data directory", CHECK)
    check.add_argument("data_dir", metavar="DIR")
    compact = new_command(commands, "compact", "make a file of records small", COMPACT)
    compact.add_argument("data_dir", metavar="DIR")


def _add_keygen(commands: "Commands[Parser]") -> None:
    command = commands.add_parser(
        "keygen",
        help="make a network key or a node's identity",
        description=KEYGEN,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    kinds = command.add_subparsers(dest="what", required=True, metavar="WHAT", title="secrets")
    network = new_command(kinds, "network", "a key for a network of your own", KEYGEN_NETWORK)
    network.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="a new file for it that only you can read (default: stdout)",
    )
    identity = new_command(kinds, "identity", "the identity of a node", KEYGEN_IDENTITY)
    identity.add_argument("data_dir", metavar="DATA_DIR", help="made if it is not there")


def _add_completion(commands: "Commands[Parser]") -> None:
    command = commands.add_parser(
        "completion",
        help="make a shell complete commands and options",
        description=COMPLETION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_argument("shell", choices=SHELLS, metavar="SHELL", help="bash, zsh or fish")
