"""Whether others hear a node that is silent here: who is asked, and what is answered.

Theory of operation. An *inquiry* asks a few neighbours at once (`IndirectPing`, with how long there
is to find out). Each pings the node on the link that it has, and says that it has heard it, or at
the end that it has not. One that has no link, has too much to do or does not know the message says
so (`Failed`), which is no evidence. So is silence.

Nobody can be made to do more than was done to ask it: a question of some 45 bytes causes one ping
of ten, on a link that is open already, to a node that is named by its id; nothing is dialled.
Clients are refused, and of each node and of all together a few questions are in flight.

Source: Das et al., "SWIM", DSN 2002, section 3.1 (ping-req).
"""

from collections.abc import Callable

from p2pcore.contact import Contact
from p2pcore.effects import Instant
from p2pcore.errors import P2PError
from p2pcore.ids import NodeId
from p2pcore.session.link import Call, Link
from p2pcore.session.links import Links
from p2pcore.session.manners import for_nodes
from p2pcore.wire.messages import Failed, IndirectPing, IndirectPong, Ping, Reason, Reply

__all__ = ["MAX_FAVOURS", "MAX_FAVOURS_EACH", "Inquiry", "Witness"]

MAX_FAVOURS = 64  # pings for others in flight: three times as many neighbours as there are
MAX_FAVOURS_EACH = 8  # of one node, which has few silent neighbours, unless it is not well itself
LONGEST_NS = 5_000_000_000  # for one; longer than anybody waits before a node is given up

Heard = Callable[[Instant], None]


class Inquiry(Call):
    """The question to some neighbours whether they hear a node."""

    __slots__ = ("_heard", "_links", "_subject", "is_unheard")

    def __init__(self, links: Links, subject: Contact, heard: Heard) -> None:
        super().__init__(links.new_call_id(), 0)
        self._links = links
        self._subject = subject
        self._heard = heard
        self.is_unheard = True
        """No witness has said anything so far."""

    def ask(self, witnesses: list[Contact], left_ns: int, now: Instant) -> None:
        """Ask these, who have so long to find out."""
        self.due_ns = now.mono_ns + 2 * LONGEST_NS  # its owner ends it
        question = IndirectPing(self.id, self._subject.node_id, left_ns // 1_000_000)
        self._links.ask(self, witnesses, question, now)

    def end(self) -> None:
        """Nobody waits for it any more."""
        self._links.enough(self)

    def replied(self, node_id: NodeId, reply: Reply, now: Instant) -> None:
        self.is_unheard = False
        if isinstance(reply, IndirectPong) and reply.heard:
            self._heard(now)

    def failed(self, node_id: NodeId, error: P2PError, now: Instant) -> None:
        """This witness has gone: no evidence."""

    def expired(self, now: Instant) -> None:
        self._links.drop(self)


class _Favour(Call):
    """A ping on behalf of another node."""

    __slots__ = ("_asker", "_question", "_witness", "asked_ns")

    def __init__(
        self, witness: "Witness", asker: Link, question: IndirectPing, now: Instant
    ) -> None:
        wait_ns = min(question.wait_ms * 1_000_000, LONGEST_NS)
        super().__init__(witness.links.new_call_id(), now.mono_ns + wait_ns)
        self._witness = witness
        self._asker = asker
        self._question = question
        self.asked_ns = now.mono_ns

    def replied(self, node_id: NodeId, reply: Reply, now: Instant) -> None:
        self._answer(heard=True)

    def failed(self, node_id: NodeId, error: P2PError, now: Instant) -> None:
        self._end()
        text = "the link to that node broke"
        self._witness.links.reply(self._asker, Failed(self._question.id, Reason.BUSY, text))

    def expired(self, now: Instant) -> None:
        pool = self._witness.links.pool
        self._answer(heard=pool.heard_since(NodeId(self._question.node_id), self.asked_ns))

    def _answer(self, *, heard: bool) -> None:
        self._end()
        self._witness.links.reply(self._asker, IndirectPong(self._question.id, heard))

    def _end(self) -> None:
        self._witness.links.drop(self)
        self._witness.over(self._asker.peer_id)


class Witness:
    """Pings nodes for others; registers its handler with the links."""

    def __init__(self, links: Links) -> None:
        self.links = links
        self._in_flight: dict[NodeId, int] = {}  # by asker
        links.handlers[IndirectPing] = for_nodes(links, self._on_indirect_ping)

    def over(self, asker: NodeId) -> None:
        """One of this node's questions is answered."""
        left = self._in_flight.pop(asker) - 1
        if left:
            self._in_flight[asker] = left

    def _on_indirect_ping(self, link: Link, request: IndirectPing, now: Instant) -> None:
        subject = self.links.pool.by_node.get(NodeId(request.node_id))
        count = self._in_flight.get(link.peer_id, 0)
        if subject is None or subject.contact is None or subject is link:
            self._refuse(link, request, "no link to that node")
        elif count >= MAX_FAVOURS_EACH or sum(self._in_flight.values()) >= MAX_FAVOURS:
            self._refuse(link, request, "too many nodes are pinged for others")
        else:
            self._in_flight[link.peer_id] = count + 1
            favour = _Favour(self, link, request, now)
            self.links.ask(favour, [subject.contact], Ping(favour.id), now)

    def _refuse(self, link: Link, request: IndirectPing, text: str) -> None:
        self.links.reply(link, Failed(request.id, Reason.BUSY, text))
