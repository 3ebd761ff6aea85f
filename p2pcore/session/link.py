"""A connection, a question in flight, and what is counted of both."""

from collections.abc import Sequence
from typing import ClassVar

from msgspec import Struct

from p2pcore.contact import Contact
from p2pcore.effects import Instant, LinkId
from p2pcore.errors import P2PError
from p2pcore.ids import NodeId
from p2pcore.session.round_trip import RoundTrip
from p2pcore.wire.messages import Message, Reply, Role

__all__ = ["ACCIDENTS", "SHORT_DELAY", "TIMING_NS", "Call", "Counters", "Link"]

TIMING_NS = 5_000_000  # between questions that are timed on a link: 200 a second teach enough
FIRST_WINDOW = 32  # units in flight to a peer of which nothing is known; see `routing/windows.py`
SHORT_DELAY = 5  # below 2.1 ms: nothing waits for long
UNTIMED_NS = 5_000_000_000  # without an answer; by then the peer is known not to be there

ACCIDENTS = (
    "late_replies", "links_broken", "links_refused", "misbehaved", "retries", "timeouts",
)  # fmt: skip
"""Counters that stay at 0 while nothing goes wrong."""


class Counters(Struct):
    """What a node or client has counted since it was made."""

    messages_in: int = 0
    messages_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    stores: int = 0  # records that we were asked to keep, those of batches included
    fetches: int = 0  # records that we were asked for, those of batches included
    links_opened: int = 0
    links_refused: int = 0  # by us or by them, before the greeting was over
    links_broken: int = 0
    links_evicted: int = 0  # idle ones of ours beyond `pool_size`
    pool_hits: int = 0  # questions to a node that was linked
    pool_misses: int = 0  # questions that had to wait for a connection
    misbehaved: int = 0
    late_replies: int = 0  # after they were given up, or never asked for
    hedges: int = 0  # reads that asked one replica more than they need, because they took long
    hedges_denied: int = 0  # for want of a token
    outliers: int = 0  # reads in which a replica was asked last for being slow
    waited: int = 0  # operations that waited here until nodes had room for them
    refused_busy: int = 0  # operations that waited in vain: BusyError
    timeouts: int = 0  # of questions to nodes that were linked
    retries: int = 0  # of operations, by a round through a coordinator or after a pause
    repairs: int = 0  # by reads
    not_ready: int = 0  # answers that did not count because our range was still to come
    syncs: int = 0  # sessions in which our records were compared with others'
    records_pulled: int = 0
    records_pushed: int = 0
    records_dropped: int = 0  # handed over to others and confirmed by them
    repair_bytes: int = 0  # of records pulled and pushed, overheads included
    values_recalled: int = 0  # read from disk, to be given or looked at
    values_damaged: int = 0  # on disk, not as they were written: written again, or pulled
    suspicions: int = 0  # of nodes that did not answer a ping in their time
    vouched: int = 0  # of these, ended by a witness
    requests_refused: int = 0  # what only nodes ask, and what was asked by who does not read
    requests_too_late: int = 0  # whose asker had stopped to wait before their turn came


class Link:
    """One connection. `role` is None until the peer has greeted."""

    __slots__ = (
        "address",
        "contact",
        "coordinating",
        "delay",
        "end_by_ns",
        "heard_ns",
        "hedges",
        "id",
        "incoming",
        "is_full",
        "late_ns",
        "limit",
        "load",
        "marked_ns",
        "opening_ns",
        "ours_to_close",
        "peer_id",
        "probed_ns",
        "retiring",
        "role",
        "round_trip",
        "shunned",
        "since_ns",
        "slots",
        "strain",
        "timed_id",
        "timed_ns",
        "timed_question",
        "unanswered",
        "used_ns",
        "watched",
        "window",
    )

    def __init__(self, link_id: LinkId, peer_id: NodeId, address: str, incoming: bool) -> None:
        self.id = link_id
        self.peer_id = peer_id
        self.address = address  # as dialled, or where it came from
        self.incoming = incoming
        self.role: Role | None = None
        self.end_by_ns = 0  # when it ends unless the peer has greeted, or though it is retiring
        self.heard_ns = 0
        self.since_ns = 0  # when the peer has greeted us
        self.opening_ns = 0  # from our dial to its greeting, where we have opened it
        self.used_ns = 0  # when the peer last answered a question of ours, pings aside
        self.contact: Contact | None = None
        self.coordinating = 0  # operations in flight that we run for this peer
        self.retiring = False  # nothing more is asked on it; see `pool.py` for this and the next
        self.ours_to_close = False
        self.marked_ns = 0  # when the turn of a mark without an id came
        self.timed_id = 0  # the call whose answer is timed; 0: none
        self.timed_ns = 0  # when it was asked, or the last one
        self.timed_question: Message | None = None
        self.strain = 0.0  # this and the next three: what `routing/estimates.py` thinks of the peer
        self.shunned = False
        self.late_ns = -1
        self.probed_ns = 0
        self.hedges = 0  # reads that asked another one while this peer was silent
        self.round_trip: RoundTrip | None = None  # of pings; None: not known yet
        self.unanswered: Sequence[int] = ()  # calls that were in flight when it was retired
        self.slots: dict[int, int] = {}  # units of each question in flight, oldest first
        self.load = 0  # their sum; this and the next five: see `routing/windows.py`
        self.limit = FIRST_WINDOW  # of the load: the window, rounded up
        self.window = float(FIRST_WINDOW)
        self.is_full = False  # whether the load has reached the window
        self.delay = 0  # that the peer has told last, if it was worth noting
        self.watched = False  # whether it was, or the link is full

    def time(self, call_id: int, question: Message, now: Instant) -> None:
        """Let the answer to this question be timed, unless that of another one is still to come."""
        if self.timed_id and now.mono_ns - self.timed_ns < UNTIMED_NS:
            return
        self.timed_id = call_id
        self.timed_ns = now.mono_ns
        self.timed_question = question


class Call:
    """One question in flight. Owners subclass it; all three methods may call back in."""

    __slots__ = ("due_ns", "id", "outstanding", "question", "units")

    is_timed: ClassVar[bool] = False
    """Whether the time that answers take says how quick the peer is."""

    plain_answers: ClassVar[tuple[type, ...]] = ()
    """Replies that no question of this kind can object to (see `answers.py`)."""

    def __init__(self, call_id: int, due_ns: int) -> None:
        self.question: Message | None = None  # what was asked last under this id
        self.id = call_id
        self.due_ns = due_ns
        self.units = 0  # that it takes of each asked node's window; 0: it is not counted
        self.outstanding: dict[NodeId, None] = {}  # a dict: sets of bytes have no stable order

    def replied(self, node_id: NodeId, reply: Reply, now: Instant) -> None:
        """A node that was asked has answered."""
        raise NotImplementedError

    def failed(self, node_id: NodeId, error: P2PError, now: Instant) -> None:
        """A node that was asked cannot be reached, or its link broke."""
        raise NotImplementedError

    def expired(self, now: Instant) -> None:
        """`due_ns` is over. The call stays in flight unless it is dropped or asked anew."""
        raise NotImplementedError
