"""Everything that p2pcore raises, in one tree.

P2PError
├── ConfigError           a setting is wrong: it names the setting, the value and the limit
├── UsageError            the caller asked for something that cannot be meant
│   └── LimitError        ... or for more than a stated limit allows
├── ClosedError           you closed it (or never opened it)
├── KeyNotFoundError      a read quorum of replicas has no such record
├── BatchError            some items of a batch failed: which, and why; the others did not
├── DeadlineError         the operation's time ran out; a store may or may not have happened
└── BrokenError           the world did it
    ├── UnreachableError      nobody listens there, or nobody answered
    ├── AuthenticationError   the other side is not a member of this network, or not who we meant
    ├── IncompatibleError     no common protocol version, or other network settings
    ├── ProtocolError         the other side sent what cannot be understood
    ├── RefusedError          the other side said no, and why
    │   ├── NotAllowedError       our id is not on its allow list
    │   ├── BusyError             it has too much to do
    │   ├── StorageFullError      it has no room
    │   ├── StorageBrokenError    its disk has failed
    │   └── ClockOffsetError      by so many replicas our clock is wrong that none is left to ask
    └── QuorumError           fewer replicas took part than the operation needs

Rule: names and words only; no logic that could fail while it reports a failure.
"""

from collections.abc import Mapping
from typing import Any

__all__ = [
    "AuthenticationError",
    "BatchError",
    "BrokenError",
    "BusyError",
    "ClockOffsetError",
    "ClosedError",
    "ConfigError",
    "DeadlineError",
    "IncompatibleError",
    "KeyNotFoundError",
    "LimitError",
    "NotAllowedError",
    "P2PError",
    "ProtocolError",
    "QuorumError",
    "RefusedError",
    "StorageBrokenError",
    "StorageFullError",
    "UnreachableError",
    "UsageError",
    "shown",
]

MAX_SHOWN_CHARS = 100


def shown(value: object) -> str:
    """A value as a message shows it: short, and whatever it is."""
    try:
        text = repr(value)
    except Exception:  # a number of thousands of digits, or somebody else's class
        return f"a {type(value).__name__} that can't be shown"
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[:MAX_SHOWN_CHARS]}..."


class P2PError(Exception):
    """Whatever p2pcore raises on purpose."""


class ConfigError(P2PError, ValueError):
    """A setting is wrong; the message names it, its value and what is allowed."""


class UsageError(P2PError, ValueError):
    """The caller asked for something that cannot be meant."""


class LimitError(UsageError):
    """The caller asked for more than a stated limit allows."""


class ClosedError(P2PError):
    """The object was closed by its owner, or was not opened yet."""


class KeyNotFoundError(P2PError, KeyError):
    """As many replicas as a read needs have no such record: never stored, deleted or expired."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class DeadlineError(P2PError, TimeoutError):
    """The operation's time ran out. A store or delete may or may not have taken effect."""


class BatchError(P2PError):
    """Some items of a batch failed; the others did not.

    Attributes:
        results: what the items that did not fail have given, by key.
        errors: the error of each item that failed, by key.
    """

    def __init__(
        self, results: Mapping[Any, Any], errors: Mapping[Any, P2PError], total: int
    ) -> None:
        key, error = next(iter(errors.items()))
        super().__init__(f"{len(errors)} of {total} items failed; {key!r}: {error}")
        self.results = results
        self.errors = errors


class BrokenError(P2PError):
    """Something outside this process went wrong."""


class UnreachableError(BrokenError, ConnectionError):
    """Nobody listens at an address, or nobody answered in time."""


class AuthenticationError(BrokenError):
    """The other side is not a member of this network, or has another id than was expected."""


class IncompatibleError(BrokenError):
    """The two sides have no protocol version in common, or differ in the network's settings."""


class ProtocolError(BrokenError):
    """The other side sent bytes that are no message of this protocol."""


class RefusedError(BrokenError):
    """The other side understood and said no."""


class NotAllowedError(RefusedError):
    """One side's id is not on the other's allow list: it was expelled, or was never on it."""


class BusyError(RefusedError):
    """The other side, or this one, has too much to do. An operation that waited here until nodes
    had room for it, and had none in time, asked nobody for anything.

    Attributes:
        retry_after_s: in how many seconds another attempt may be worth it; None: not known.
    """

    def __init__(self, message: str = "", *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class StorageFullError(RefusedError):
    """A replica has no room for the record."""


class StorageBrokenError(RefusedError):
    """A replica's disk has failed: it keeps nothing more, and leaves the network."""


class ClockOffsetError(RefusedError):
    """Our clock is wrong by those of so many replicas that the others are too few for a quorum.
    The message names them, and how far the clocks differ."""


class QuorumError(BrokenError):
    """Fewer replicas took part than the operation needs.

    Attributes:
        got: how many did.
        needed: how many the network's settings ask for.
    """

    def __init__(self, message: str, *, got: int, needed: int) -> None:
        super().__init__(message)
        self.got = got
        self.needed = needed
