"""The first frame of each side: are we able to talk, and what will we talk? And the last one: why.

Rule: pure functions of these frames.
"""

from p2pcore.errors import BusyError, IncompatibleError, P2PError, RefusedError, UnreachableError
from p2pcore.wire.limits import PROTOCOL_MAX, PROTOCOL_MIN
from p2pcore.wire.messages import Goodbye, Ready, Reason, Role, Settings, words_of

__all__ = ["farewell", "greeting", "objection"]

_FAREWELLS: dict[int, type[P2PError]] = {
    Reason.INCOMPATIBLE: IncompatibleError,
    Reason.TOO_MANY_CONNECTIONS: BusyError,
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


def farewell(theirs: Goodbye, address: str) -> P2PError:
    """What whoever waited for an answer of this peer is told."""
    kind = _FAREWELLS.get(theirs.reason, RefusedError)
    return kind(f"{address} said goodbye: {theirs.text or words_of(theirs.reason)}")


def _words(settings: Settings) -> str:
    return f"N={settings.replicas} W={settings.writes} R={settings.reads}"
