"""Which nodes hold a key: what is known of the overlay, and how more is found out.

Theory of operation. A finished lookup for a target names the 20 closest nodes that exist, so
every node that shares at least as many leading bits with the target as the one after the farthest
of them is known. Any key in that *region* can be placed without asking anybody. A network of
fewer than 20 nodes is one region. Regions are looked up again when they grow old, while the old
answer still serves, and forgotten at once when a replica says that it is none.

Rule: says where records belong; never what is in them.
"""

from bisect import insort
from collections import deque
from collections.abc import Callable

from p2pcore.contact import Contact
from p2pcore.effects import Instant
from p2pcore.errors import P2PError, UnreachableError
from p2pcore.ids import ID_BITS, NodeId, shared_prefix_bits
from p2pcore.overlay.absent import Absent
from p2pcore.overlay.lookup import Lookup
from p2pcore.overlay.ranking import Ranking
from p2pcore.overlay.table import BUCKET_SIZE, ContactTable
from p2pcore.session.link import Call
from p2pcore.session.links import Links
from p2pcore.wire.messages import Contacts, FindNode, Reply

__all__ = ["Directory", "Placed"]

LATE_NS = 60_000_000_000  # longer than any lookup: its end is the end of its questions
REGION_FRESH_NS = 30_000_000_000  # a node that joined unnoticed is found after this at the latest
MIN_REGION_AGE_NS = (
    1_000_000_000  # nodes that disagree for a while must not make every operation look up
)
MAX_REGIONS = 4096  # some 20 contacts each: a few MiB
MAX_SEARCHES = 8  # lookups at a time on behalf of operations; the others wait for their results
PLACED_AT_ONCE = 64  # operations that waited for a lookup and go on in one turn

Placed = Callable[[list[Contact] | P2PError, Instant], None]
"""Called with the replicas of a point, nearest first, or with why they could not be found."""


class _Region:
    __slots__ = ("learned_ns", "ranking", "refreshing")

    def __init__(self, contacts: list[Contact], learned_ns: int) -> None:
        self.ranking = Ranking(contacts)
        self.learned_ns = learned_ns
        self.refreshing = False


class _Query(Call):
    """One FindNode of a lookup."""

    __slots__ = ("contact", "search")

    def __init__(self, call_id: int, due_ns: int, search: "_Search", contact: Contact) -> None:
        super().__init__(call_id, due_ns)
        self.search = search
        self.contact = contact

    def replied(self, node_id: NodeId, reply: Reply, now: Instant) -> None:
        """The contact answered; anything but contacts counts as no answer."""
        contacts = None
        if isinstance(reply, Contacts):
            knows = self.search.lookup.knows  # most, towards the end
            contacts = [
                Contact.of(c.node_id, c.address)
                for c in reply.contacts
                if c.address and not knows(c.node_id)
            ]
            contacts = self.search.admitted(contacts)
        self.search.heard(self, contacts, now)

    def failed(self, node_id: NodeId, error: P2PError, now: Instant) -> None:
        """The contact can't be reached."""
        self.search.heard(self, None, now)

    def expired(self, now: Instant) -> None:
        """The contact is slow: the lookup goes on without it, and takes its answer if it comes."""
        self.due_ns = now.mono_ns + LATE_NS
        self.search.late(self, now)


