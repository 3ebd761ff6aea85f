"""The links of a machine: greetings, requests and their replies, time-outs.

Theory of operation. The edge reports links whose peers are authenticated; both sides greet, and a
link counts only once the peer's own greeting came. A `Call` is one question put to one or several
nodes under one request id (so that it is encoded once): links that are missing are opened, each
reply is handed to its call, and the call fails for a node whose link breaks. Time-outs are found by
a sweep over the calls in flight every SWEEP_NS, not by a timer each. The same sweep gives up links
that are not worth keeping (see `pool.py`).

Rule: knows messages and connections, not what they mean: requests go to the handlers that its
owner registers.
"""

from collections.abc import Callable

from p2pcore.contact import Contact
from p2pcore.effects import Close, Connect, Effect, Instant, LinkId, Notice, Send
from p2pcore.errors import P2PError, UnreachableError
from p2pcore.ids import NodeId
from p2pcore.session.admission import Admission, AllowList
from p2pcore.session.dispatch import Dispatch, Handler
from p2pcore.session.greeting import error_of, farewell, greeting, refusal, unexplained, unknown
from p2pcore.session.link import TIMING_NS, Call, Counters, Link
from p2pcore.session.own_calls import OwnCalls
from p2pcore.session.pending import PendingCalls
from p2pcore.session.pool import Pool
from p2pcore.session.refusals import Refusals
from p2pcore.session.timeouts import Timeouts
from p2pcore.wire.messages import (
    REPLIES,
    Goodbye,
    Malformed,
    Message,
    Pong,
    Ready,
    Reason,
    Reply,
    Role,
    Settings,
    Unknown,
)

__all__ = ["GREETING_NS", "SWEEP_NS", "Links"]

SWEEP_NS = 50_000_000  # a time-out is noticed at most this late; ten times a loaded round trip
GREETING_NS = 5_000_000_000  # a peer that has nothing to say for so long is not one of ours


