"""`completion`: what makes a shell complete p2pcore's commands and options.

Rule: made of the very parser, so that no option is missing and none is left over.
"""

import argparse
from collections.abc import Iterator

from p2pcore.cli.arguments import CommandLine
from p2pcore.cli.output import say_text

__all__ = ["completion", "script_for"]

FILES, DIRECTORIES = frozenset({"FILE"}), frozenset({"DIR", "DATA_DIR"})

BASH = """\
# p2pcore in bash: source this file, or write it to a folder that bash-completion reads.
_p2pcore() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} options="" verb
    COMPREPLY=()
    verb=${{COMP_WORDS[1]}}
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "{commands} --help --version" -- "$word"))
        return
    fi
    case "$before" in
{values}
    esac
    case "$verb" in
{options}
    esac
    COMPREPLY=($(compgen -W "$options" -- "$word"))
}}
complete -o default -F _p2pcore p2pcore
"""

ZSH = """\
#compdef p2pcore
# p2pcore in zsh: source this file after compinit.
autoload -U +X bashcompinit && bashcompinit
"""


def completion(args: argparse.Namespace) -> None:
    """Say the script. Raises OutputError."""
    say_text(script_for(args.shell))


def script_for(shell: str) -> str:
    """The script for bash, zsh or fish."""
    top = CommandLine()
    if shell == "fish":
        return "\n".join(_fish(top)) + "\n"
    return (ZSH if shell == "zsh" else "") + _bash(top)


def _options(command: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    return (action for action in command._actions if action.option_strings)


def _words(command: argparse.ArgumentParser) -> list[str]:
    """Its options, and the words that its arguments choose from."""
    words = [word for action in _options(command) for word in action.option_strings]
    for action in command._actions:
        if not action.option_strings and action.choices is not None:
            words += action.choices
    return words


def _bash(top: CommandLine) -> str:
    values: dict[str, str] = {}
    for command in top.commands.values():
        for action in _options(command):
            if action.nargs != 0:
                values |= dict.fromkeys(action.option_strings, _bash_value(action))
    return BASH.format(
        commands=" ".join(top.commands),
        values="\n".join(f"        {word}) {what}; return ;;" for word, what in values.items()),
        options="\n".join(
            f'        {name}) options="{" ".join(_words(command))}" ;;'
            for name, command in top.commands.items()
        ),
    )


def _bash_value(action: argparse.Action) -> str:
    if action.choices is not None:
        return f'COMPREPLY=($(compgen -W "{" ".join(action.choices)}" -- "$word"))'
    if action.metavar in FILES:
        return 'COMPREPLY=($(compgen -f -- "$word"))'
    if action.metavar in DIRECTORIES:
        return 'COMPREPLY=($(compgen -d -- "$word"))'
    return ":"


def _fish(top: CommandLine) -> Iterator[str]:
    yield "# p2pcore in fish: write this file to ~/.config/fish/completions/p2pcore.fish"
    yield "complete -c p2pcore -f"
    for name, text in top.summaries.items():
        yield f"complete -c p2pcore -n __fish_use_subcommand -a {name} -d {_quoted(text)}"
    for name, command in top.commands.items():
        seen = f"complete -c p2pcore -n '__fish_seen_subcommand_from {name}'"
        for action in _options(command):
            short, long = ("".join(f" -{kind} {word.lstrip('-')}" for word in action.option_strings
                                   if word.startswith("--") is (kind == "l"))
                           for kind in "sl")  # fmt: skip
            yield f"{seen}{short}{long}{_fish_value(action)} -d {_quoted(_first_words(action))}"
        for word in set(_words(command)) - {w for a in _options(command) for w in a.option_strings}:
            yield f"{seen} -a {word}"


def _fish_value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if action.choices is not None:
        return f" -x -a '{' '.join(action.choices)}'"
    if action.metavar in FILES:
        return " -r -F"
    return " -x -a '(__fish_complete_directories)'" if action.metavar in DIRECTORIES else " -x"


def _first_words(action: argparse.Action) -> str:
    return (action.help or "").partition(" (default")[0].partition(";")[0].replace("%%", "%")


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
