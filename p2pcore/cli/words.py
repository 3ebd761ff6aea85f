"""What the commands of the command line have in common: how one is made, and options of several."""

import argparse
from typing import NoReturn

from p2pcore.cli.kinds import contact, seconds
from p2pcore.cli.output import say_text
from p2pcore.config import ClientConfig
from p2pcore.errors import UsageError

__all__ = [
    "VIA_VARIABLE",
    "Commands",
    "Parser",
    "add_bootstrap",
    "add_client",
    "add_config",
    "add_network_key",
    "new_command",
]

VIA_VARIABLE = "P2PCORE_VIA"

Commands = argparse._SubParsersAction
"""What argparse has no public name for."""


class Parser(argparse.ArgumentParser):
    """argparse whose errors are ours: one line, the same exit code, JSON where asked for."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see `{self.prog} --help`)")

    def print_help(self, file: object = None) -> None:
        say_text(self.format_help())  # argparse's own would not notice that nobody reads it


def new_command(commands: "Commands[Parser]", name: str, help: str, text: str) -> Parser:
    """Add a command: its name, what it does in few words, and its whole text."""
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


def add_client(command: Parser) -> None:
    """How a client gets into the network, and how long it waits."""
    add_config(command)
    add_bootstrap(
        command,
        "--via",
        help=f"a member to go through (default: those in the environment variable {VIA_VARIABLE}, "
        "between commas)",
    )
    add_network_key(command)
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


def add_config(command: Parser) -> None:
    """Options from a file."""
    command.add_argument(
        "--config",
        metavar="FILE",
        help="take options from this TOML file that are not given here: `timeout = 10` for every "
        "command that has --timeout, and below [serve] for serve alone",
    )


def add_bootstrap(command: Parser, name: str, *, help: str) -> None:
    """Members to go through."""
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


def add_network_key(command: Parser) -> None:
    """The network's key."""
    command.add_argument(
        "--network-key-file",
        metavar="FILE",
        help="the network's key as hex (default: the file that the environment variable "
        "P2PCORE_NETWORK_KEY_FILE names; else the open network, whose key is published)",
    )
