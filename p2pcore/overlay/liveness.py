"""Is the other side still there? Links that are silent are asked, and contacts without a link.

A crashed process ends its connections at once, and that is noticed without asking. A machine that
loses power, or a network that swallows packets, ends nothing: such a link looks idle for ever. So
the nearest nodes, with which records are shared, are asked after `probe_after_s` of silence, others
after FAR_NS, by a client after QUIET_NS; a node is looked for in any case when it is needed.

Theory of operation. One question, a *probe*, goes through these stages:

- asked: a ping. Whatever comes on the link since is an answer.
- suspect, when the answer takes longer than answers of this peer do (SRTT + 4 * RTTVAR, as TCP
  waits for a segment): it is asked again, and `witnesses` neighbours are asked to ask it too. It is
  asked last by reads meanwhile. A witness that hears it ends the probe: one bad path is no death.
  After MAX_VOUCHED such probes in a row the link alone is given up, and dialled anew; if nothing
  comes of that for 5 s, the node cannot be reached from here, and is forgotten here.
- silent, `give_up_after_s` later: it is given up (`on_silent`), and its link closed.

The time from the first ping to the verdict is what a pause may take without being a loss. It is
longer for a node that is not well itself (`health.py`): one whose timers come late, or that no
witness answers. A witness that says that it cannot ask is no evidence of anything.

A contact without a link (see `session/pool.py`) ends nothing here: it is dialled to ask it, the
nearest ones every QUIET_NS and the others every FAR_NS, and the link stays if it is worth keeping.

Source: Das et al., "SWIM: Scalable Weakly-consistent Infection-style Process Group Membership",
DSN 2002 (indirect probes); Dadgar et al., "Lifeguard", 2018 (local health); RFC 6298, section 2.
What differs, and why: decision 0022.
"""

from collections.abc import Callable, Container

from p2pcore.contact import Contact
from p2pcore.effects import Instant
from p2pcore.errors import P2PError
from p2pcore.ids import NodeId
from p2pcore.overlay.health import LATE_NS, Health
from p2pcore.overlay.table import ContactTable
from p2pcore.overlay.witnesses import Inquiry
from p2pcore.session.link import Call, Link
from p2pcore.session.links import Links
from p2pcore.session.round_trip import FIRST_ANSWER_NS, RoundTrip
from p2pcore.wire.messages import Ping, Reply

__all__ = ["GIVE_UP_NS", "Liveness"]

PROBE_NS = 800_000_000  # silence of a near node after which it is asked, by default
GIVE_UP_NS = (
    2_200_000_000  # from the first ping: pauses of 2 s are no losses, nor is a lost segment
)
WITNESSES = 2  # neighbours that are asked; three and more find hardly more (decision 0022)
QUIET_NS = 5_000_000_000  # silence after which others are asked, or dialled
FAR_NS = 30_000_000_000  # for nodes far away: as often as a region is looked up again
LOOK_NS = 100_000_000  # between looks at all links, at least
BACK_NS = 150_000_000  # for a witness's answer: a sweep and its way
AGAIN_NS = 500_000_000  # between looks at one that would be given up, were we well
MAX_LATE = 10  # stages put off for our own lateness; who never keeps up must not watch dead links
MAX_VOUCHED = 3  # probes in a row that only witnesses ended: the link is no good
MAX_DIALS = 32  # of one look: a table of 200 without a single link is through within FAR_NS
NEVER_NS = 1 << 62  # the stages have their own timer
NEVER = (0, 0)

Verdict = Callable[[Contact, Instant], None]


class _Probe(Call):
    """One peer is asked for a sign of life, from the first ping to the verdict."""

    __slots__ = ("_liveness", "asked_ns", "contact", "inquiry", "late", "suspect", "turn_ns")

    def __init__(self, liveness: "Liveness", contact: Contact) -> None:
        super().__init__(liveness.links.new_call_id(), NEVER_NS)
        self._liveness = liveness
        self.contact = contact
        self.inquiry: Inquiry | None = None
        self.asked_ns = self.turn_ns = 0  # when it was asked first; when the next stage is due
        self.late = 0
        self.suspect = False

    def replied(self, node_id: NodeId, reply: Reply, now: Instant) -> None:
        link = self._liveness.links.pool.by_node.get(node_id)
        if link is not None:
            _learn(link, now.mono_ns - max(self.asked_ns, link.since_ns))
        self._liveness.heard(self)

    def failed(self, node_id: NodeId, error: P2PError, now: Instant) -> None:
        self._liveness.heard(self)  # it is asked no more, and nothing is known of its next link

    def expired(self, now: Instant) -> None:
        """Never: see `Liveness.handle_timer`."""