class Links:
    """The links and calls of one node or client.

    Args:
        self_id: our authenticated id.
        role: what we are.
        effects: where effects go, in order.
        settings: the network's, for a node; None for a client, which learns them.
        max_links: incoming links beyond this are told to go away (see `admission.py`).
        pool_size: outgoing links beyond this are given up when they are idle.
    """

    __slots__ = (
        "_by_node", "_effects", "_max_links", "_next_call_id", "_pending", "_refusals", "_to_self",
        "_ungreeted", "address", "admission", "by_id", "calls", "counters", "enough", "handlers",
        "keep_slots", "on_expelled", "on_link", "on_link_lost", "on_unreachable", "own", "pool",
        "receive", "receive_read", "role", "self_id", "settings", "slow", "teach", "timeouts",
        "wake_at_ns",
    )  # fmt: skip

    def __init__(
        self, self_id: NodeId, role: Role, effects: list[Effect], *,
        settings: Settings | None, max_links: int, pool_size: int,
    ) -> None:  # fmt: skip
        self.self_id = self_id
        self.role = role
        self.address = ""  # where others reach us; known once the edge listens
        self.settings = settings
        self.counters = Counters()
        self.by_id: dict[LinkId, Link] = {}
        self.calls: dict[int, Call] = {}
        self.pool = pool = Pool(self_id, pool_size, self.calls)
        self._by_node = pool.by_node
        self._pending = pending = PendingCalls(self.counters, self.accuse, self.calls, pool.by_node)
        self.slow, self.enough, self.teach = pending.slow, pending.enough, pending.teach
        self.keep_slots = pending.keep_slots
        dispatch = Dispatch(self.by_id, self.accuse)
        self.receive, self.receive_read = dispatch.receive, dispatch.receive_read
        self.handlers = dispatch.handlers
        common: dict[type, Handler] = {
            Ready: self._on_ready,
            Goodbye: self._on_goodbye,
            Unknown: lambda link, message, now: self.reply(link, unknown(message)),
            Malformed: lambda link, message, now: self.accuse(link, message.text, now),
            **dict.fromkeys(REPLIES, pending.on_reply),
            Pong: pending.on_pong,
        }
        self.handlers |= common
        self.on_link: Callable[[Link, Instant], None] = _ignore
        self.on_link_lost: Callable[[Link, bool, Instant], None] = _ignore
        self.on_unreachable: Callable[[str, NodeId | None, P2PError, Instant], None] = _ignore
        self.on_expelled: Callable[[P2PError], None] = _ignore
        self._effects = effects
        self._refusals = Refusals(lambda text: effects.append(Notice(text)))
        self._max_links = max_links
        self.admission = Admission()
        self._ungreeted: dict[LinkId, Link] = {}  # oldest first
        self.timeouts = Timeouts(self_id, self._by_node)
        self.own = own = OwnCalls(self_id, self.calls, self.handlers)
        self._to_self, self._next_call_id = own.link, 0
        self.wake_at_ns: int | None = None  # when `handle_timer` has work, in monotonic ns

    # What the edge reports

    def connected(
        self, link_id: LinkId, peer_id: NodeId, address: str, *, incoming: bool, now: Instant
    ) -> None:
        """A link to an authenticated peer is open; both sides greet."""
        link = self.by_id[link_id] = Link(link_id, peer_id, address, incoming)
        link.end_by_ns = now.mono_ns + GREETING_NS
        self.admission.add(link)
        self._ungreeted[link_id] = link
        self._arm_sweep(now)
        if peer_id == self.self_id:
            self._turn_away(link, Reason.SELF, "that is this node itself", now)
        elif (no := self.admission.objection(link, self._max_links)) is not None:
            self._turn_away(link, *no, now)
        else:
            self._effects.append(Send((link_id,), greeting(self.role, self.address, self.settings)))

    def disconnected(self, link_id: LinkId, error: P2PError | None, now: Instant) -> None:
        """A link ended that we did not close: the peer did, or the network."""
        link = self.by_id.get(link_id)
        if link is None:
            return
        if link.role is None and link.incoming:
            self._refusals.add(link.address, "it left before its greeting", now)
        elif link.role is None:
            error = error or unexplained(link.address)
        elif not link.retiring:
            self.counters.links_broken += 1
        self._forget(link, error or UnreachableError(f"{link.address} closed the link"), now)

    def connect_failed(
        self, address: str, node_id: NodeId | None, error: P2PError, now: Instant
    ) -> None:
        """A link that we asked for could not be opened."""
        self.timeouts.failed(address)
        if node_id is not None:
            self.slow.pop(node_id, None)
            self._pending.unreachable(node_id, error, now)
        self.on_unreachable(address, node_id, error, now)

    # Asking

    def new_call_id(self) -> int:
        """A request id that was never used here."""
        self._next_call_id += 1
        return self._next_call_id

    def ask(self, call: Call, contacts: list[Contact], message: Message, now: Instant) -> None:
        """Put one question to several nodes; links that are missing are opened."""
        call_id, units, is_new = call.id, call.units, call.question is None
        self.calls[call_id] = call
        call.question = message
        if self.wake_at_ns is None:
            self.wake_at_ns = now.mono_ns + SWEEP_NS
        links, timing_ns = [], now.mono_ns - TIMING_NS if call.is_timed else 0
        by_node, outstanding = self._by_node, call.outstanding
        for contact in contacts:
            node_id = contact.node_id
            outstanding[node_id] = None
            link = by_node.get(node_id)
            if link is not None:
                links.append(link.id)
                if link.timed_ns < timing_ns:
                    link.time(call_id, message, now)
                if units and (is_new or call_id not in link.slots):
                    link.slots[call_id] = units
                    link.load = load = link.load + units
                    if load >= link.limit and not link.is_full:
                        self._pending.slots.taken(link)
            elif node_id != self.self_id:
                self.counters.pool_misses += 1
                self.connect(contact.address, node_id, now)
                self._pending.waiting[node_id].append((call, message))
        if links:
            self.counters.pool_hits += len(links)
            self._effects.append(Send(tuple(links), message))
        if self.self_id in outstanding:
            self.own.ask(call, message, now)

    def tell(
        self, contacts: list[Contact], message: Message, now: Instant, *, answered: bool = False
    ) -> None:
        """Send to those that are linked, and to ourselves; if it is `answered`, to no purpose."""
        linked = [c.node_id for c in contacts if c.node_id in self._by_node]
        if linked:
            self._effects.append(Send(tuple(self._by_node[node].id for node in linked), message))
            self._pending.expect(linked if answered else ())
        if any(contact.node_id == self.self_id for contact in contacts):
            self.own.tell(message, now)
            self.own.reply = None

    def give_up(self, node_id: NodeId, text: str, now: Instant) -> None:
        """The link to this node is dead though nothing said so: close it."""
        link = self._by_node.get(node_id)
        if link is not None:
            self._effects.append(Close(link.id, text))
            self.counters.links_broken += 1
            self._forget(link, UnreachableError(f"{link.address}: {text}"), now)

    def watch(self, call: Call, now: Instant) -> None:
        """Let the sweep end this call at its `due_ns` though nobody is asked yet."""
        self.calls[call.id] = call
        self._arm_sweep(now)

    def drop(self, call: Call) -> None:
        """The call is over; replies that still come are late."""
        self.calls.pop(call.id, None)

    def is_linked(self, node_id: NodeId) -> bool:
        """True if a question to this node needs no new connection."""
        return node_id in self._by_node

    def linked_nodes(self) -> list[Contact]:
        """Nodes that we can talk to at once, longest connected first."""
        return [link.contact for link in self._by_node.values() if link.contact is not None]

    def connect(
        self, address: str, node_id: NodeId | None, now: Instant, *, anyway: bool = False
    ) -> None:
        """Open a link with no question waiting for it; `anyway`, though the node is being
        dialled already, which may be at another address."""
        waiting = self._pending.waiting
        if node_id is not None:
            if node_id in self._by_node or (node_id in waiting and not anyway):
                return
            waiting.setdefault(node_id, [])
        self.timeouts.dialled(address, now)
        self._effects.append(Connect(address, node_id))

    # Answering

    def reply(self, link: Link, reply: Reply) -> None:
        """Answer a request that came on this link."""
        if link is self._to_self:
            self.own.reply = reply
        elif link.id in self.by_id:
            self._effects.append(Send((link.id,), reply))

    def reply_late(self, link: Link, reply: Reply, now: Instant) -> None:
        """Answer a request in another turn than that in which it came."""
        if link is self._to_self:
            self.own.answer_late(reply, now)
        else:
            self.reply(link, reply)

    def allow(self, allowed: AllowList | None, now: Instant) -> None:
        """From now on, only these may link; links of others are closed."""
        self.admission.allowed = allowed
        for link in list(self.by_id.values()):
            no = self.admission.expels(link, link.role)
            if no is not None and link.id in self.by_id:
                self._turn_away(link, *no, now)

    def accuse(self, link: Link, text: str, now: Instant) -> None:
        """The peer has done what no honest one does: it is told so, and the link ends."""
        if link.id in self.by_id:
            self._turn_away(link, Reason.MISBEHAVED, text, now)

    def goodbye(self, text: str) -> None:
        """Tell everybody that we leave, and close every link."""
        links = tuple(self.by_id)
        if links:
            self._effects.append(Send(links, Goodbye(Reason.SHUTDOWN, text)))
        self._effects.extend(Close(link_id, text) for link_id in links)
        self.admission.clear()
        self.pool.clear()
        for table in (self.by_id, self._ungreeted, self._pending.waiting, self.calls):
            table.clear()

    # Time

    def handle_timer(self, now: Instant) -> None:
        """Expire the calls that are due, and end links whose time is over."""
        if self.wake_at_ns is None or now.mono_ns < self.wake_at_ns:
            return
        self.wake_at_ns = None
        if self._pending.expire(now):
            self.wake_at_ns = now.mono_ns  # they and what follows have another turn
            return
        for link in list(self._ungreeted.values()):
            if now.mono_ns < link.end_by_ns:
                break
            self._turn_away(link, Reason.IDLE, "no greeting in time", now)
        for link in self.pool.surplus():
            self.counters.links_evicted += 1
            self._retire(link, f"more than {self.pool.size} links, this one was used least", now)
        self._close_retired(now)
        self._refusals.tally(now)
        if self.wake_at_ns != now.mono_ns:  # the next turn has nothing to do
            busy = self.calls or self._ungreeted or self.pool.unsettled or self._refusals.pending
            busy = self._pending.slots.sweep(now) or busy
            self.wake_at_ns = now.mono_ns + SWEEP_NS if busy else None

    def _arm_sweep(self, now: Instant) -> None:
        if self.wake_at_ns is None:
            self.wake_at_ns = now.mono_ns + SWEEP_NS

    # Handlers of what every peer may say

    def _on_ready(self, link: Link, message: Ready, now: Instant) -> None:
        ours = greeting(self.role, self.address, self.settings)
        no = refusal(link, ours, message) or self.admission.expels(link, message.role)
        if no is not None:
            self._turn_away(link, *no, now)
            return
        link.role = message.role
        del self._ungreeted[link.id]
        self.timeouts.greeted(link, now)
        self.counters.links_opened += 1
        if message.role is Role.NODE:
            link.contact = Contact.of(link.peer_id, message.address)
            self.settings = self.settings or message.settings
            for question in self._pending.linked(link.peer_id):
                self._effects.append(Send((link.id,), question))
            second = self.pool.add(link, now)
            if self.pool.is_outlived_by(link, now):
                self.give_up(link.peer_id, "the node has come back on another link", now)
            elif second is not None:
                self._retire(second, "there is another link between us", now)
        self.on_link(link, now)

    def _on_goodbye(self, link: Link, message: Goodbye, now: Instant) -> None:
        if message.reason == Reason.SURPLUS and link.role is not None:
            self.pool.retire(link, now, by_peer=True)
            self._close_retired(now)
            self._arm_sweep(now)
            return
        error = farewell(message, link.address)
        self._effects.append(Close(link.id, str(error)))
        if link.role is None:
            self._effects.append(Notice(str(error)))
        if message.reason == Reason.NOT_ALLOWED:
            self.on_expelled(error)
        planned = message.reason in (Reason.SHUTDOWN, Reason.NOT_ALLOWED)
        self._forget(link, error, now, planned)

    # Ends

    def _retire(self, link: Link, text: str, now: Instant) -> None:
        """A link that we have opened is not worth keeping: the peer is to close it."""
        self._effects.append(Send((link.id,), Goodbye(Reason.SURPLUS, text)))
        self.pool.retire(link, now, by_peer=False)

    def _close_retired(self, now: Instant) -> None:
        for link in self.pool.to_close(now):
            text = "one of the two has enough links"
            self._effects.append(Close(link.id, text))
            self._forget(link, UnreachableError(f"{link.address}: {text}"), now)

    def _turn_away(self, link: Link, reason: Reason, text: str, now: Instant) -> None:
        if reason is Reason.MISBEHAVED:
            self.counters.misbehaved += 1
        text = text[:400]
        self._effects.append(Send((link.id,), Goodbye(reason, text)))
        self._effects.append(Close(link.id, text))
        self._refusals.add(link.address, text, now)
        self._arm_sweep(now)
        error = error_of(reason, f"refused {link.address}: {text}")
        self._forget(link, error, now, planned=reason is Reason.NOT_ALLOWED)

    def _forget(self, link: Link, error: P2PError, now: Instant, planned: bool = False) -> None:
        del self.by_id[link.id]
        self.admission.remove(link)
        if not link.retiring:
            self.slow.pop(link.peer_id, None)
        if link.role is None:
            del self._ungreeted[link.id]
            self.counters.links_refused += 1
            if not link.incoming:
                self.timeouts.failed(link.address)
                self._pending.unreachable(link.peer_id, error, now)
                self.on_unreachable(link.address, link.peer_id, error, now)
            return
        if self.pool.remove(link):
            self._pending.unneeded.pop(link.peer_id, None)
            self._pending.fail(self.calls.values(), link.peer_id, error, now)
        elif link.retiring:
            self._pending.fail(self.pool.waiting(link), link.peer_id, error, now)
        self._pending.slots.ended(link, now)
        if planned or not link.retiring:
            self.on_link_lost(link, planned, now)


def _ignore(*_: object) -> None:
    """Stands for a hook that is not set."""
