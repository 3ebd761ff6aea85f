"""The first frame of each side: are we able to talk, and what will we talk? And the last one: why.

Rule: pure functions of these frames.
"""

from p2pcore.errors import (
    BrokenError,
    BusyError,
    IncompatibleError,
    NotAllowedError,
    P2PError,
    RefusedError,
    UnreachableError,
)
from p2pcore.session.link import Link
from p2pcore.wire.limits import PROTOCOL_MAX, PROTOCOL_MIN
from p2pcore.wire.messages import (
    Failed,
    Goodbye,
    Ready,
    Reason,
    Role,
    Settings,
    Unknown,
    words_of,
)

__all__ = ["error_of", "farewell", "greeting", "objection", "refusal", "unexplained", "unknown"]

_REFUSALS: dict[int, type[P2PError]] = {
    Reason.INCOMPATIBLE: IncompatibleError,
    Reason.NOT_ALLOWED: NotAllowedError,
}
_FAREWELLS: dict[int, type[P2PError]] = {
    Reason.INCOMPATIBLE: IncompatibleError,
    Reason.TOO_MANY_CONNECTIONS: BusyError,
    Reason.NOT_ALLOWED: NotAllowedError,
    Reason.SHUTDOWN: UnreachableError,
}


def greeting(role: Role, address: str, settings: Settings | None) -> Ready:
    """What we say first."""
    return Ready(PROTOCOL_MIN, PROTOCOL_MAX, role, address, settings)


def objection(ours: Ready, theirs: Ready) -> str | None:
    """Why the two can't talk, in words for both operators; None if they can.

    The version spoken is the highest that both know. N, W and R are one setting per network:
    nodes that differ in it would count quorums differently.
    """
    spoken = min(ours.max_version, theirs.max_version)
    if spoken < max(ours.min_version, theirs.min_version):
        return (
            f"no protocol version in common: {ours.min_version} to {ours.max_version} here, "
            f"{theirs.min_version} to {theirs.max_version} there"
        )
    if theirs.role is Role.NODE:
        if not theirs.address:
            return "a node must say where it listens"
        if theirs.settings is None:
            return "a node must state the network's replication settings"
        if ours.settings is not None and ours.settings != theirs.settings:
            return (
                f"replication settings differ: {_words(ours.settings)} here, "
                f"{_words(theirs.settings)} there"
            )
    return None


def refusal(link: Link, ours: Ready, theirs: Ready) -> tuple[Reason, str] | None:
    """Why this greeting ends the link; None if it does not."""
    if link.role is not None:
        return Reason.MISBEHAVED, "a second Ready"
    text = objection(ours, theirs)
    if text is not None:
        return Reason.INCOMPATIBLE, text
    if not link.incoming and theirs.role is not Role.NODE:
        return Reason.MISBEHAVED, "a client answers where a node should"
    return None


def farewell(theirs: Goodbye, address: str) -> P2PError:
    """What whoever waited for an answer of this peer is told."""
    kind = _FAREWELLS.get(theirs.reason, RefusedError)
    return kind(f"{address} said goodbye: {theirs.text or words_of(theirs.reason)}")


def unexplained(address: str) -> P2PError:
    """What whoever dialled is told where the end came before the greeting, and TLS did not say that
    we are refused: that is not for good."""
    text = "it may be full, overloaded or stopping"
    return UnreachableError(f"{address} ended the connection before its greeting: {text}")


def error_of(reason: Reason, text: str) -> P2PError:
    """What whoever dialled is told where we turn the other side away."""
    return _REFUSALS.get(reason, BrokenError)(text)


def _words(settings: Settings) -> str:
    return f"N={settings.replicas} W={settings.writes} R={settings.reads}"


def unknown(request: Unknown) -> Failed:
    """What a request of a later version is answered."""
    text = f"this version knows no message with tag {request.tag}"
    return Failed(request.id, Reason.UNKNOWN_MESSAGE, text)
