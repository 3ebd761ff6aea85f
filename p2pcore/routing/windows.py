"""How much each node is asked at a time: as much as it serves without delay.

Theory of operation. Every answer tells how long its request had waited at the node. Each node has a
*window*: units that may be in flight to it from here (`session/in_flight.py`; a small request is
one, a value of 4 KiB one more). A long delay shrinks it, a little with each answer that tells so,
and to what was in flight at most; a request that is not answered in time gives its unit back and
shrinks it more. While the delay is short, and the window was needed, it grows: by as much as is
answered while the node is idle, so that it doubles with each round trip, and by GROW in a round
trip when the node is busy. So all clients together keep a node's queue at about BUSY, however many
they are, and what they want beyond that waits where it costs nothing: here (`waiting.py`).

An operation starts when all its replicas have room. If it started with some, each node would serve
other operations, and few would get a quorum. A read goes to those that have room, if they are
enough. Who waits does so at one node, the one that was heard last; when its turn comes there, the
others may go into *debt*, of one more window, and are full until that is paid: or an operation that
needs three nodes at once would hardly ever start.

One bad node is no overload, and must not hold up what the others can do. So a write does not wait
for one without room where enough replicas for a quorum have room, and shorter queues than windows
allow. Nor does it where these are busier, if the one is known to be bad: an outlier, or one that
has said nothing for SILENT_NS.

Sources: Cho et al., "Overload Control for us-scale RPCs with Breakwater", OSDI 2020 (windows by
queueing delay); Zhou et al., "Overload Control for Scaling WeChat Microservices", SoCC 2018 (one
choice for all that an action needs); RFC 7661 (only a window that is used may grow).

Rule: keeps windows; who waits, and who goes first, is in `waiting.py`.
"""

from collections import deque
from collections.abc import Mapping
from math import ceil

from p2pcore.contact import Contact
from p2pcore.effects import Instant
from p2pcore.ids import NodeId
from p2pcore.routing.waiting import Waitable, Waiting
from p2pcore.session.in_flight import InFlight
from p2pcore.session.link import SHORT_DELAY, Counters, Link
from p2pcore.session.timeouts import LEAST_NS, LONGEST_NS

__all__ = ["BUSY", "FLOOR", "UNIT_BYTES", "Windows", "units_of"]

BUSY = 8  # steps of delay: from 8.4 ms on a window shrinks
SHRINK = 0.97  # by each answer that tells of as much
LOST = 0.7  # by each sweep that finds requests unanswered
GROW = 2.0  # units, by a window's worth of answers that tell of less
FLOOR = 1.0  # so that there is always something in flight that tells of better times
SILENT_NS = 100_000_000  # longer than a busy node's answers are apart, or a collection takes
DEBT = 2.0  # windows in flight at most where an operation needs several nodes
MOST = 65_536.0
UNIT_BYTES = 4096  # of a value: they take about as long as a request


def units_of(size_bytes: int) -> int:
    """What a request with so many bytes of values takes of a window."""
    return 1 + size_bytes // UNIT_BYTES