class _Search:
    """A lookup with its questions on the wire."""

    __slots__ = ("_finish", "_links", "_queries", "lookup")

    def __init__(
        self, links: Links, lookup: Lookup, finish: Callable[[Lookup, Instant], None]
    ) -> None:
        self._links = links
        self.lookup = lookup
        self._finish = finish
        self._queries: dict[int, _Query] = {}  # in flight

    def proceed(self, now: Instant) -> None:
        """Ask whoever is to be asked now, or finish."""
        if self.lookup.done:
            for query in self._queries.values():  # of some who turned out not to be the closest
                self._links.enough(query)
            self._finish(self.lookup, now)
            return
        target = self.lookup.target.to_bytes(ID_BITS // 8)
        for contact in self.lookup.next_to_ask():
            due_ns = now.mono_ns + self._links.timeouts.of([contact], now)
            query = _Query(self._links.new_call_id(), due_ns, self, contact)
            self._queries[query.id] = query
            self._links.ask(query, [contact], FindNode(query.id, target), now)

    def admitted(self, contacts: list[Contact]) -> list[Contact]:
        """Without those that this node's allow list does not have."""
        admission = self._links.admission
        if admission.allowed is None:
            return contacts
        return [contact for contact in contacts if admission.admits(contact.node_id)]

    def late(self, query: _Query, now: Instant) -> None:
        self.lookup.late(query.contact.node_id)
        self.proceed(now)

    def heard(self, query: _Query, contacts: list[Contact] | None, now: Instant) -> None:
        self._links.drop(query)
        del self._queries[query.id]
        if contacts is None:
            self.lookup.failed(query.contact.node_id)
        else:
            self.lookup.answered(query.contact.node_id, contacts)
        self.proceed(now)


class Directory:
    """Placement of keys on nodes.

    Args:
        links: asks the questions of lookups.
        table: whom we know; the owner of the directory keeps it.
        is_node: whether we hold records ourselves.
    """

    def __init__(self, links: Links, table: ContactTable, *, is_node: bool) -> None:
        self._links = links
        self._table = table
        self.is_node = is_node
        self.absent = Absent()
        self._regions: dict[tuple[int, int], _Region] = {}
        self._depths: list[int] = []  # of the regions, deepest first
        self._searching = 0
        self._backlog: deque[tuple[int, int, Placed]] = deque()
        self._working_off = False

    # What is known

    def myself(self) -> Contact:
        """Our own contact, as others should know it."""
        return Contact(self._table.owner, self._links.address, self._table.point)

    def closest_known(self, point: int, count: int) -> list[Contact]:
        """The closest that the table holds, ourselves included if we are a node."""
        contacts = self._table.closest(point, count)
        if self.is_node:
            insort(contacts, self.myself(), key=lambda contact: contact.point ^ point)
        return contacts[:count]

    def replicas(self, point: int, count: int, now: Instant) -> list[Contact] | None:
        """The `count` nodes closest to the point; None if that has to be looked up first."""
        if self.is_node and self._table.size < BUCKET_SIZE - 1:
            return self.closest_known(point, count)  # the table is the whole network
        for depth in self._depths:
            region = self._regions.get((depth, point >> (ID_BITS - depth)))
            if region is not None:
                age_ns = now.mono_ns - region.learned_ns
                if age_ns >= REGION_FRESH_NS and not region.refreshing:
                    region.refreshing = True
                    self.locate(point, count, now, lambda *_: None)
                return region.ranking.nearest_first(point)[:count]
        return None

    def invalidate(self, point: int, now: Instant) -> None:
        """The region of this point seems to be out of date: look it up before it is used again."""
        for depth in self._depths:
            place = depth, point >> (ID_BITS - depth)
            region = self._regions.get(place)
            if region is not None and now.mono_ns - region.learned_ns >= MIN_REGION_AGE_NS:
                del self._regions[place]
                self._count_depths()

    def forget(self, node_id: NodeId) -> None:
        """This node is gone."""
        self._table.remove(node_id)
        for region in self._regions.values():
            known = region.ranking.contacts
            if any(contact.node_id == node_id for contact in known):
                region.ranking = Ranking(c for c in known if c.node_id != node_id)

    def lose(self, node_id: NodeId, now: Instant) -> None:
        """This node is gone without a goodbye, and may come back."""
        contact = self._table.get(node_id) or self._placed_somewhere(node_id)
        if contact is not None:
            self.absent.add(contact, now)
        self.forget(node_id)

    def _placed_somewhere(self, node_id: NodeId) -> Contact | None:
        for region in self._regions.values():
            for contact in region.ranking.contacts:
                if contact.node_id == node_id:
                    return contact
        return None

    def found(self, contact: Contact) -> None:
        """This node is there. If it was lost, it has its place in its regions again."""
        if not self.absent.remove(contact.node_id):
            return
        for (depth, prefix), region in self._regions.items():
            if contact.point >> (ID_BITS - depth) == prefix:
                known = region.ranking.contacts
                others = [each for each in known if each.node_id != contact.node_id]
                region.ranking = Ranking([*others, contact])

    def expel(self, admits: Callable[[NodeId], bool]) -> None:
        """Forget everybody who is not admitted."""
        for region in self._regions.values():
            known = region.ranking.contacts
            if not all(admits(contact.node_id) for contact in known):
                region.ranking = Ranking(c for c in known if admits(c.node_id))
        for node_id in self._table.expel(admits):
            self._table.remove(node_id)

    # What is found out

    def locate(self, point: int, count: int, now: Instant, placed: Placed) -> None:
        """Look up the `count` nodes closest to a point."""
        if self._searching >= (MAX_SEARCHES if self._regions else 1):
            self._backlog.append((point, count, placed))
            return
        self._searching += 1

        def finish(lookup: Lookup, now: Instant) -> None:
            self._searching -= 1
            found = self._learn(lookup, count, now)
            placed(found or UnreachableError("no node of the network can be reached"), now)
            self._work_off(now)

        self.search(point, now, finish, width=count)

    def search(
        self,
        point: int,
        now: Instant,
        finish: Callable[[Lookup, Instant], None],
        *,
        width: int = BUCKET_SIZE,
    ) -> None:
        """Run one lookup from the contacts of the table."""
        seeds = self._table.closest(point, BUCKET_SIZE)
        lookup = Lookup(point, seeds, width=width, owner=self._table.owner)
        _Search(self._links, lookup, finish).proceed(now)

    def _learn(self, lookup: Lookup, count: int, now: Instant) -> list[Contact]:
        """Keep what a finished lookup tells of the region around its target."""
        target = lookup.target
        contacts = lookup.closest(BUCKET_SIZE)
        if self._links.admission.allowed is not None:  # which may have changed meanwhile
            contacts = [c for c in contacts if self._links.admission.admits(c.node_id)]
        depth = 0
        if len(contacts) == BUCKET_SIZE:
            depth = shared_prefix_bits(target, contacts[-1].point) + 1
        if self.is_node:
            contacts.append(self.myself())
            contacts.sort(key=lambda contact: contact.point ^ target)
        members = [c for c in contacts if shared_prefix_bits(target, c.point) >= depth]
        if members and (depth == 0 or len(members) >= count):
            if len(self._regions) >= MAX_REGIONS:
                del self._regions[next(iter(self._regions))]
            region = _Region(members, now.mono_ns)
            self._regions[depth, target >> (ID_BITS - depth)] = region
            self._count_depths()
        return contacts[:count]

    def _count_depths(self) -> None:
        self._depths = sorted({depth for depth, _ in self._regions}, reverse=True)

    def _work_off(self, now: Instant) -> None:
        """The lookups that waited, in slices: most are answered by what has just been learned."""
        if self._working_off:
            return  # of a lookup that was over at once
        self._working_off = True
        placed_some = False
        for _ in range(min(PLACED_AT_ONCE, len(self._backlog))):
            point, count, placed = self._backlog.popleft()
            known = self.replicas(point, count, now)
            if known:
                placed_some = True
                placed(known, now)
            else:
                self.locate(point, count, now, placed)
        self._working_off = False
        if self._backlog and (placed_some or not self._searching):
            _NextSlice(self._links, self._work_off).begin(now)


class _NextSlice(Call):
    """Goes on in another turn."""

    __slots__ = ("_go_on", "_links")

    def __init__(self, links: Links, go_on: Callable[[Instant], None]) -> None:
        super().__init__(links.new_call_id(), 0)
        self._links = links
        self._go_on = go_on

    def begin(self, now: Instant) -> None:
        self.due_ns = now.mono_ns
        self._links.watch(self, now)
        self._links.wake_at_ns = now.mono_ns

    def expired(self, now: Instant) -> None:
        self._links.drop(self)
        self._go_on(now)
