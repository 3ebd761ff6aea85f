"""What peers ask, a slice at a time; and how much may wait for them to read.

Theory of operation. One read may bring thousands of requests, whose answers are thousands of times
as large. So SLICE of them at most are handled in a turn, or what TURN_NS allows; the rest waits, as
the bytes that it came as, and beyond HELD_BYTES nothing more is read from that peer. While others
wait like that, only FEW are handled of what a read brings: dozens of links in one turn would make
it long, and who asks little still waits for nobody. What messages take with their answers, to
encrypt and to send, is known afterwards. Where that is long, the next slice of that peer is
shorter, and shorter still while others ask little: or a few large values would be a turn. Where
those who ask little are MANY, they are not told of a delay that shrinks windows
(`routing/windows.py`): the few who ask for more make it, are told their own, and would get what the
others leave.

A client that does not take its answers is not read from until it does. A node is: what it answers
us has to come through, or two nodes that answer each other would wait for each other for ever.
Beyond MAX_UNREAD_BYTES of answers it is refused what has large ones (`session/manners.py`), and
beyond twice that it is not read from either.

What waits on all links together (answers to be read, half frames, requests that wait for a turn)
stays below MAX_WAITING_BYTES: beyond it, those links end on which most waits, and first of all
those that have taken nothing for a while. So memory is bounded, and who reads is served.

Rule: decides who has to wait; what is answered, the machine decides.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from p2pcore.aio.connection import Connection, Stage
from p2pcore.aio.patience import NOT_READ
from p2pcore.aio.system import now
from p2pcore.aio.turn import Turns, WatchedTurns
from p2pcore.effects import Instant, LinkId
from p2pcore.errors import UnreachableError
from p2pcore.machine import Machine
from p2pcore.routing.windows import BUSY
from p2pcore.wire.codec import NO_LIMIT, Incoming
from p2pcore.wire.limits import MAX_UNREAD_BYTES, MAX_WAITING_BYTES
from p2pcore.wire.messages import Malformed

__all__ = ["SLICE", "Intake"]

SLICE = 64  # messages of one peer in one turn: half a millisecond, where they are ordinary ones
TURN_NS = 500_000  # ... and where they are not; only one that takes longer itself goes beyond
QUEUE_NS = 1_000_000  # of a turn, for all together who have more to be handled than a slice
HELD_BYTES = 16 * 1024  # that wait for their turn, beside what one read brings
ROOM_BYTES = MAX_WAITING_BYTES * 3 // 4
"""Left when some had to go, so that it is not done for each frame."""

HEAVY_NS = 30_000  # for one message, its answers included: fewer than a slice are handled at once
LITTLE_NS = 100_000  # of heavy ones in a turn, for each who has more, while others ask little
MANY = 2  # who ask little for each who has more: then the delay is not of their making
SHARED_TURNS = 16  # for which it counts that somebody has asked little
FEW = 4  # messages of one peer at once where others have more to be handled than a slice
ENDED_IN_A_TURN = 8  # links, to make room; each end may concern many operations


class IntakeOwner(Protocol):
    """What the intake needs of its host."""

    machine: Machine
    serves: bool

    def pump(self, served: Connection | None = None) -> None: ...

    def keep_time(self) -> None: ...

    def is_client(self, link_id: LinkId) -> bool: ...

    def watch_stalls(self) -> None: ...


class Intake:
    """The incoming side of a host."""

    def __init__(self, host: IntakeOwner, loop: asyncio.AbstractEventLoop) -> None:
        self._host = host
        self._loop = loop
        self._machine = host.machine
        self._counters = host.machine.counters
        self._held: dict[Connection, int] = {}  # bytes that wait, of those that have any
        self._total = 0
        self._full = False  # whether room is about to be made
        self.turns = Turns(loop, host.keep_time)
        serves = host.serves  # a client has asked for whatever comes, and serves nobody else
        self._serves = serves
        self._slice, self._turn_ns = (SLICE, TURN_NS) if serves else (NO_LIMIT, 0)
        self._queue: deque[Connection] = deque()  # those that have more, longest waiting first
        self._planned = False  # whether the next turn goes on with them
        self._shared = 0  # turns for which it counts that others were served meanwhile
        self._little = self._little_before = 0  # who asked for one thing, in this turn and the last

    def received(self, connection: Connection, data: bytes) -> None:
        """Plain text came in within one loop turn."""
        instant = self.turns.instant() if self._serves else now()
        connection.heard_ns = mono_ns = instant.mono_ns
        self._counters.bytes_in += len(data)
        parser, backlog = connection.parser, connection.backlog
        if parser.held or (connection.paused and self._must_wait(connection)):
            parser.hold(data)
            backlog.held(len(data), mono_ns)
            self._served(connection, 0, instant)
            return
        if backlog.stopped_ns:
            since_ns = backlog.took(mono_ns)
            if self._serves:
                instant = self.turns.instant(since_ns)
        else:
            backlog.since_ns = mono_ns
        if self._queue:
            messages = parser.feed(data, FEW)
            if not parser.held:
                self._shared = SHARED_TURNS
                if len(messages) == 1:
                    self._little += 1
                    if self._little_before >= MANY * len(self._queue):
                        instant = _among_many(instant)
        else:
            at_once = backlog.at_once  # a request and the marks around it are never parted by that
            messages = parser.feed(data, max(FEW, at_once) if at_once else self._slice)
        if len(messages) == 1 and connection.outbox.reply_bytes <= MAX_UNREAD_BYTES:
            self._machine.receive(connection.link_id, messages[0], instant)
            self._served(connection, 1, instant)
        else:
            served = self._serve(connection, messages, instant)
            if served < len(messages):
                self._put_back(connection, messages[served:], instant)
            self._served(connection, served, instant)
            if served and self._serves:
                self._pace(connection, served, instant)

    def _serve(self, connection: Connection, messages: Iterable[Incoming], instant: Instant) -> int:
        """Hand these to the machine, as far as there is time. Returns how many that were."""
        receive = self._machine.receive_read
        if connection.outbox.reply_bytes > MAX_UNREAD_BYTES:
            receive = self._receive_unread
        end_ns = self._turn_ns and instant.mono_ns + self._turn_ns
        return receive(connection.link_id, messages, instant, time.monotonic_ns, end_ns)

    def _served(self, connection: Connection, count: int, instant: Instant) -> None:
        """So many messages were handled: the peer gets its answers, and what is left waits."""
        self._counters.messages_in += count
        self._host.pump(connection)
        if connection.unflushed:
            connection.flush()
        parser, paused = connection.parser, connection.paused
        if paused or parser.held:
            self._put_off(connection)
        if (
            parser.unfinished_bytes
            or parser.held
            or connection.frame_since_ns
            or paused
            or self._held
        ):
            self._watch(connection, count > 0, instant)

    def _receive_unread(
        self,
        link_id: LinkId,
        messages: Iterable[Incoming],
        now: Instant,
        clock: Callable[[], int],
        end_ns: int,
    ) -> int:
        """The same as `receive_read`, of a peer that does not read what it has asked for."""
        served = 0
        for message in messages:
            self._machine.receive_unread(link_id, message, now)
            served += 1
            if end_ns and clock() > end_ns:
                break
        return served

    def _put_back(self, connection: Connection, messages: list[Incoming], instant: Instant) -> None:
        """This turn has no time for these. Bytes that are no message end the link at once."""
        if type(messages[-1]) is Malformed:
            self._machine.receive(connection.link_id, messages[-1], instant)
        else:
            connection.parser.put_back(messages)

    def _watch(self, connection: Connection, progress: bool, instant: Instant) -> None:
        """Of half a frame, the rest has to come in time; and what waits is counted."""
        pending_bytes = connection.parser.pending_bytes
        if not pending_bytes:
            if connection.frame_since_ns:
                connection.frame_since_ns = 0
                connection.expect(0)
        else:
            connection.expect(connection.parser.awaits_bytes)
            if progress or not connection.frame_since_ns:
                connection.frame_since_ns = instant.mono_ns
            self._host.watch_stalls()
        if pending_bytes or connection.paused or connection in self._held:
            self.weigh(connection)

    def _must_wait(self, connection: Connection) -> bool:
        """Whether the peer has to read first."""
        if not connection.paused:
            return False
        if self._host.is_client(connection.link_id):
            return True
        return connection.outbox.reply_bytes > 2 * MAX_UNREAD_BYTES

    def _put_off(self, connection: Connection) -> None:
        """Not all of what came was handled, or the peer has to read first."""
        if self._must_wait(connection):
            connection.stop_reading()
            return
        if _is_behind(connection):
            connection.stop_reading()
        if connection.has_unserved and not connection.put_off:
            connection.put_off = True
            self._queue.append(connection)
            self._plan()

    def _plan(self) -> None:
        if self._queue and not self._planned:
            self._planned = True
            self._loop.call_soon(self._work_off)

    def drained(self, connection: Connection) -> None:
        """The peer has read: it may ask again, in its turn."""
        if connection.has_unserved:
            self._put_off(connection)
        else:
            self.go_on(connection)

    def _work_off(self) -> None:
        """A slice for each of those that have more, until this turn's time is over. However many
        they are, who has asked little does not wait for them."""
        end_ns = time.monotonic_ns() + QUEUE_NS
        self._planned = True  # until this is over
        self._shared -= self._shared > 0
        self._little_before, self._little = self._little, 0
        for _ in range(len(self._queue)):
            connection = self._queue.popleft()
            connection.put_off = False
            self.go_on(connection)
            if time.monotonic_ns() > end_ns:
                break
        self._planned = False
        self._plan()

    def go_on(self, connection: Connection) -> None:
        """The next slice, unless the peer has to read first; or the next read."""
        if connection.stage is not Stage.OPEN or self._must_wait(connection):
            return
        instant = now()
        if connection.has_unserved:
            since_ns = connection.backlog.next(connection.parser.pending_bytes)
            instant = self.turns.instant(since_ns)
            count = connection.backlog.at_once or self._slice
            served = self._serve(connection, connection.parser.rest(count), instant)
            self._served(connection, served, instant)
            if served:
                self._pace(connection, served, instant)
        waits = _is_behind(connection) or self._must_wait(connection)
        if connection.stage is Stage.OPEN and not waits:
            connection.read_on(instant.mono_ns)

    def _pace(self, connection: Connection, served: int, instant: Instant) -> None:
        """So many messages have taken until now, their answers included: how many are next?"""
        took_ns = time.monotonic_ns() - instant.mono_ns
        count = 0
        if took_ns > served * HEAVY_NS:
            most_ns = LITTLE_NS if self._shared else QUEUE_NS
            count = max(1, served * most_ns // took_ns)
        connection.backlog.at_once = count

    def tell_delays(self, tell: Callable[[float], object]) -> None:
        """Tell from now on, in seconds, how long what is handled had waited."""
        self.turns = WatchedTurns(self._loop, self._host.keep_time, tell)

    # How much waits

    def weigh(self, connection: Connection) -> None:
        """What waits on this link may have changed."""
        size = 0 if connection.stage is Stage.GONE else connection.waiting_bytes
        self._total += size - self._held.pop(connection, 0)
        if size:
            self._held[connection] = size
        if self._total > MAX_WAITING_BYTES and not self._full:
            self._full = True
            self._loop.call_soon(self._make_room)

    def _make_room(self) -> None:
        """End the links on which most waits, first those whose peers take nothing."""
        self._full = False
        for connection in list(self._held):
            self.weigh(connection)
        if self._total <= MAX_WAITING_BYTES:
            return
        taking = {c: c.took_something for c in self._held}
        worst = sorted(self._held, key=lambda c: (taking[c], -self._held[c]))
        for connection in worst[:ENDED_IN_A_TURN]:
            if self._total <= ROOM_BYTES:
                break
            connection.fail(UnreachableError(NOT_READ))
            self.weigh(connection)


def _among_many(instant: Instant) -> Instant:
    """As it is for who asks little while others have more to be handled than a slice."""
    if instant.delay < BUSY:
        return instant
    return Instant(instant.mono_ns, instant.wall_ms, BUSY - 1)


def _is_behind(connection: Connection) -> bool:
    """True if as much waits for its turn as may. Half a frame alone waits for the peer, not for us:
    its other half has to be read."""
    return connection.has_unserved and connection.parser.pending_bytes > HELD_BYTES
