"""What a node says of itself, and how it is asked.

Theory of operation. A node that is named by its address is met there, one that is named by its id
is looked up; then it gets one `Inspect`. A node of an older version refuses that message, which
is told apart from a node that does not answer.

Rule: reports what the node has said, and nothing that was worked out from it.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from p2pcore.contact import Contact, point_of
from p2pcore.effects import Done, Instant
from p2pcore.errors import (
    BrokenError,
    DeadlineError,
    IncompatibleError,
    P2PError,
    ProtocolError,
    RefusedError,
    UnreachableError,
)
from p2pcore.ids import NodeId
from p2pcore.overlay.bootstrap import Bootstrap
from p2pcore.overlay.dialing import Dial, Dials, named
from p2pcore.overlay.directory import Directory
from p2pcore.overlay.lookup import Lookup
from p2pcore.session.link import Call
from p2pcore.session.links import Links
from p2pcore.session.peers import PeerEstimate, received
from p2pcore.wire.messages import Failed, Inspect, Inspected, Reason, Reply, words_of

__all__ = ["Inspection", "NodeInfo", "Target", "told_by"]

Target = tuple[str | None, NodeId | None]
"""Which node is meant: its address, its id, or both; neither for one that we are linked to."""


class NodeInfo(Struct, frozen=True):
    """What a node has said of itself, at one moment.

    Attributes:
        node_id: its proved id.
        address: `host:port` at which others reach it.
        version: of its p2pcore.
        uptime_s: since it began to serve.
        ready: whether it counts for every key that is its.
        known_nodes: how many other nodes are in its contact table.
        links: its connections that are open and greeted, clients' included.
        stored_records: how many records it keeps, tombstones included.
        stored_bytes: what they are counted as: the values, and 400 bytes for each record.
        capacity_bytes: stores beyond this are refused.
        counters: what it has counted since it was made, by name (see `Counters`); a node of another
            version may have others.
        durability: when it says that it has stored something: "synced" (on disk), "buffered" (the
            system has it) or "memory".
        peers: what it thinks of the nodes that it is linked to, the worst first, 64 at most; empty
            if it was not asked, or is of a version that does not tell.
    """

    node_id: NodeId
    address: str
    version: str
    uptime_s: float
    ready: bool
    known_nodes: int
    links: int
    stored_records: int
    stored_bytes: int
    capacity_bytes: int
    counters: Mapping[str, int]
    durability: str = "memory"
    peers: Sequence[PeerEstimate] = ()


def told_by(contact: Contact, reply: Reply) -> NodeInfo | BrokenError:
    """What this node has said, or why it has not."""
    name = contact.address
    if isinstance(reply, Inspected):
        return NodeInfo(
            node_id=contact.node_id,
            address=name,
            version=reply.software,
            uptime_s=reply.uptime_ms / 1000,
            ready=reply.ready,
            known_nodes=reply.members,
            links=reply.links,
            stored_records=reply.records,
            stored_bytes=reply.record_bytes,
            capacity_bytes=reply.capacity_bytes,
            counters=reply.counters,
            durability=reply.durability,
            peers=tuple(map(received, reply.peers)),
        )
    if not isinstance(reply, Failed):
        return ProtocolError(
            f"{name} answered with {type(reply).__name__} when asked for its state"
        )
    if reply.reason == Reason.UNKNOWN_MESSAGE:
        return IncompatibleError(f"{name} is of an older version, which can't tell its state")
    return RefusedError(f"{name} does not tell its state: {reply.text or words_of(reply.reason)}")


class Inspection(Call):
    """One node that is asked for its state. Its result is a NodeInfo."""

    __slots__ = ("_bootstrap", "_contact", "_directory", "_done", "_links", "_meeting", "over")

    def __init__(
        self,
        links: Links,
        directory: Directory,
        bootstrap: Bootstrap,
        deadline_ns: int,
        done: Done,
    ) -> None:
        super().__init__(links.new_call_id(), deadline_ns)
        self._links = links
        self._directory = directory
        self._bootstrap = bootstrap
        self._done = done
        self._contact: Contact | None = None
        self._meeting: Dial | None = None
        self.over = False

    def start(self, target: Target, dials: Dials, now: Instant) -> None:
        """Find the node that is meant, and ask it."""
        address, node_id = target
        self._links.watch(self, now)
        us = address == self._links.address or node_id == self._links.self_id
        if us and Inspect in self._links.handlers:  # a client has nothing to tell
            self._ask(self._directory.myself(), now)
        elif address is not None:
            self._meeting = dials.meet(address, node_id, self.due_ns, self._met, now)
        else:
            self._bootstrap.ensure(now, lambda error, now: self._linked(error, node_id, now))

    def _linked(self, error: P2PError | None, node_id: NodeId | None, now: Instant) -> None:
        linked = self._links.linked_nodes()
        if self.over:
            return
        if error is not None:
            self._finish(error, now)
        elif node_id is None:
            self._ask(linked[0], now)
        elif found := [contact for contact in linked if contact.node_id == node_id]:
            self._ask(found[0], now)
        else:
            self._look_up(node_id, now)

    def _look_up(self, node_id: NodeId, now: Instant) -> None:
        def finish(lookup: Lookup, now: Instant) -> None:
            if self.over:
                return
            nearest = lookup.closest(1)
            if nearest and nearest[0].node_id == node_id:
                self._ask(nearest[0], now)
            else:
                text = f"the network knows no node {node_id.hex()} that can be reached"
                self._finish(UnreachableError(text), now)

        self._directory.search(point_of(node_id), now, finish)

    def _met(self, result: Contact | P2PError, now: Instant) -> None:
        if isinstance(result, Contact):
            self._ask(result, now)
        else:
            self._finish(result, now)

    def _ask(self, contact: Contact, now: Instant) -> None:
        self._contact = contact
        self._links.ask(self, [contact], Inspect(self.id, peers=True), now)

    def replied(self, node_id: NodeId, reply: Reply, now: Instant) -> None:
        """The node has answered."""
        assert self._contact is not None
        self._finish(told_by(self._contact, reply), now)

    def failed(self, node_id: NodeId, error: P2PError, now: Instant) -> None:
        """The node can't be reached, or its link broke."""
        assert self._contact is not None
        self._finish(named(self._contact.address, error), now)

    def expired(self, now: Instant) -> None:
        """The caller's time is over."""
        who = self._contact.address if self._contact is not None else "the node"
        self._finish(DeadlineError(f"{who} has not told its state in time"), now)

    def _finish(self, result: NodeInfo | P2PError, now: Instant) -> None:
        self.cancel()
        self._done(result, now)

    def cancel(self) -> None:
        """Give up: the caller does not wait for the result."""
        self.over = True
        self._links.enough(self)
        if self._meeting is not None:
            self._meeting.cancel()
