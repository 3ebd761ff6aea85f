"""Where the time of one operation goes: what the client sees, and what nodes tell.

Theory of operation. The requests of an operation that is traced go out between two marks each. A
node notes its clock when the turn of the first one comes; the second it answers with that, with its
clock of now, and with when it read the mark. A connection keeps the order, so the request was
served between the two turns. Operations that are not traced have no part in it, and a node of a
version that knows no marks refuses them and serves the request as ever.

Only what an operation asks at first is marked, not what it asks again or by way of a coordinator.

Rule: collects readings; what they mean is for whoever reads them.
"""

from collections.abc import Callable

from msgspec import Struct

from p2pcore.effects import Effect, Instant, Send
from p2pcore.errors import P2PError, UsageError
from p2pcore.ids import NodeId
from p2pcore.session.link import Call
from p2pcore.session.links import Links
from p2pcore.session.peers import PeerEstimate
from p2pcore.wire.messages import Fetch, Mark, Marked, Reply, Store

__all__ = ["Trace", "TracedReply"]

NEVER_NS = 1 << 63  # marks have no deadline of their own


class TracedReply(Struct, frozen=True):
    """A node's reply to the request of a traced operation.

    Attributes:
        node_id: whose it is.
        address: at which the node is reached.
        replied_ns: when it was read here, on this process' monotonic clock.
        read_ns: when the node read the request, on its own monotonic clock.
        turn_ns: when the request's turn came, on the same clock.
        done_ns: when it was served, on the same clock.
        final: whether the operation was over with it.
    """

    node_id: NodeId
    address: str
    replied_ns: int
    read_ns: int
    turn_ns: int
    done_ns: int
    final: bool


class Trace:
    """Follows one operation: make a new one and pass it to `store`, `retrieve` or `delete`.

    Attributes:
        written_ns: when the requests had been given to the sockets, on this process' monotonic
            clock (`time.monotonic_ns`); None if there were none yet.
        replies: those that came until the operation was over, in the order in which they came;
            without those of nodes that know no marks, and without the last one if its marks came
            in a later piece of the stream than itself.
        peers: what was thought, when the operation began, of the nodes that are linked: who was an
            outlier, late or suspect was asked last.
    """

    __slots__ = ("_in_flight", "_links", "_marks", "peers", "replies", "written_ns")

    def __init__(self) -> None:
        self.written_ns: int | None = None
        self.replies: list[TracedReply] = []
        self.peers: list[PeerEstimate] = []
        self._links: Links | None = None
        self._in_flight: Callable[[], bool] = bool
        self._marks: list[Call] = []

    def follow(self, links: Links, effects: list[Effect], in_flight: Callable[[], bool]) -> None:
        """Put marks around the requests in these effects, which are those of one operation.

        Raises:
            UsageError: this trace has followed an operation already.
        """
        if self._links is not None:
            raise UsageError("a trace follows one operation; make a new one")
        self._links, self._in_flight = links, in_flight
        asked = effects[:]
        effects.clear()
        for effect in asked:
            if isinstance(effect, Send) and isinstance(effect.message, Store | Fetch):
                effects += (Send(effect.links, Mark()), effect, self._mark(links, effect))
            else:
                effects.append(effect)

    def close(self) -> None:
        """The operation is over."""
        if self._links is not None:
            for mark in self._marks:
                self._links.drop(mark)

    def _mark(self, links: Links, request: Send) -> Send:
        call = _MarkCall(links.new_call_id(), self._told)
        for link in request.links:
            call.outstanding[links.by_id[link].peer_id] = None
        links.calls[call.id] = call
        self._marks.append(call)
        call.question = mark = Mark(call.id)
        return Send(request.links, mark)

    def _told(self, node_id: NodeId, marked: Marked, now: Instant) -> None:
        """The reply itself came just before this."""
        if self._links is None or (self.replies and self.replies[-1].final):
            return
        link = self._links.pool.by_node.get(node_id)
        contact = link.contact if link is not None else None
        self.replies.append(
            TracedReply(
                node_id=node_id,
                address=contact.address if contact is not None else "",
                replied_ns=now.mono_ns,
                read_ns=marked.read_ns,
                turn_ns=max(marked.turn_ns, marked.read_ns),  # what is large takes several reads
                done_ns=marked.done_ns,
                final=not self._in_flight(),
            )
        )


class _MarkCall(Call):
    """The question to nodes what they have noted. Nobody waits for the answers."""

    __slots__ = ("_told",)

    def __init__(self, call_id: int, told: Callable[[NodeId, Marked, Instant], None]) -> None:
        super().__init__(call_id, NEVER_NS)
        self._told = told

    def replied(self, node_id: NodeId, reply: Reply, now: Instant) -> None:
        if isinstance(reply, Marked):
            self._told(node_id, reply, now)

    def failed(self, node_id: NodeId, error: P2PError, now: Instant) -> None:
        pass

    def expired(self, now: Instant) -> None:
        pass
