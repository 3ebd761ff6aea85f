"""The messages by which a node asks others about one that says nothing.

Rule: as in `messages.py`, to whose messages these belong.
"""

from p2pcore.wire.parts import IdField, Milliseconds, Request, UntimedReply

__all__ = ["IndirectPing", "IndirectPong"]


class IndirectPing(Request, frozen=True, tag=44):
    """Asks a node whether it hears another one, to which it is linked, within `wait_ms`."""

    node_id: IdField
    wait_ms: Milliseconds


class IndirectPong(UntimedReply, frozen=True, tag=45):
    """Answers IndirectPing."""

    heard: bool
