"""What a node asks itself: answered within the call, or when the answer is true on disk.

Rule: a node is a replica like any other; what it asks itself goes to the same handlers.
"""

from collections.abc import Callable, Mapping
from typing import Any

from p2pcore.effects import Instant, LinkId
from p2pcore.ids import NodeId
from p2pcore.session.link import Call, Link
from p2pcore.wire.messages import Message, Reply

__all__ = ["OwnCalls"]


class OwnCalls:
    """The calls of a machine to itself.

    Args:
        calls: those in flight, by id.
        handlers: what answers, by message.
    """

    def __init__(
        self,
        self_id: NodeId,
        calls: Mapping[int, Call],
        handlers: Mapping[type, Callable[[Link, Any, Instant], None]],
    ) -> None:
        self.link = Link(LinkId(0), self_id, "", incoming=False)
        """Stands for the link to ourselves, in what handlers are given."""
        self.reply: Reply | None = None
        """What a handler has answered just now."""
        self._id = self_id
        self._calls = calls
        self._handlers = handlers

    def ask(self, call: Call, message: Message, now: Instant) -> None:
        """Put the question of this call, in which we are outstanding."""
        self.tell(message, now)
        reply, self.reply = self.reply, None
        if reply is not None:
            self._answer(call, reply, now)

    def tell(self, message: Message, now: Instant) -> None:
        """Let the handler have it."""
        self._handlers[type(message)](self.link, message, now)

    def settle(self, now: Instant) -> None:
        """A handler was called in another turn than the question: what it answers is late."""
        reply, self.reply = self.reply, None
        if reply is not None:
            self.answer_late(reply, now)

    def answer_late(self, reply: Reply, now: Instant) -> None:
        """The answer to an earlier question. Nobody may wait for it any more."""
        call = self._calls.get(reply.id)
        if call is not None and self._id in call.outstanding:
            self._answer(call, reply, now)

    def _answer(self, call: Call, reply: Reply, now: Instant) -> None:
        del call.outstanding[self._id]
        call.replied(self._id, reply, now)
