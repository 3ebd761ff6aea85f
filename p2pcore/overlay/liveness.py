"""Is the other side still there? Links that are silent are asked, and contacts without a link.

A crashed process ends its connections at once, and that is noticed without asking. A machine that
loses power, or a network that swallows packets, ends nothing: such a link looks idle for ever. And
a node that we know, but are not linked to (see `session/pool.py`), ends nothing here either: it is
dialled to ask it, the nearest ones at every look and the others every FAR_NS, and the link stays if
it is worth keeping.

A node asks those nearest to it often, for with them it shares its records; whoever is far away is
found to be gone when it is needed, at the latest.
"""

from collections.abc import Container

from p2pcore.contact import Contact
from p2pcore.effects import Instant
from p2pcore.errors import P2PError
from p2pcore.ids import NodeId
from p2pcore.overlay.table import ContactTable
from p2pcore.session.link import Call
from p2pcore.session.links import Links
from p2pcore.wire.messages import Ping, Reply

__all__ = ["Liveness"]

QUIET_NS = 5_000_000_000  # silence after which a link is asked
PONG_NS = 2_000_000_000  # for one answer; a node may be busy, or pause for its collector
TRIES = 2
LATE_NS = 500_000_000  # when the time is up so long ago, it is this machine that has stood still
MAX_LATE = 10  # looks put off for that; a machine that never keeps up must not watch dead links
FAR_NS = 30_000_000_000  # for nodes far away: as often as a region is looked up again
MAX_DIALS = 32  # of one look: a table of 200 without a single link is through within FAR_NS


class _Probe(Call):
    """A ping, repeated until TRIES went unanswered.

    Anything that came on the link since is an answer: a pong may have to wait behind a lot of data.
    And a machine that was stalled itself asks again: the answers wait in its sockets, and timers
    may come first (Dadgar et al., "Lifeguard: Local Health Awareness for More Accurate Failure
    Detection", 2018).
    """

    __slots__ = ("_asked_ns", "_contact", "_late", "_links", "_probing", "_tries")

    def __init__(self, links: Links, contact: Contact, probing: dict[NodeId, None]) -> None:
        super().__init__(links.new_call_id(), 0)
        self._links = links
        self._contact = contact
        self._probing = probing
        self._tries = self._late = 0
        self._asked_ns = 0

    def ask(self, now: Instant) -> None:
        self._probing[self._contact.node_id] = None
        self._tries += 1
        self._asked_ns = now.mono_ns
        self.due_ns = now.mono_ns + PONG_NS
        self._links.ask(self, [self._contact], Ping(self.id), now)

    def replied(self, node_id: NodeId, reply: Reply, now: Instant) -> None:
        self._end()

    def failed(self, node_id: NodeId, error: P2PError, now: Instant) -> None:
        self._end()

    def expired(self, now: Instant) -> None:
        if self._links.pool.heard_since(self._contact.node_id, self._asked_ns):
            self._end()
            return
        if now.mono_ns - self.due_ns > LATE_NS and self._late < MAX_LATE:
            self._late += 1
            self._tries -= 1
        if self._tries < TRIES:
            self.ask(now)
            return
        self._end()
        self._links.give_up(self._contact.node_id, f"no answer to {TRIES} pings", now)

    def _end(self) -> None:
        self._links.drop(self)
        self._probing.pop(self._contact.node_id, None)


class Liveness:
    """Asks nodes for signs of life.

    Args:
        known: the contacts that are asked though they are not linked; None for a client, which
            finds out when it needs them.
    """

    def __init__(self, links: Links, known: ContactTable | None = None) -> None:
        self._links = links
        self._known = known
        self._due_ns: dict[NodeId, int] = {}  # when far contacts without a link are asked
        self._probing: dict[NodeId, None] = {}
        self.wake_at_ns: int | None = None  # when `handle_timer` has work, in monotonic ns

    def probe(self, contact: Contact, now: Instant) -> None:
        """Ask this one now; a link that does not answer is given up."""
        if contact.node_id not in self._probing:
            _Probe(self._links, contact, self._probing).ask(now)

    def check(self, contact: Contact, now: Instant) -> None:
        """The place of this one is wanted: ask it, unless it has said something just now. While
        many join, its place is wanted many times a second."""
        if not self._links.pool.heard_since(contact.node_id, now.mono_ns - QUIET_NS):
            self.probe(contact, now)

    def on_link(self, now: Instant) -> None:
        """There is something to watch."""
        if self.wake_at_ns is None:
            self.wake_at_ns = now.mono_ns + QUIET_NS

    def handle_timer(self, now: Instant) -> None:
        """Ask the nodes whose links have been silent."""
        if self.wake_at_ns is None or now.mono_ns < self.wake_at_ns:
            return
        near = self._links.pool.favoured()
        for link in list(self._links.by_id.values()):
            quiet_ns = now.mono_ns - link.heard_ns
            if quiet_ns < QUIET_NS or link.contact is None or link.retiring:
                continue
            if self._known is None or link.peer_id in near or quiet_ns >= FAR_NS:
                self.probe(link.contact, now)
        if self._known is not None:
            self._ask_unlinked(self._known, near, now)
        anybody = self._links.by_id or (self._known is not None and self._known.size)
        self.wake_at_ns = now.mono_ns + QUIET_NS if anybody else None

    def _ask_unlinked(self, known: ContactTable, near: Container[NodeId], now: Instant) -> None:
        is_linked = self._links.is_linked
        unlinked = [c for c in known.contacts() if not is_linked(c.node_id)]
        due_ns: dict[NodeId, int] = {}
        dials = 0
        for contact in unlinked:
            at_ns = self._due_ns.get(contact.node_id, now.mono_ns + FAR_NS)
            if dials < MAX_DIALS and (contact.node_id in near or now.mono_ns >= at_ns):
                dials += 1
                self.probe(contact, now)
            else:
                due_ns[contact.node_id] = at_ns
        self._due_ns = due_ns
