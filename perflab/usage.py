"""What a command is; and arguments that make no sense, where exit code 2 means something else."""

import argparse
import re
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["BAD_USAGE", "BadUsageError", "Command", "budget_s"]

BAD_USAGE = 3
MOST_BUDGET_S = 86_400
UNITS_S = {"s": 1, "m": 60, "h": 3600}


class Command(NamedTuple):
    """What a command is called, what `--help` says of it, its options, and what it does: `run`
    takes the parsed options and returns the exit code."""

    name: str
    help: str
    description: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    epilog: str | None = None


class BadUsageError(Exception):
    """The arguments make no sense; the message says why."""


def budget_s(text: str) -> float:
    """Seconds in a time such as 90s, 10m, 1h. Raises BadUsageError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    seconds = float(match[1]) * UNITS_S[match[2]] if match else 0.0
    if not 1 <= seconds <= MOST_BUDGET_S:
        raise BadUsageError(
            f"--budget takes a time such as 90s, 10m or 1h, up to 24h, not '{text}'"
        )
    return seconds
