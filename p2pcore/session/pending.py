"""What was asked and is not answered yet: on a link, or waiting for one.

Rule: finds the call that a reply, a broken link or the time concerns, and tells it; knows neither
what calls mean nor how links come about.
"""

from collections.abc import Iterable

from p2pcore.effects import Instant
from p2pcore.errors import P2PError
from p2pcore.ids import NodeId
from p2pcore.session.link import Call, Counters, Link
from p2pcore.wire.messages import Message, Pong, Reply

__all__ = ["PendingCalls"]


class PendingCalls:
    """The calls of one machine."""

    def __init__(self, counters: Counters) -> None:
        self.calls: dict[int, Call] = {}
        self.slow: dict[NodeId, None] = {}  # did not answer in time, and not since: ask them last
        self.waiting: dict[NodeId, list[tuple[Call, Message]]] = {}  # for a link to be opened
        self._counters = counters

    def on_reply(self, link: Link, message: Reply, now: Instant) -> None:
        """A reply belongs to the pair of peer and call."""
        if self.slow:
            self.slow.pop(link.peer_id, None)
        call = self.calls.get(message.id)
        if call is None or link.peer_id not in call.outstanding:
            self._counters.late_replies += 1
            return
        del call.outstanding[link.peer_id]
        link.used_ns = now.mono_ns
        call.replied(link.peer_id, message, now)

    def on_pong(self, link: Link, message: Pong, now: Instant) -> None:
        """A sign of life is a reply, but no use of the link."""
        used_ns = link.used_ns
        self.on_reply(link, message, now)
        link.used_ns = used_ns

    def expire(self, now: Instant) -> None:
        """Tell the calls that are due."""
        for call in list(self.calls.values()):
            if now.mono_ns >= call.due_ns and call.id in self.calls:
                self._counters.timeouts += 1
                self.slow.update(call.outstanding)
                call.expired(now)

    def fail(self, calls: Iterable[Call], node_id: NodeId, error: P2PError, now: Instant) -> None:
        """This node will not answer these calls, where it was to."""
        for call in calls:
            if call.id in self.calls and node_id in call.outstanding:
                del call.outstanding[node_id]
                call.failed(node_id, error, now)

    def linked(self, node_id: NodeId) -> list[Message]:
        """What has waited for a link to this node, and is still to be asked."""
        return [
            question
            for call, question in self.waiting.pop(node_id, ())
            if call.id in self.calls and node_id in call.outstanding
        ]

    def unreachable(self, node_id: NodeId, error: P2PError, now: Instant) -> None:
        """What has waited for a link to this node will not be asked."""
        self.fail([call for call, _ in self.waiting.pop(node_id, ())], node_id, error, now)
