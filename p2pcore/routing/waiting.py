"""Operations that wait until the nodes that they need have room, and the end of those that wait in
vain.

Theory of operation. An operation waits at one of the nodes that have no room for it. When that one
has, the next goes on, or waits at another node that is full. In good times that is a matter of
milliseconds, and who came first goes first. When more comes than the nodes can do, that would make
everybody wait for ever longer, until nobody is served in time. So once the first in line has waited
for half of its *patience*, the newest goes first: those have the most of their time left. Who has
waited for its patience is told so: BusyError, long before its deadline, so that whoever asked can
do something about it.

Patience is half of an operation's time. When there was a line without a break for PRESSED_NS,
newcomers have a tenth of theirs: so a burst, however large, has the time to be served, and in an
overload one of 0.5 s hears within 50 ms.

Sources: Maurer, "Fail at Scale", CACM 58(11), 2015 (adaptive LIFO, controlled delay); Nichols and
Jacobson, "Controlling Queue Delay", CACM 55(7), 2012 (a standing queue is what tells overload).

Rule: orders and refuses; what room is, its owner says.
"""

from collections import deque
from enum import IntEnum
from heapq import heappop, heappush
from typing import Protocol

from p2pcore.contact import Contact
from p2pcore.effects import Instant
from p2pcore.errors import BusyError
from p2pcore.ids import NodeId
from p2pcore.session.link import Counters

__all__ = ["BATCH", "CRITICAL", "NORMAL", "PRESSED_NS", "Priority", "Waitable", "Waiting"]

PRESSED_NS = 100_000_000  # as of CoDel's interval: a longer line is no burst any more
PATIENCE = 2  # an operation's time, divided by this
SHORT_PATIENCE = 10  # the same, of newcomers under pressure
LEAST_RETRY_S = 0.01


class Priority(IntEnum):
    """Which of a client's or node's own operations go first while nodes have no room for them all.

    As long as they have, nobody waits and it makes no difference. It orders those of one machine
    alone: nodes do not know of it.

    Attributes:
        CRITICAL: before all others.
        NORMAL: what is not said otherwise.
        BATCH: when no other waits at the same node.
    """

    CRITICAL = 0
    NORMAL = 1
    BATCH = 2


CRITICAL, NORMAL, BATCH = Priority


class Waitable(Protocol):
    """An operation that can wait."""

    @property
    def priority(self) -> Priority:
        """Whose turn comes first."""
        ...

    @property
    def may_choose(self) -> bool:
        """Whether it asks only as many nodes as it needs, whichever have room."""
        ...

    @property
    def over(self) -> bool: ...

    def begin(self, now: Instant) -> None:
        """There is room: ask."""

    def refuse(self, error: BusyError, now: Instant) -> None:
        """It has waited in vain."""


class Rooms(Protocol):
    """Who knows which nodes have room."""

    def has_room(self, node_id: NodeId) -> bool: ...

    def blocked(
        self,
        contacts: list[Contact],
        needed: int,
        may_choose: bool,
        now: Instant,
        *,
        in_turn: bool = ...,
    ) -> NodeId | None: ...

    def is_silent(self, contacts: list[Contact], now: Instant) -> bool: ...


class _Place:
    """One operation in line."""

    __slots__ = ("contacts", "done", "give_up_ns", "needed", "since_ns", "waiter")

    def __init__(
        self, waiter: Waitable, contacts: list[Contact], needed: int, since_ns: int, give_up_ns: int
    ) -> None:
        self.waiter = waiter
        self.contacts = contacts
        self.needed = needed
        self.since_ns = since_ns
        self.give_up_ns = give_up_ns
        self.done = False

    def is_impatient(self, now: Instant) -> bool:
        """Whether half of its patience is over."""
        return 2 * now.mono_ns >= self.since_ns + self.give_up_ns


_Line = tuple[deque[_Place], ...]  # by priority


