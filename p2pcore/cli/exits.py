"""Exit codes: one table, for the program, its `--help` and docs/operations.md.

Rule: a number never changes its meaning; scripts depend on it.
"""

import enum

from p2pcore.errors import (
    ConfigError,
    DeadlineError,
    KeyNotFoundError,
    NotAllowedError,
    P2PError,
    QuorumError,
    RefusedError,
    UsageError,
)

__all__ = ["MEANINGS", "Exit", "exit_of"]


class Exit(enum.IntEnum):
    """What a command's end means; MEANINGS says it in words."""

    OK = 0
    NOT_FOUND = 1
    USAGE = 2
    NETWORK = 3
    QUORUM = 4
    REFUSED = 5
    OUTPUT = 6
    DAMAGED = 7
    BUG = 70  # EX_SOFTWARE of sysexits.h: far from Python's own 1, which means "not found" here
    INTERRUPTED = 130  # 128 + the signal's number, as shells have it
    READER_GONE = 141
    TERMINATED = 143


MEANINGS = {
    Exit.OK: "done",
    Exit.NOT_FOUND: "get: there is no such record",
    Exit.USAGE: "wrong usage or configuration; nothing was done",
    Exit.NETWORK: "the network can't be reached, or doesn't let us in",
    Exit.QUORUM: "too few replicas in time; a put or delete may have happened or not",
    Exit.REFUSED: "replicas refuse: no room, too busy, or our clock is off; serve: the disk failed",
    Exit.OUTPUT: "the result could not be written, to standard output or a file",
    Exit.DAMAGED: "check, restore: records are damaged",
    Exit.BUG: "a bug in p2pcore",
    Exit.INTERRUPTED: "interrupted (SIGINT); serve: by the second one, the first gives 0",
    Exit.READER_GONE: "whoever read the output has gone (SIGPIPE)",
    Exit.TERMINATED: "terminated (SIGTERM); serve: by the second one, the first gives 0",
}

_OF_ERRORS: tuple[tuple[type[P2PError], Exit], ...] = (
    (KeyNotFoundError, Exit.NOT_FOUND),
    (UsageError, Exit.USAGE),
    (ConfigError, Exit.USAGE),
    (NotAllowedError, Exit.NETWORK),
    (QuorumError, Exit.QUORUM),
    (DeadlineError, Exit.QUORUM),
    (RefusedError, Exit.REFUSED),
)


def exit_of(error: P2PError) -> Exit:
    """The exit code for an error; what is nothing else is the network's."""
    return next((code for kind, code in _OF_ERRORS if isinstance(error, kind)), Exit.NETWORK)
