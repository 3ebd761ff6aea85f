"""What is not on the command line: options in a TOML file, and members in the environment.

Theory of operation. A word on the command line comes before the file of `--config`, and the file
before the environment. The file's values become the defaults of the command's options, and pass
the same checks, so that a setting means the same wherever it stands. A key is an option's long name
without its dashes: at the top of the file for every command that has it, in a table named after a
command for that one.
"""

import argparse
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from p2pcore.cli.arguments import CommandLine
from p2pcore.cli.kinds import contact
from p2pcore.cli.settings import ON_OFF
from p2pcore.cli.words import VIA_VARIABLE
from p2pcore.errors import ConfigError, UsageError, shown

__all__ = ["parsed"]

MAX_CONFIG_BYTES = 1 << 20
NOT_IN_FILES = frozenset({"config", "help"})

Table = Mapping[str, object]


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """The command line, completed by the file that it names and by the environment.

    Raises:
        UsageError: the words can't be meant, or nobody is named to go through.
        ConfigError: the file or the environment can't be used.
    """
    top = CommandLine()
    command = words[0] if words else ""
    members: list[str] = []
    if command in top.commands:
        file = _file_of(words[1:])
        if file is not None:
            members = _File(file, top).apply_to(command)
    args = top.parse_args(words)
    if getattr(args, "bootstrap", None) == [] and not _is_address(getattr(args, "node", None)):
        args.bootstrap = members or ([] if command == "serve" else _from_environment())
    if command in ("put", "get", "delete", "list") and not args.bootstrap:
        text = f"the following arguments are required: --via, or {VIA_VARIABLE} in the environment"
        raise UsageError(f"{text} (see `p2pcore {command} --help`)")
    return args


def _file_of(words: Sequence[str]) -> str | None:
    """The file that `--config` names, if any."""
    ahead = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    ahead.add_argument("--config")
    try:
        file: str | None = ahead.parse_known_args(words)[0].config
    except argparse.ArgumentError:
        return None  # the words are wrong, and the whole parser says how
    return file


def _is_address(node: str | None) -> bool:
    """`stats HOST:PORT` asks that node, whoever else is named elsewhere."""
    return node is not None and ":" in node


def _from_environment() -> list[str]:
    members = os.environ.get(VIA_VARIABLE, "").replace(",", " ").split()
    try:
        return [contact(member) for member in members]
    except argparse.ArgumentTypeError as error:
        raise ConfigError(f"{VIA_VARIABLE}: {error}") from None


class _File:
    """A file of options.

    Raises:
        ConfigError: it can't be read, is no TOML, or has a key that no command has.
    """

    def __init__(self, path: str, top: CommandLine) -> None:
        self._path = path
        self._top = top
        try:
            with open(path, "rb") as file:
                content = file.read(MAX_CONFIG_BYTES + 1)
            if len(content) > MAX_CONFIG_BYTES:
                raise self._error(f"it has more than {MAX_CONFIG_BYTES} bytes, the limit")
            self._table: Table = tomllib.loads(content.decode())
        except (OSError, ValueError, RecursionError) as error:
            if isinstance(error, ConfigError):
                raise
            reason = error.strerror if isinstance(error, OSError) else error
            raise self._error(f"it can't be read: {reason or error}") from error
        self._check_names()

    def _error(self, text: str) -> ConfigError:
        return ConfigError(f"config: {self._path}: {text}")

    def _check_names(self) -> None:
        """A key that is misspelt would else be a setting that nobody makes."""
        for key, value in self._table.items():
            if isinstance(value, dict):
                if key not in self._top.commands:
                    near = _near(key, self._top.commands)
                    raise self._error(f"there is no command {shown(key)}{near}")
                for name in value:
                    if name not in self._options(key):
                        near = _near(name, self._options(key))
                        raise self._error(f"{key} has no option {shown(name)}{near}")
            elif not any(key in self._options(command) for command in self._top.commands):
                names = {name for command in self._top.commands for name in self._options(command)}
                raise self._error(f"no command has an option {shown(key)}{_near(key, names)}")

    def _options(self, command: str) -> dict[str, argparse.Action]:
        return {
            word.removeprefix("--"): action
            for action in self._top.commands[command]._actions
            for word in action.option_strings
            if word.startswith("--") and word.removeprefix("--") not in NOT_IN_FILES
        }

    def _entries(self, command: str) -> Iterator[tuple[str, str, object]]:
        """What holds for a command: where it stands, its option, its value."""
        for key, value in self._table.items():
            if not isinstance(value, dict) and key in self._options(command):
                yield key, key, value
        own = self._table.get(command, {})
        assert isinstance(own, dict)
        for key, value in own.items():
            yield f"{command}.{key}", key, value

    def apply_to(self, command: str) -> list[str]:
        """Make what holds for this command its options' defaults.

        Returns:
            The members to go through: options that are said repeatedly add to their defaults, and
            those on the command line come in the place of these.
        """
        options = self._options(command)
        members: list[str] = []
        for place, key, value in self._entries(command):
            action = options[key]
            if isinstance(action, argparse._AppendAction):
                listed = value if isinstance(value, list) else [value]
                members = [str(self._value(place, action, each)) for each in listed]
            else:
                action.default = self._value(place, action, value)
                action.required = False
        return members

    def _value(self, place: str, action: argparse.Action, value: object) -> Any:
        """The value as the command line would have it."""
        if action.nargs == 0:
            if not isinstance(value, bool):
                raise self._error(f"{place} must be true or false, not {shown(value)}")
            return value
        if action.choices == ON_OFF and isinstance(value, bool):
            return ON_OFF[0] if value else ON_OFF[1]
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self._error(f"{place} must be text or a number, not {shown(value)}")
        word = str(value)
        if action.choices is not None and word not in action.choices:
            raise self._error(f"{place} must be one of {', '.join(action.choices)}, not {word!r}")
        try:
            return action.type(word) if callable(action.type) else word
        except argparse.ArgumentTypeError as error:
            raise self._error(f"{place}: {error}") from None


def _near(name: str, names: Iterable[str]) -> str:
    """What may have been meant."""
    found = get_close_matches(name, sorted(names), 1)
    return f"; did you mean {found[0]!r}?" if found else ""
