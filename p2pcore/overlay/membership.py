"""How a node gets into the overlay, stays in it, and notices who has left.

Theory of operation. Joining is a lookup of one's own id through any member: every node that answers
is connected to and so learns of the newcomer (Kademlia, section 2.3). In networks larger than a
bucket, the ranges farther away are filled in the background: one narrow lookup in each finds nodes
of that range, and those that are missing are met. A node whose link
breaks is dialled again at once; if nobody answers there, it is gone. One that is found silent
(`liveness.py`) is gone without that, together with others that are (`losses.py`), and has to prove
itself when it comes back (`probation.py`). A node that says goodbye is
gone without asking, unless it only gives up the link (`session/pool.py`). Whoever is alone tries
its bootstrap addresses again, and those who went without a goodbye are looked for (see `lost.py`).
"""

from collections.abc import Callable
from random import Random

from p2pcore.contact import Contact
from p2pcore.effects import Instant
from p2pcore.errors import (
    AuthenticationError,
    BusyError,
    IncompatibleError,
    NotAllowedError,
    P2PError,
    UnreachableError,
)
from p2pcore.ids import ID_BITS, NodeId, shared_prefix_bits
from p2pcore.overlay.bootstrap import Bootstrap
from p2pcore.overlay.directory import Directory
from p2pcore.overlay.liveness import Liveness
from p2pcore.overlay.lookup import Lookup
from p2pcore.overlay.losses import Losses
from p2pcore.overlay.lost import LostContacts
from p2pcore.overlay.probation import Probation
from p2pcore.overlay.table import BUCKET_SIZE, ContactTable
from p2pcore.session.link import Link
from p2pcore.session.links import Links
from p2pcore.wire.messages import Survey

__all__ = ["Membership"]

RETRY_NS = 250_000_000  # after the first attempt to get in; doubles up to the longest
LONGEST_RETRY_NS = 2_000_000_000  # several attempts within the time for joining, 10 s by default
REFRESH_NS = 60_000_000_000  # a look around; finds nodes that joined behind a lost message
ALONE_NS = 2_000_000_000  # between attempts to get back in
FILL_WIDTH = 3  # of a lookup that fills a bucket: no single node says who gets into it

FINAL = (AuthenticationError, IncompatibleError, NotAllowedError)  # no use to try again soon

Joined = Callable[[P2PError | None, Instant], None]


