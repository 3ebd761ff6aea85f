"""What the two sides of a connection are, and why one of them says no.

Rule: numbers on the wire never change their meaning.
"""

import enum

__all__ = ["Reason", "Role", "words_of"]


class Role(enum.IntEnum):
    """What the other side of a connection is."""

    CLIENT = 0
    NODE = 1


class Reason(enum.IntEnum):
    """Why somebody says no (in `Failed`) or leaves (in `Goodbye`)."""

    SHUTDOWN = 0  # leaving on purpose
    INCOMPATIBLE = 1  # no protocol version in common, or other network settings
    MISBEHAVED = 2  # what you sent is no message, or is not allowed now
    TOO_MANY_CONNECTIONS = 3
    IDLE = 4  # the handshake, or half a frame, did not come to its end in time
    BUSY = 5
    STORAGE_FULL = 6
    CLOCK_OFFSET = 7
    UNKNOWN_MESSAGE = 8
    NO_QUORUM = 9
    DEADLINE = 10
    SELF = 11  # you have connected to yourself
    SLOW_READER = 12  # you do not take what you asked for
    SURPLUS = 13  # more links than are kept: I stay, answer what you have asked, and you close
    NOT_ALLOWED = 14  # your id is not on the allow list
    STORAGE_BROKEN = 15  # the disk has failed: I keep nothing more, and leave


def words_of(reason: int) -> str:
    """A reason in words, also one that this version does not know."""
    known = reason in Reason._value2member_map_
    return Reason(reason).name.lower().replace("_", " ") if known else f"reason {reason}"