class Liveness:
    """Asks nodes for signs of life.

    Args:
        known: the contacts that are asked though they are not linked; None for a client, which
            finds out when it needs them.
        probe_after_ns: silence after which a near node is asked.
        give_up_after_ns: how long an asked node may be silent.
        witnesses: how many neighbours are asked to ask a silent node too; a client asks none.
    """

    def __init__(
        self,
        links: Links,
        known: ContactTable | None = None,
        *,
        probe_after_ns: int = PROBE_NS,
        give_up_after_ns: int = GIVE_UP_NS,
        witnesses: int = WITNESSES,
    ) -> None:
        self.links = links
        self.health = Health()
        self.on_silent: Verdict = _ignore
        """Called with a linked contact that is taken for gone, before its link is closed."""
        self._known = known
        self._probe_after_ns = probe_after_ns
        self._give_up_after_ns = give_up_after_ns
        self._witnesses = witnesses if known is not None else 0
        self._due_ns: dict[NodeId, int] = {}  # when far contacts without a link are asked
        self._dial_ns = 0  # when those without a link are looked at
        self._probes: dict[NodeId, _Probe] = {}
        self._vouched: dict[NodeId, tuple[int, int]] = {}
        """Probes in a row that only a witness has ended, and when to ask again."""
        self.wake_at_ns: int | None = None  # when `handle_timer` has work, in monotonic ns

    @property
    def suspects(self) -> list[NodeId]:
        """Who has not answered in its time, and is not given up yet."""
        return [node_id for node_id, probe in self._probes.items() if probe.suspect]

    def probe(self, contact: Contact, now: Instant) -> None:
        """Ask this one now; a link that does not answer is given up."""
        if contact.node_id in self._probes:
            return
        probe = self._probes[contact.node_id] = _Probe(self, contact)
        probe.asked_ns = now.mono_ns
        link = self.links.pool.by_node.get(contact.node_id)
        probe.turn_ns = now.mono_ns + self.health.stretched(answer_ns(link), now)
        self.links.ask(probe, [contact], Ping(probe.id), now)
        self._wake_by(probe.turn_ns)

    def check(self, contact: Contact, now: Instant) -> None:
        """The place of this one is wanted: ask it, unless it has said something just now. While
        many join, its place is wanted many times a second."""
        if not self.links.pool.heard_since(contact.node_id, now.mono_ns - QUIET_NS):
            self.probe(contact, now)

    def on_link(self, now: Instant) -> None:
        """There is something to watch."""
        self._wake_by(now.mono_ns + self._patience_ns)

    @property
    def _patience_ns(self) -> int:
        return QUIET_NS if self._known is None else min(QUIET_NS, self._probe_after_ns)

    def _wake_by(self, due_ns: int) -> None:
        if self.wake_at_ns is None or due_ns < self.wake_at_ns:
            self.wake_at_ns = due_ns

    def handle_timer(self, now: Instant) -> None:
        """Take the probes on whose time has come, and ask the nodes whose links are silent."""
        if self.wake_at_ns is None or now.mono_ns < self.wake_at_ns:
            return
        self.health.woken(self.wake_at_ns, now)
        self.wake_at_ns = None
        for probe in list(self._probes.values()):
            if now.mono_ns >= probe.turn_ns and self._probes.get(probe.contact.node_id) is probe:
                self._take_on(probe, now)
        self._look(now)
        for probe in self._probes.values():
            self._wake_by(probe.turn_ns)

    # The stages of a probe

    def _take_on(self, probe: _Probe, now: Instant) -> None:
        """Nothing has ended it so far."""
        node_id = probe.contact.node_id
        link = self.links.pool.by_node.get(node_id)
        late_ns = now.mono_ns - probe.turn_ns
        if link is None:
            probe.turn_ns = now.mono_ns + QUIET_NS  # its dial fails, or leads to it
        elif link.heard_ns > probe.asked_ns:
            self.heard(probe)
        elif late_ns > LATE_NS and probe.late < MAX_LATE:
            probe.late += 1  # the answer may wait in our sockets
            probe.turn_ns = now.mono_ns + answer_ns(link)
            probe.asked_ns += late_ns
        elif not probe.suspect:
            self._suspect(probe, link, now)
        else:
            self._judge(probe, link, now)

    def _suspect(self, probe: _Probe, link: Link, now: Instant) -> None:
        probe.suspect = True
        link.late_ns = now.mono_ns
        self.links.slow[probe.contact.node_id] = True
        self.links.counters.suspicions += 1
        self.links.ask(probe, [probe.contact], Ping(probe.id), now)
        probe.inquiry = Inquiry(self.links, probe.contact, lambda now: self._vouch(probe, now))
        wait_ns = self._give_up_after_ns + answer_ns(link)
        probe.turn_ns = max(now.mono_ns + answer_ns(link), probe.asked_ns + wait_ns)
        if self._witnesses:
            left_ns = max(0, probe.turn_ns - now.mono_ns - BACK_NS)
            probe.inquiry.ask(self._choose(), left_ns, now)

    def _choose(self) -> list[Contact]:
        """The neighbours that have spoken last: those that are gone as well have not."""
        links = [
            link
            for node_id, link in self.links.pool.by_node.items()
            if link.contact is not None and node_id not in self._probes
        ]
        links.sort(key=lambda link: link.heard_ns, reverse=True)
        return [link.contact for link in links[: self._witnesses] if link.contact is not None]

    def _judge(self, probe: _Probe, link: Link, now: Instant) -> None:
        """It has had its time. If no witness says anything, it may be us."""
        inquiry = probe.inquiry
        others = len(self.links.pool.by_node) > 1
        if self._witnesses and others and inquiry is not None and inquiry.is_unheard:
            inquiry.is_unheard = False
            self.health.unheard(now)
        wait_ns = self._give_up_after_ns + answer_ns(link)
        due_ns = probe.asked_ns + self.health.stretched(wait_ns, now)
        if now.mono_ns < due_ns:
            probe.turn_ns = min(due_ns, now.mono_ns + AGAIN_NS)
            return
        self.end(probe)
        self.on_silent(probe.contact, now)
        self.links.give_up(probe.contact.node_id, "no answer to pings", now)

    def heard(self, probe: _Probe) -> None:
        """It has said something, or its link has ended: so much for that."""
        self.end(probe)
        self._vouched.pop(probe.contact.node_id, None)

    def _vouch(self, probe: _Probe, now: Instant) -> None:
        """A witness has heard it: it is our path that is bad."""
        node_id = probe.contact.node_id
        self.links.counters.vouched += 1
        self.end(probe)
        vouched = self._vouched.pop(node_id, NEVER)[0] + 1
        if vouched < MAX_VOUCHED:
            self._vouched[node_id] = vouched, now.mono_ns + self._probe_after_ns
        else:
            self.links.give_up(node_id, "silent here, though others hear it", now)

    def end(self, probe: _Probe) -> None:
        """There is nothing more to find out."""
        self.links.drop(probe)
        if probe.inquiry is not None:
            probe.inquiry.end()
        if self._probes.get(probe.contact.node_id) is probe:
            del self._probes[probe.contact.node_id]

    # Whom to ask

    def _look(self, now: Instant) -> None:
        near = self.links.pool.favoured()
        next_ns = now.mono_ns + QUIET_NS
        for link in list(self.links.pool.by_node.values()):
            due_ns = link.heard_ns + self._limit_ns(link, near)
            if link.peer_id in self._vouched:
                due_ns = max(due_ns, self._vouched[link.peer_id][1])
            if due_ns > now.mono_ns:
                next_ns = min(next_ns, due_ns)
            elif link.contact is not None:
                self.probe(link.contact, now)
        if self._known is not None:
            if now.mono_ns >= self._dial_ns:
                self._dial_ns = now.mono_ns + QUIET_NS
                self._ask_unlinked(self._known, near, now)
            next_ns = min(next_ns, self._dial_ns)
        if self.links.by_id or (self._known is not None and self._known.size):
            self._wake_by(max(next_ns, now.mono_ns + LOOK_NS))

    def _limit_ns(self, link: Link, near: Container[NodeId]) -> int:
        """How long this link may be silent."""
        if self._known is None:
            return QUIET_NS
        return self._probe_after_ns if link.peer_id in near else FAR_NS

    def _ask_unlinked(self, known: ContactTable, near: Container[NodeId], now: Instant) -> None:
        is_linked = self.links.is_linked
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


def answer_ns(link: Link | None) -> int:
    """How long an answer to a ping may take on this link."""
    trip = link.round_trip if link is not None else None
    return trip.limit_ns if trip is not None else FIRST_ANSWER_NS


def _learn(link: Link, took_ns: int) -> None:
    if link.round_trip is None:
        link.round_trip = RoundTrip(took_ns)
    else:
        link.round_trip.add(took_ns)


def _ignore(contact: Contact, now: Instant) -> None:
    """Stands for a hook that is not set."""
