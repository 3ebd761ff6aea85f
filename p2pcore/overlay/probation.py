"""Who was silent has to prove that it is well before it is a member again.

Theory of operation. A node whose packets are mostly lost is found silent, comes back with the first
packets that get through, and is silent again: every turn is two changes of the membership for all
its neighbours. So who was given up for being silent, or was lost twice within MEMORY_NS, is no
member as soon as it greets. First it has to answer PROOF pings in a row, each as quickly as the
quickest of them: not after twice that and 0.1 s. One that is well does so in half a second.

Until then it is not given records to compare (`guarded`): who hands over to a newcomer must have it
in its table, or would go on to acknowledge what the newcomer does not get (`ownership.py`).

Source: the idea of route flap damping, RFC 2439; what ends the penalty is proof, not time.

Rule: says when a node is a member again; changes no table.
"""

from collections.abc import Callable
from typing import Any

from p2pcore.contact import Contact
from p2pcore.effects import Instant
from p2pcore.errors import P2PError
from p2pcore.ids import NodeId
from p2pcore.session.link import Call, Link
from p2pcore.session.links import Links
from p2pcore.session.round_trip import LEAST_ANSWER_NS, LONGEST_ANSWER_NS
from p2pcore.wire.messages import Failed, Ping, Reason, Reply

__all__ = ["MEMORY_NS", "PROOF", "Probation"]

MEMORY_NS = 600_000_000_000  # so long a loss is remembered
MAX_REMEMBERED = 64  # nodes: as many as are looked for
PROOF = 5  # where 80 % are lost, one row in three thousand; where 5 %, one in three
STEP_NS = 100_000_000  # between these pings
MAX_SILENT = 3  # pings without an answer, and the link is given up: TCP may be far behind on it
AGAIN_NS = 1_000_000_000  # from a failure to the next row

Handler = Callable[[Link, Any, Instant], None]
Proven = Callable[[Contact, Instant], None]


class _Proof(Call):
    """A row of pings to one node, on one link; on another, where there is one, it begins anew."""

    __slots__ = (
        "_answered",
        "_asked_ns",
        "_asking",
        "_contact",
        "_fastest_ns",
        "_probation",
        "_silent",
    )

    def __init__(self, probation: "Probation", contact: Contact) -> None:
        super().__init__(probation.links.new_call_id(), 0)
        self._probation = probation
        self._contact = contact
        self._answered = self._silent = 0
        self._asking = False
        self._asked_ns = 0
        self._fastest_ns = LONGEST_ANSWER_NS  # answer so far

    def ask(self, now: Instant) -> None:
        self._asking = True
        self._asked_ns = now.mono_ns
        self.due_ns = now.mono_ns + LONGEST_ANSWER_NS
        self._probation.links.ask(self, [self._contact], Ping(self.id), now)

    def replied(self, node_id: NodeId, reply: Reply, now: Instant) -> None:
        took_ns = now.mono_ns - self._asked_ns
        self._fastest_ns = min(self._fastest_ns, took_ns)
        prompt = self._asking and took_ns <= 2 * self._fastest_ns + LEAST_ANSWER_NS
        self._answered = self._answered + 1 if prompt else 0
        if self._answered >= PROOF:
            self._probation.passed(self._contact, now)
        else:
            self._pause(STEP_NS if prompt else AGAIN_NS, now)

    def failed(self, node_id: NodeId, error: P2PError, now: Instant) -> None:
        if self._probation.links.is_linked(node_id):  # by another one, which has greeted already
            self._answered = self._silent = 0
            self._pause(STEP_NS, now)
        else:
            self._probation.end(node_id)

    def expired(self, now: Instant) -> None:
        if self._asking:
            self._answered = 0
            self._silent += 1
            self._pause(AGAIN_NS, now)
            if self._silent >= MAX_SILENT:
                self._probation.links.give_up(self._contact.node_id, "no answer to pings", now)
        elif self._probation.links.is_linked(self._contact.node_id):
            self.ask(now)
        else:
            self._probation.end(self._contact.node_id)

    def _pause(self, pause_ns: int, now: Instant) -> None:
        self._asking = False
        self.due_ns = now.mono_ns + pause_ns
        self._probation.links.watch(self, now)


class Probation:
    """The nodes that one node has lost.

    Args:
        proven: called when one has proved that it is well.
    """

    def __init__(self, links: Links, proven: Proven) -> None:
        self.links = links
        self._proven = proven
        self._lost_ns: dict[NodeId, int] = {}  # when each was lost; longest ago first
        self._wary: dict[NodeId, None] = {}  # who has to prove itself
        self._proofs: dict[NodeId, _Proof] = {}

    def lost(self, node_id: NodeId, now: Instant, *, silent: bool) -> None:
        """This one is no member any more, and did not say goodbye."""
        before_ns = self._lost_ns.pop(node_id, None)
        if silent or (before_ns is not None and now.mono_ns - before_ns < MEMORY_NS):
            self._wary[node_id] = None
        else:
            self._wary.pop(node_id, None)
        self._lost_ns[node_id] = now.mono_ns
        if len(self._lost_ns) > MAX_REMEMBERED:
            oldest = next(iter(self._lost_ns))
            del self._lost_ns[oldest]
            self._wary.pop(oldest, None)

    def admits(self, contact: Contact, now: Instant) -> bool:
        """It has greeted us. Returns whether it is a member at once; if not, it is asked to prove
        that it is well."""
        node_id = contact.node_id
        if node_id not in self._wary or now.mono_ns - self._lost_ns[node_id] >= MEMORY_NS:
            return True
        if node_id not in self._proofs:
            proof = self._proofs[node_id] = _Proof(self, contact)
            proof.ask(now)
        return False

    def guarded(self, handler: Handler) -> Handler:
        """A handler of what only members are answered."""

        def handle(link: Link, request: Any, now: Instant) -> None:
            if link.peer_id in self._proofs:
                text = "you were silent: answer some pings first"
                self.links.reply(link, Failed(request.id, Reason.BUSY, text))
            else:
                handler(link, request, now)

        return handle

    def passed(self, contact: Contact, now: Instant) -> None:
        """It has answered them all."""
        self.end(contact.node_id)
        self._proven(contact, now)

    def end(self, node_id: NodeId) -> None:
        """This proof is over, in whichever way."""
        proof = self._proofs.pop(node_id, None)
        if proof is not None:
            self.links.drop(proof)
