"""Connections between the processes of a world, as TCP has them.

Theory of operation. A connection is two `End`s. What one end sends arrives at the other in order,
when its `Path` says so. Opening one takes a round trip for TCP and one for TLS 1.3; nobody there
is a refusal after one round trip, no answer a time-out. An end that is closed, or whose process
dies, is noticed by the other side after all that was sent before it. While the way is blocked (a
partition, a machine without power), nothing arrives and nothing breaks: what is sent is *held*, and
comes when TCP next sends it again after the way is open. If that takes too long, each side gives up
by itself: after KEEP_ALIVE_NS if it has nothing under way, as the edge of sockets sets it, else
after GIVE_UP_NS.

Rule: moves messages; does not look into them.
"""

from collections import deque
from typing import Any
from zlib import crc32

from p2pcore.effects import Connect, LinkId
from p2pcore.errors import AuthenticationError, P2PError, UnreachableError
from p2pcore.sim.engine import Action, Engine
from p2pcore.sim.network.accounting import Accounting
from p2pcore.sim.network.connection import ConnectionAttempt, End, EndOwner, RawFrame, is_answer
from p2pcore.sim.network.links import LinkProfile, Path
from p2pcore.sim.network.watching import MessageStep, Watchers
from p2pcore.sim.trace import EventTrace
from p2pcore.wire.codec import FrameParser, encode_frame
from p2pcore.wire.messages import Message

__all__ = ["Network"]

SYN_RETRY_NS = 1_000_000_000  # RFC 6298, section 2.1; doubles
KEEP_IDLE_NS = 30_000_000_000  # aio/connection.py: TCP probes a connection that idle
KEEP_ALIVE_NS = 60_000_000_000  # ... and gives it up after 3 probes of 10 s each
STALL_NS = 5_000_000_000  # handshake_timeout_s: nothing taken of what waits to be read
GIVE_UP_NS = 924_600_000_000  # Linux's tcp_retries2 = 15: unanswered for so long