class Membership:
    """A node's place in the overlay."""

    def __init__(
        self,
        links: Links,
        table: ContactTable,
        directory: Directory,
        bootstrap: Bootstrap,
        liveness: Liveness,
        rng: Random,
    ) -> None:
        self._links = links
        self._table = table
        self._directory = directory
        self._bootstrap = bootstrap
        self._liveness = liveness
        self._rng = rng
        self.lost = LostContacts(rng)
        self.losses = Losses(lambda: liveness.suspects)
        """Who was lost; `handle_timer` has work when it has, too."""
        self._probation = Probation(links, self._readmit)
        self.on_change: Callable[[Instant, bool], None] = _ignore
        """Called when a turn of time has made a change: somebody is lost, or (True) is back."""
        self.wake_at_ns: int | None = None
        """When it is time to look around, or to try again, in monotonic ns."""
        liveness.on_silent = self._on_silent
        links.handlers[Survey] = self._probation.guarded(links.handlers[Survey])
        self._deadline_ns = 0
        self._joined: Joined | None = None  # while joining
        self._tries = 0  # to join
        self.refused: P2PError | None = None  # by a member that had let us in, since the last try
        self._to_fill: list[int] = []  # bucket indices still to be looked up
        self._again: int | None = None  # the one that is looked up though it may be full
        self._turn = 0

    def join(self, now: Instant, deadline_ns: int, joined: Joined) -> None:
        """Get into the network; calls back with None, or with why it was not possible."""
        self._deadline_ns = deadline_ns
        self._joined = joined
        if self._bootstrap.configured:
            self._try(now)
        else:
            self._finish(None, now)

    def settle(self, now: Instant) -> None:
        """This node is in the overlay already; look around in due time."""
        self._wake_in(REFRESH_NS, now)

    def handle_timer(self, now: Instant) -> None:
        """Try to get in again, look around, or look for those that were lost."""
        if lost := self.losses.due(now):
            for contact in lost:
                self._lose(contact, now)
            self.on_change(now, False)
        if self.lost.wake_at_ns is not None and now.mono_ns >= self.lost.wake_at_ns:
            for contact in self.lost.due(now):
                self._links.connect(contact.address, contact.node_id, now)
        if self.wake_at_ns is None or now.mono_ns < self.wake_at_ns:
            return
        self.wake_at_ns = None
        if self._joined is not None or (not self._table.size and self._bootstrap.configured):
            self._try(now)
        else:
            self._look_around(now)

    def look_around_soon(self, now: Instant) -> None:
        """Somebody is there who may know nodes that we don't."""
        if self._joined is None:
            self._wake_in(RETRY_NS, now)

    # Events of links

    def on_link(self, link: Link, now: Instant) -> None:
        """Somebody has greeted us."""
        if link.contact is None:
            return
        self.losses.remove(link.peer_id)
        if link.peer_id in self.lost:
            if not self._probation.admits(link.contact, now):
                return
            self.lost.remove(link.peer_id)
            self.look_around_soon(now)  # it may know others whom we have lost
        self._admit(link.contact, now)

    def _admit(self, contact: Contact, now: Instant) -> None:
        self._directory.found(contact)
        stalest = self._table.heard_from(contact)
        if stalest is not None:
            self._liveness.check(stalest, now)

    def _readmit(self, contact: Contact, now: Instant) -> None:
        """It was on probation, and is well."""
        self.lost.remove(contact.node_id)
        self._admit(contact, now)
        self.on_change(now, True)

    def _on_silent(self, contact: Contact, now: Instant) -> None:
        """Its link is about to be closed: it does not answer any more."""
        if contact.node_id in self._table:
            self.losses.add(contact, now)

    def _lose(self, contact: Contact, now: Instant) -> None:
        if contact.node_id not in self._table or self._links.is_linked(contact.node_id):
            return  # it has said goodbye meanwhile, or has another link
        self.lost.add(contact, now)
        self._probation.lost(contact.node_id, now, silent=True)
        self._directory.lose(contact.node_id, now)
        self._notice_solitude(now)

    def on_link_lost(self, link: Link, planned: bool, now: Instant) -> None:
        """A link ended. A node that did not say why is dialled once more."""
        if link.contact is None or self._links.is_linked(link.peer_id):
            return
        if planned:
            self._directory.forget(link.peer_id)
            self._notice_solitude(now)
        elif link.peer_id in self._table and link.peer_id not in self.losses:
            self._links.connect(link.contact.address, link.peer_id, now)

    def on_unreachable(self, node_id: NodeId | None, error: P2PError, now: Instant) -> None:
        """No node, or another one, answers at this node's address."""
        if node_id is None or self._links.is_linked(node_id) or isinstance(error, BusyError):
            return
        contact = self._table.get(node_id)
        if isinstance(error, FINAL):
            self.lost.remove(node_id)
        elif contact is not None:
            self.lost.add(contact, now)
            self._probation.lost(node_id, now, silent=False)
        self._directory.lose(node_id, now)
        self._notice_solitude(now)

    def _notice_solitude(self, now: Instant) -> None:
        if not self._table.size and self._joined is None:
            self._wake_in(ALONE_NS, now)

    # Getting in

    def _try(self, now: Instant) -> None:
        self.refused = None
        self._bootstrap.ensure(now, self._linked)

    def _linked(self, error: P2PError | None, now: Instant) -> None:
        if error is None:
            self._directory.search(self._table.point, now, self._settled)
            return
        if self._joined is None:
            self._wake_in(ALONE_NS, now)
            return
        final = isinstance(error, FINAL)
        left_ns = self._deadline_ns - now.mono_ns
        if final or left_ns <= RETRY_NS:
            self._finish(error, now)
            return
        delay_ns = min(RETRY_NS << min(self._tries, 10), LONGEST_RETRY_NS)
        self._tries += 1
        self._wake_in(max(RETRY_NS, min(delay_ns, left_ns - RETRY_NS)), now)

    def _settled(self, lookup: Lookup, now: Instant) -> None:
        closest = lookup.closest()
        if len(closest) == BUCKET_SIZE:
            # Whoever shares more bits with us than the farthest of these is one of them.
            known = shared_prefix_bits(self._table.point, closest[-1].point)
            ranges = self._table.sparse_ranges()[: known + 1]
            self._to_fill = [index for index in ranges if not self._table.is_full(index)]
            if self._joined is None and ranges:
                self._turn += 1
                self._again = ranges[self._turn % len(ranges)]
                self._to_fill.append(self._again)
            self._fill_next(now)
        if self._joined is None:
            self._wake_in(REFRESH_NS, now)
        elif lookup.closest():
            self._finish(None, now)
        else:
            gone = UnreachableError("the member that let us in has gone")
            self._linked(self.refused or gone, now)

    def _fill_next(self, now: Instant) -> None:
        """Look up a random id in the next range that is still to be filled. Others fill our buckets
        too: of those that are full, only the one whose turn it is is looked up."""
        while self._to_fill:
            index = self._to_fill.pop()
            if index == self._again or not self._table.is_full(index):
                self._again = None
                self._fill(index, self._random_point(index), FILL_WIDTH, now)
                return

    def _fill(self, index: int, point: int, width: int, now: Instant) -> None:
        """Look up a point and meet as many of those that are heard of as the bucket lacks: whoever
        greets us gets in. Asking each for its contacts too, as a lookup of full width does, tells
        of the same ones again and again; that is for ranges in which there are few."""

        def found(lookup: Lookup, now: Instant) -> None:
            table = self._table
            vacancies = table.vacancies(index)
            strangers = [
                contact
                for contact in lookup.closest()
                if shared_prefix_bits(table.point, contact.point) == index
                and contact.node_id not in table
            ]
            if len(strangers) < vacancies and width < BUCKET_SIZE:
                self._fill(index, point, BUCKET_SIZE, now)
                return
            for contact in strangers[:vacancies]:
                self._links.connect(contact.address, contact.node_id, now)
            self._fill_next(now)

        self._directory.search(point, now, found, width=width)

    def _finish(self, error: P2PError | None, now: Instant) -> None:
        joined, self._joined = self._joined, None
        self._wake_in(REFRESH_NS, now)
        if joined is not None:
            joined(error, now)

    def _look_around(self, now: Instant) -> None:
        if self._table.size:
            self._directory.search(self._table.point, now, self._settled)
        else:
            self._wake_in(REFRESH_NS, now)

    def _random_point(self, shared_bits: int) -> int:
        """A point that shares exactly so many leading bits with ours."""
        free_bits = ID_BITS - 1 - shared_bits
        flipped = (self._table.point >> free_bits) ^ 1
        return flipped << free_bits | (self._rng.getrandbits(free_bits) if free_bits else 0)

    def _wake_in(self, delay_ns: int, now: Instant) -> None:
        delay_ns = round(delay_ns * self._rng.uniform(0.8, 1.2))
        self.wake_at_ns = now.mono_ns + delay_ns


def _ignore(now: Instant, returned: bool) -> None:
    """Stands for a hook that is not set."""