class Waiting:
    """All operations of one machine that wait.

    Args:
        rooms: says for whose sake an operation can't start.
    """

    __slots__ = (
        "_by_time", "_count", "_counters", "_lines", "_number", "_rooms", "_since_ns", "wake_at_ns",
    )  # fmt: skip

    def __init__(self, rooms: Rooms, counters: Counters) -> None:
        self._rooms = rooms
        self._counters = counters
        self._lines: dict[NodeId, _Line] = {}
        self._by_time: list[tuple[int, int, _Place]] = []  # a heap: when each gives up
        self._number = 0
        self._count = 0
        self._since_ns = 0  # when the line was last empty
        self.wake_at_ns: int | None = None
        """When `handle_timer` has work, in monotonic ns."""

    def add(
        self,
        waiter: Waitable,
        contacts: list[Contact],
        needed: int,
        node_id: NodeId,
        deadline_ns: int,
        now: Instant,
    ) -> None:
        """Wait in line for this node, among others."""
        if not self._count:
            self._since_ns = now.mono_ns
        pressed = now.mono_ns - self._since_ns >= PRESSED_NS
        patience_ns = (deadline_ns - now.mono_ns) // (SHORT_PATIENCE if pressed else PATIENCE)
        place = _Place(waiter, contacts, needed, now.mono_ns, now.mono_ns + patience_ns)
        self._count += 1
        self._number += 1
        self._counters.waited += 1
        heappush(self._by_time, (place.give_up_ns, self._number, place))
        self.wake_at_ns = self._by_time[0][0]
        self._stand(place, node_id)

    def _stand(self, place: _Place, node_id: NodeId) -> None:
        line = self._lines.get(node_id)
        if line is None:
            line = self._lines[node_id] = tuple(deque() for _ in Priority)
        line[place.waiter.priority].append(place)

    def go_on(self, node_id: NodeId, now: Instant) -> None:
        """This node has room: whoever waits for it may start, or waits for another."""
        line = self._lines.get(node_id)
        while line is not None and self._rooms.has_room(node_id):
            place = self._next(line, now)
            if place is None:
                self._lines.pop(node_id, None)
                return
            waiter = place.waiter
            contacts, needed = place.contacts, place.needed
            other = self._rooms.blocked(contacts, needed, waiter.may_choose, now, in_turn=True)
            if other is None:
                self._end(place)
                waiter.begin(now)
            else:
                self._stand(place, other)

    def _next(self, line: _Line, now: Instant) -> _Place | None:
        """The first of the highest priority, or the newest, if the first is impatient."""
        for places in line:
            while places and self._is_gone(places[0]):
                places.popleft()
            newest_first = bool(places) and places[0].is_impatient(now)
            while places:
                place = places.pop() if newest_first else places.popleft()
                if not self._is_gone(place):
                    return place
        return None

    def _is_gone(self, place: _Place) -> bool:
        if not place.done and place.waiter.over:
            self._end(place)
        return place.done

    def _end(self, place: _Place) -> None:
        place.done = True
        self._count -= 1

    def handle_timer(self, now: Instant) -> None:
        """Refuse those whose patience is over. One that waits for a node which says nothing at all
        stays: that node is not busy, but gone or cut off, and may come back in time."""
        by_time = self._by_time
        while by_time and by_time[0][0] <= now.mono_ns:
            place = heappop(by_time)[2]
            if self._is_gone(place) or self._rooms.is_silent(place.contacts, now):
                continue
            self._end(place)
            self._counters.refused_busy += 1
            waited_s = (now.mono_ns - place.since_ns) / 1e9
            text = f"the nodes have too much to do: no room in {waited_s:.3f} s"
            error = BusyError(text, retry_after_s=max(LEAST_RETRY_S, round(waited_s, 3)))
            place.waiter.refuse(error, now)
        self.wake_at_ns = by_time[0][0] if by_time else None
