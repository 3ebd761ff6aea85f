"""What was asked and is not answered yet: on a link, or waiting for one.

Rule: finds the call that a reply, a broken link or the time concerns, and tells it; knows neither
what calls mean nor how links come about.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping

from p2pcore.effects import Instant
from p2pcore.errors import P2PError, ProtocolError
from p2pcore.ids import NodeId
from p2pcore.session.answers import objection
from p2pcore.session.in_flight import InFlight
from p2pcore.session.link import SHORT_DELAY, Call, Counters, Link
from p2pcore.session.timeouts import LEAST_NS
from p2pcore.wire.messages import Message, Pong, Reply

__all__ = ["EXPIRED_CALLS", "PendingCalls"]

NOT_ASKED = object()
EXPIRED_CALLS = 32  # in one turn: a node may have thousands, each of which asks anew


class PendingCalls:
    """The calls of one machine.

    Args:
        accuse: ends a link whose peer has done what no honest one does.
        calls: those in flight, by id.
        by_node: the links on which nodes are asked; their owner keeps them.
    """

    def __init__(
        self,
        counters: Counters,
        accuse: Callable[[Link, str, Instant], None],
        calls: dict[int, Call],
        by_node: Mapping[NodeId, Link],
    ) -> None:
        self.calls = calls
        self._accuse = accuse
        self._learn: Callable[[Link, Reply, Instant], None] = _forget_timing
        self.slots = InFlight()
        self._by_node = by_node
        self.slow: dict[NodeId, bool] = {}
        """Who did not answer in time, and not since: to be asked last. False: was not even linked
        for so long."""
        self.unneeded: dict[NodeId, int] = {}
        """How many answers of linked nodes are still to come that nobody needs any more."""
        self.waiting: dict[NodeId, list[tuple[Call, Message]]] = {}  # for a link to be opened
        self._due: deque[Call] = deque()  # their time is over, and this turn's was as well
        self._counters = counters

    def on_reply(self, link: Link, message: Reply, now: Instant) -> None:
        """A reply belongs to the pair of peer and call. One that can't be an answer to what was
        asked fails the call as a broken link does, and ends the link."""
        peer_id, call_id = link.peer_id, message.id
        if self.slow:
            self.slow.pop(peer_id, None)
        if call_id == link.timed_id:
            self._learn(link, message, now)
        units = link.slots.pop(call_id, 0)
        if units:
            link.load -= units
            if message.delay > SHORT_DELAY or link.watched:
                self.slots.freed(link, units, message.delay, now)
        call = self.calls.get(call_id)
        if call is None or call.outstanding.pop(peer_id, NOT_ASKED) is NOT_ASKED:
            self._on_unmatched(peer_id)
            return
        if type(message) not in call.plain_answers:
            problem = objection(call.question, message)
            if problem is not None:
                self._deny(call, link, f"{_names(call.question, message)}: {problem}", now)
                return
        link.used_ns = now.mono_ns
        call.replied(peer_id, message, now)

    def teach(self, learn: Callable[[Link, Reply, Instant], None]) -> None:
        """Tell `learn` of answers that are timed, whether or not anybody waits for them; it clears
        the link's `timed_id`."""
        self._learn = learn

    def keep_slots(self, slots: InFlight) -> None:
        """Tell these of what is in flight, from now on."""
        self.slots = slots

    def _deny(self, call: Call, link: Link, text: str, now: Instant) -> None:
        self._accuse(link, text, now)
        if call.id in self.calls:
            call.failed(link.peer_id, ProtocolError(f"{link.address}: {text}"), now)

    def _on_unmatched(self, peer_id: NodeId) -> None:
        """An answer that nobody waits for. It is no accident if its question has had enough."""
        unneeded = self.unneeded.get(peer_id, 0)
        if unneeded > 1:
            self.unneeded[peer_id] = unneeded - 1
        elif unneeded:
            del self.unneeded[peer_id]
        else:
            self._counters.late_replies += 1

    def enough(self, call: Call) -> None:
        """The call is over in good order: answers that it would still get are not late."""
        if self.calls.pop(call.id, None) is not None and call.outstanding:
            unneeded, slow = self.unneeded, self.slow
            for node_id in call.outstanding:
                if node_id in self._by_node and not (slow and slow.get(node_id)):
                    unneeded[node_id] = unneeded.get(node_id, 0) + 1

    def expect(self, node_ids: Iterable[NodeId]) -> None:
        """One more answer of each of these will come that nobody needs."""
        unneeded = self.unneeded
        for node_id in node_ids:
            unneeded[node_id] = unneeded.get(node_id, 0) + 1

    def on_pong(self, link: Link, message: Pong, now: Instant) -> None:
        """A sign of life is a reply, but no use of the link."""
        used_ns = link.used_ns
        self.on_reply(link, message, now)
        link.used_ns = used_ns

    def expire(self, now: Instant) -> bool:
        """Tell the calls that are due, EXPIRED_CALLS of them; returns whether there are more. It is
        a time-out if somebody was asked for so long, and not if a pause is over, or a link was only
        to be opened."""
        if not self._due:
            self._due.extend(c for c in self.calls.values() if now.mono_ns >= c.due_ns)
        for _ in range(min(EXPIRED_CALLS, len(self._due))):
            call = self._due.popleft()
            if now.mono_ns >= call.due_ns and self.calls.get(call.id) is call:
                asked = {node_id: self._was_asked(node_id, now) for node_id in call.outstanding}
                self._counters.timeouts += any(asked.values())
                self.slow.update(asked)
                call.expired(now)
        return bool(self._due)

    def _was_asked(self, node_id: NodeId, now: Instant) -> bool:
        link = self._by_node.get(node_id)
        return link is not None and now.mono_ns - link.since_ns >= LEAST_NS

    def fail(self, calls: Iterable[Call], node_id: NodeId, error: P2PError, now: Instant) -> None:
        """This node will not answer these calls, where it was to."""
        for call in [call for call in calls if node_id in call.outstanding]:
            if call.id in self.calls and node_id in call.outstanding:
                del call.outstanding[node_id]
                call.failed(node_id, error, now)

    def linked(self, node_id: NodeId) -> list[Message]:
        """What has waited for a link to this node, and is still to be asked, once each."""
        questions = {
            call.id: question
            for call, question in self.waiting.pop(node_id, ())
            if call.id in self.calls and node_id in call.outstanding
        }
        return list(questions.values())

    def unreachable(self, node_id: NodeId, error: P2PError, now: Instant) -> None:
        """What has waited for a link to this node will not be asked."""
        self.fail([call for call, _ in self.waiting.pop(node_id, ())], node_id, error, now)


def _forget_timing(link: Link, reply: Reply, now: Instant) -> None:
    link.timed_id = 0


def _names(question: object, reply: object) -> str:
    return f"{type(reply).__name__} in answer to {type(question).__name__}"