class Network:
    """Everything between the processes.

    Args:
        full_codec: hand over bytes and parse them, in place of the (frozen) messages themselves.
    """

    def __init__(self, engine: Engine, trace: EventTrace, *, full_codec: bool) -> None:
        self.engine = engine
        self.trace = trace
        self.accounting = Accounting()
        self.by_address: dict[str, EndOwner] = {}  # all there ever were, in the order they came
        self.walls: dict[int, tuple[frozenset[int], frozenset[int]]] = {}  # from, to: indices
        self._full_codec = full_codec
        self._paths: dict[tuple[LinkProfile, str, LinkProfile, str], Path] = {}
        self._links = 0
        self.watchers = Watchers()  # for faults that strike at a message
        self._lingering: dict[End, None] = {}  # closed with something held: TCP still tries

    # Sending

    def send(
        self, process: EndOwner, links: tuple[LinkId, ...], message: Any, depart_ns: int
    ) -> None:
        """One message on some links of a process, leaving at `depart_ns`."""
        kind = type(message)
        raw = kind is RawFrame
        frame = message.data if raw else encode_frame(message)
        size, count = len(frame), len(links)
        self.trace.note(depart_ns, process.index, crc32(frame))
        counters = process.machine.counters
        counters.messages_out += count
        counters.bytes_out += size * count
        accounting = self.accounting
        accounting.sent += count
        accounting.in_flight += count
        accounting.bytes_sent += size * count
        accounting.count_kind(kind, count, size)
        payload = frame if raw or self._full_codec else message
        answer = is_answer(payload)
        for link_id in links:  # a KeyError: the machine sends on a link that it knows is closed
            end = process.ends[link_id]
            if answer:
                end.unread_bytes += size
            self._transmit(end, self._arrive, payload, size, depart_ns)

    def _transmit(self, end: End, action: Action, payload: Any, size: int, depart_ns: int) -> None:
        """Let `action(far end, payload, size)` happen when that much has arrived there."""
        if end.held is not None:
            end.held.append((depart_ns, action, payload, size))
            return
        owner = end.owner
        due_ns, down_ns = end.path.carry(depart_ns, size, owner.rng, owner.uplink)
        if due_ns < end.last_due_ns:
            due_ns = end.last_due_ns
        end.last_due_ns = due_ns
        if down_ns:
            self.engine.at(due_ns, self._land, end.far, (action, payload, down_ns), size)
        else:
            self.engine.at(due_ns, action, end.far, payload, size)

    def _land(self, end: End, rest: tuple[Action, Any, int], size: int) -> None:
        """The receiver's own link takes one after the other, as they come to it: what is far away
        and sent first does not hold up what is near."""
        action, payload, down_ns = rest
        uplink = end.owner.uplink
        uplink.down_free_ns = due_ns = max(uplink.down_free_ns, self.engine.now_ns) + down_ns
        self.engine.at(due_ns, action, end, payload, size)

    def _arrive(self, end: End, payload: Message | bytes, size: int) -> None:
        """A message has reached the machine; it may have to wait for the process."""
        process = end.owner
        if self.watchers and not end.closed:
            self.watchers.tell(MessageStep.ARRIVES, process, payload)
        if end.closed:
            self.accounting.drop(1)
            self._reset_by(end)
        elif end.unserved or (end.unread_bytes and end.must_wait):
            end.unserved.append((payload, size))
            if len(end.unserved) == 1:
                self.engine.at(
                    self.engine.now_ns + STALL_NS, self._look_for_stall, end, end.unread_bytes
                )
        elif not process.is_busy:
            self._handle(end, payload, size)
        elif not process.queue_is_full:
            process.enqueue(self._handle, end, payload, size)
        else:
            self.accounting.drop(1)
            self._break(end, UnreachableError("it does not read what it asked for"))

    def _handle(self, end: End, payload: Message | bytes, size: int) -> None:
        """The process reads a message."""
        accounting, trace = self.accounting, self.trace
        accounting.in_flight -= 1
        if end.closed:
            accounting.dropped += 1
            return
        accounting.delivered += 1
        if self.watchers:
            self.watchers.tell(MessageStep.HANDLED, end.owner, payload)
        if is_answer(payload):
            self._was_read(end.far, size)
        trace.note(self.engine.now_ns, end.link_id, size)
        if trace.story is not None:
            trace.tell(self.engine.now_ns, f"{end.far.owner.name} -> {end.owner.name} {payload!r}")
        if type(payload) is not bytes:
            end.owner.receive(end.link_id, payload, size)  # type: ignore[arg-type]
            return
        if end.parser is None:
            end.parser = FrameParser()
        for message in end.parser.feed(payload):
            end.owner.receive(end.link_id, message, size)
            size = 0  # counted with the first

    def _was_read(self, end: End, size: int) -> None:
        """The far process has handled an answer: who sent it may go on to read."""
        end.unread_bytes -= size
        if end.unserved and not end.must_wait:
            unserved, end.unserved = end.unserved, deque()
            for payload, waiting in unserved:
                self.engine.at(self.engine.now_ns, self._arrive, end, payload, waiting)

    def _look_for_stall(self, end: End, unread_bytes: int, _: None) -> None:
        """A peer that has read nothing for so long is given up."""
        if end.closed or not end.unserved:
            return
        if end.unread_bytes >= unread_bytes:
            self._break(end, UnreachableError("it does not read what it asked for"))
        else:
            now_ns = self.engine.now_ns
            self.engine.at(now_ns + STALL_NS, self._look_for_stall, end, end.unread_bytes)

    # Opening

    def dial(self, process: EndOwner, effect: Connect, depart_ns: int) -> None:
        """Open a connection; the machine hears of it within its time-out."""
        self._knock(
            ConnectionAttempt(process, effect, depart_ns + process.dial_timeout_ns), 0, depart_ns
        )

    def _knock(self, dial: ConnectionAttempt, tries: int, now_ns: int) -> None:
        """The first segment leaves, or does so again."""
        process = dial.process
        target = dial.target = self.by_address.get(dial.effect.address)
        if target is None or self._no_way(process, target):
            again_ns = now_ns + (SYN_RETRY_NS << tries)
            if again_ns < dial.deadline_ns:
                self.engine.at(again_ns, self._knock, dial, tries + 1, again_ns)
            else:
                self._time_out(dial)
            return
        path = self.path(process, target)
        self.engine.at(now_ns + path.draw_ns(process.rng), self._knocked, dial, path)

    def _knocked(self, dial: ConnectionAttempt, path: Path, _: None) -> None:
        target, now_ns = dial.target, self.engine.now_ns
        assert target is not None
        if not target.alive:
            error = UnreachableError("connection refused")
            self.engine.at(now_ns + path.latency_ns, self._failed, dial, error)
            return
        # Back, the hello of TLS, its answer: the last two wait for the process.
        open_ns = max(now_ns, target.busy_until_ns) + 3 * path.latency_ns
        if not target.accepts or open_ns > dial.deadline_ns:
            self._time_out(dial)
        else:
            self.engine.at(open_ns, self._opened, dial, path)

    def _opened(self, dial: ConnectionAttempt, path: Path, _: None) -> None:
        process, target = dial.process, dial.target
        assert target is not None
        expected = dial.effect.node_id
        if not dial.process.runs(dial.machine):
            return
        if self._no_way(process, target):
            self._time_out(dial)
        elif not target.alive:
            self._failed(dial, UnreachableError("it ended the connection"), None)
        elif expected is not None and expected != target.machine.node_id:
            self._failed(dial, AuthenticationError("somebody else answers there"), None)
        else:
            near = End(process, LinkId(self._links + 1), path)
            far = End(target, LinkId(self._links + 2), self.path(target, process))
            self._links += 2
            near.far, far.far, far.accepted = far, near, False
            process.ends[near.link_id] = near
            target.ends[far.link_id] = far
            self._transmit(near, self._accept, None, 0, self.engine.now_ns)
            process.connected(near, dial.effect.address, incoming=False)

    def _accept(self, end: End, _: None, __: int) -> None:
        """The last of the handshake has come: the side that was dialled knows its peer."""
        if end.closed:
            self._reset_by(end)
        elif end.owner.is_busy:
            end.owner.enqueue(self._accepted, end)
        else:
            self._accepted(end)

    def _accepted(self, end: End, _: None = None, __: None = None) -> None:
        if not end.closed:
            end.accepted = True
            end.owner.connected(end, end.far.owner.address, incoming=True)

    def _time_out(self, dial: ConnectionAttempt) -> None:
        due_ns = max(self.engine.now_ns, dial.deadline_ns)
        error = UnreachableError(f"no answer in {dial.process.dial_timeout_ns / 1e9:g} s")
        self.engine.at(due_ns, self._failed, dial, error)

    def _failed(self, dial: ConnectionAttempt, error: P2PError, _: None) -> None:
        if dial.process.runs(dial.machine):
            dial.process.connect_failed(dial.effect, error)

    # Ending

    def close(self, end: End, depart_ns: int) -> None:
        """This side is done; the other hears of it after all that was sent."""
        self._drop_end(end)
        end.said_end = True
        self._transmit(end, self._ended, None, 0, depart_ns)
        if end.held is not None:
            self._lingering[end] = None

    def cut_power(self, end: End) -> None:
        """This side is gone and nothing says so. What it had still to send is lost."""
        self._drop_end(end)
        self._forget_held(end)

    def _drop_end(self, end: End) -> None:
        end.closed = True
        self.accounting.drop(len(end.unserved))
        end.unserved.clear()
        end.owner.ends.pop(end.link_id, None)

    def _forget_held(self, end: End) -> None:
        self.accounting.drop(end.count_held((self._arrive,)))
        if end.held:
            end.held.clear()

    def _ended(self, end: End, error: P2PError | None, _: int) -> None:
        """The far side has closed, or its process is gone."""
        if end.owner.is_busy:
            end.owner.enqueue(self._break, end, error)
        else:
            self._break(end, error)

    def _break(self, end: End, error: P2PError | None, _: None = None) -> None:
        """The connection is over for this side, which did not ask for that."""
        if end.closed:
            return
        self._drop_end(end)
        self._forget_held(end)
        if not end.said_end and not end.far.closed:
            end.said_end = True
            self._transmit(end, self._ended, None, 0, self.engine.now_ns)
        if end.accepted:
            end.owner.disconnected(end.link_id, error)

    def _reset_by(self, end: End) -> None:
        """Something came for a connection that this machine knows nothing of (any more)."""
        if not end.said_end and end.owner.alive:
            end.said_end = True
            error = UnreachableError("connection reset")
            self.engine.at(self.engine.now_ns + end.path.latency_ns, self._ended, end.far, error, 0)

    # Ways

    def path(self, source: EndOwner, target: EndOwner) -> Path:
        """The way from one to the other; the same object for all alike."""
        key = source.link, source.region, target.link, target.region
        path = self._paths.get(key)
        if path is None:
            path = Path(source.link, source.region, target.link, target.region)
            self._paths[key] = path
        return path

    def is_blocked(self, source: EndOwner, target: EndOwner) -> bool:
        """True if nothing gets from one to the other."""
        if source.silent or target.silent:
            return True
        if not self.walls:
            return False
        a, b = source.index, target.index
        return any(a in senders and b in receivers for senders, receivers in self.walls.values())

    def _no_way(self, one: EndOwner, other: EndOwner) -> bool:
        return self.is_blocked(one, other) or self.is_blocked(other, one)

    def ways_changed(self) -> None:
        """Walls or silences have come or gone: look at every connection again."""
        for process in self.by_address.values():
            for end in list(process.ends.values()):
                self._look_at(end)
        for end in list(self._lingering):
            self._look_at(end)

    def _look_at(self, end: End) -> None:
        now_ns, far = self.engine.now_ns, end.far
        there = self.is_blocked(end.owner, far.owner)
        dark = there or self.is_blocked(far.owner, end.owner)
        if not dark:
            if end.dark_since_ns is not None and far.closed:
                self.engine.at(now_ns + KEEP_IDLE_NS, self._probe, end)
            end.dark_since_ns = None
        elif end.dark_since_ns is None:
            end.dark_since_ns = now_ns
            self.engine.at(now_ns + KEEP_ALIVE_NS, self._give_up, end, now_ns)
        if there and end.held is None:
            end.held = []
        elif not there and end.held:  # what follows waits behind it
            self.engine.at(end.path.resumed_ns(end.held[0][0], now_ns), self._resume, end)
        elif not there:
            end.held = None

    def _resume(self, end: End, _: None, __: None) -> None:
        """TCP sends what was held, if the way is still open."""
        if end.held is None or self.is_blocked(end.owner, end.far.owner):
            return
        held, end.held = end.held, None
        self._lingering.pop(end, None)
        for depart_ns, action, payload, size in held:
            self._transmit(end, action, payload, size, max(depart_ns, self.engine.now_ns))

    def _probe(self, end: End, _: None, __: None) -> None:
        """TCP asks for a sign of life; a machine that has lost its power since resets."""
        if not end.closed and end.far.closed:
            self._reset_by(end.far)

    def _give_up(self, end: End, since_ns: int, _: None) -> None:
        """Nothing has been answered on this connection for long."""
        if end.dark_since_ns != since_ns:
            return
        if end.held:
            until_ns = end.held[0][0] + GIVE_UP_NS
            if until_ns > self.engine.now_ns:
                self.engine.at(until_ns, self._give_up, end, since_ns)
                return
        self._lingering.pop(end, None)
        if end.closed:
            self._forget_held(end)
        else:
            end.said_end = True
            self._break(end, UnreachableError("connection timed out"))

    # Accounting

    def count_in_flight(self) -> int:
        """Every message that is on its way, held, or waits for a process, counted one by one."""
        messages = (self._arrive, self._handle)
        count = 0
        for _, _, action, _, rest, _ in self.engine.events:
            count += (rest[0] if action == self._land else action) in messages
        for process in self.by_address.values():
            count += process.count_waiting(messages)
            ends = process.ends.values()
            count += sum(end.count_held(messages) + len(end.unserved) for end in ends)
        return count + sum(end.count_held(messages) for end in self._lingering)