class Windows(InFlight):
    """The windows of one machine, and the operations that wait for them.

    Args:
        self_id: its own id, which has no window.
        by_node: the links on which nodes are asked; their owner keeps them.
        enabled: False: everything is asked at once, and no request counts.
    """

    __slots__ = ("_by_node", "_marks", "_self_id", "enabled", "full", "unit", "waiting")

    def __init__(
        self,
        self_id: NodeId,
        by_node: Mapping[NodeId, Link],
        counters: Counters,
        *,
        enabled: bool,
    ) -> None:
        self._self_id = self_id
        self._by_node = by_node
        self.enabled = enabled
        self.unit = int(enabled)  # that an ordinary request takes
        self.full: dict[NodeId, Link] = {}  # nodes without room
        self.waiting = Waiting(self, counters)
        self._marks: deque[tuple[int, int]] = deque()  # when, and the newest question by then

    # Whether there is room

    def admits(
        self, waiter: Waitable, contacts: list[Contact], needed: int, deadline_ns: int, now: Instant
    ) -> bool:
        """Whether an operation that asks these may start now. If not, it has to wait, and will be
        told. `needed`: of those contacts, for a quorum."""
        node_id = self.blocked(contacts, needed, waiter.may_choose, now)
        if node_id is None:
            return True
        self.waiting.add(waiter, contacts, needed, node_id, deadline_ns, now)
        return False

    def blocked(
        self,
        contacts: list[Contact],
        needed: int,
        may_choose: bool,
        now: Instant,
        *,
        in_turn: bool = False,
    ) -> NodeId | None:
        """The node for whose sake these can't be asked now; None: they can. Of several it is the
        one that was heard last: one that is silent may have no room for long.

        Args:
            may_choose: only `needed` of them are asked, those that have room.
            in_turn: it is this operation's turn at one of them; the others may go into debt.
        """
        full = self.full
        without = [contact.node_id for contact in contacts if contact.node_id in full]
        if not without:
            return None
        enough = len(contacts) - len(without) >= needed
        if in_turn:
            without = [node_id for node_id in without if _is_in_debt(full[node_id])]
        if in_turn or enough:
            without = [node_id for node_id in without if not _is_bad(full[node_id], now)]
        if not without or (may_choose and len(contacts) - len(without) >= needed):
            return None
        free = sum(self._is_free(contact.node_id) for contact in contacts)
        return None if free >= needed else max(without, key=lambda n: full[n].heard_ns)

    def has_room(self, node_id: NodeId) -> bool:
        """Whether this node may be asked more."""
        return node_id not in self.full

    def is_busy(self, node_id: NodeId) -> bool:
        """Whether this node has no room because it has much to do: not because answers are missing,
        which the way to it may have lost."""
        link = self.full.get(node_id)
        return link is not None and link.delay > 0

    def is_silent(self, contacts: list[Contact], now: Instant) -> bool:
        """Whether one of these that are full has said nothing for as long as answers take."""
        links = [link for c in contacts if (link := self.full.get(c.node_id)) is not None]
        return any(now.mono_ns - link.heard_ns >= LEAST_NS for link in links)

    def _is_free(self, node_id: NodeId) -> bool:
        link = self._by_node.get(node_id)
        if link is None:
            return node_id == self._self_id
        return link.delay < BUSY and not link.is_full

    # What the links tell

    def taken(self, link: Link) -> None:
        link.is_full = link.watched = True
        self.full[link.peer_id] = link

    def freed(self, link: Link, units: int, delay: int, now: Instant) -> None:
        if delay >= BUSY:
            flight = link.load + units
            _set(link, min(link.window, flight) * SHRINK)
        elif link.is_full:
            more = units if delay <= SHORT_DELAY else GROW * units / link.window
            _set(link, link.window + more)
        link.delay = delay if delay > SHORT_DELAY else 0
        if link.is_full and link.load < link.limit:
            self._reopen(link, now)
        link.watched = link.is_full or bool(link.delay)

    def ended(self, link: Link, now: Instant) -> None:
        link.slots.clear()
        link.load = 0
        if link.is_full:
            self._reopen(link, now)

    def sweep(self, now: Instant) -> bool:
        """Give back the slots of requests that were not answered in time."""
        links = [link for link in self._by_node.values() if link.slots]
        if not links:
            self._marks.clear()
            return False
        newest = max(next(reversed(link.slots)) for link in links)
        self._marks.append((now.mono_ns, newest))
        while self._marks[0][0] < now.mono_ns - LONGEST_NS:
            self._marks.popleft()
        for link in links:
            self._expire(link, now)
        return True

    def _expire(self, link: Link, now: Instant) -> None:
        """What was asked before the newest mark that is old enough has taken too long."""
        before_ns = now.mono_ns - max(LEAST_NS, link.opening_ns)
        newest = max((number for at_ns, number in self._marks if at_ns <= before_ns), default=0)
        lost = [number for number in link.slots if number <= newest]
        if not lost:
            return
        if now.mono_ns - link.heard_ns >= LEAST_NS:
            _set(link, FLOOR)  # it stands still: what was asked waits there, asked again or not
        else:
            _set(link, min(link.window, link.load) * LOST)
        for number in lost:
            link.load -= link.slots.pop(number)
        if link.is_full and link.load < link.limit:
            self._reopen(link, now)

    def _reopen(self, link: Link, now: Instant) -> None:
        link.is_full = False
        if self.full.get(link.peer_id) is link:
            del self.full[link.peer_id]
            self.waiting.go_on(link.peer_id, now)


def _set(link: Link, window: float) -> None:
    """Between FLOOR and MOST."""
    link.window = max(FLOOR, min(MOST, window))
    link.limit = ceil(link.window)


def _is_in_debt(link: Link) -> bool:
    """Whether the window is exceeded by as much as it may be, for operations whose turn came at
    another node."""
    return link.load > DEBT * link.window


def _is_bad(link: Link, now: Instant) -> bool:
    """Whether it is this node alone that is slow, or it has said nothing at all for SILENT_NS."""
    since_ns = link.timed_ns
    silent = link.timed_id != 0 and link.heard_ns < since_ns <= now.mono_ns - SILENT_NS
    return silent or link.shunned
