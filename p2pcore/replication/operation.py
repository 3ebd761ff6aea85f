"""What a store and a retrieve have in common: a place, a deadline, rounds of asking, an end.

Theory of operation. An operation finds its key's replicas, asks them directly, and counts what
comes back. A round that cannot succeed any more, or takes longer than such answers do (see
`session/timeouts.py`), is followed by another: first through a coordinator that we are linked to
(it may reach whom we can't), then directly again, after a pause that doubles. Rounds are paid for
(`routing/budget.py`). All rounds carry the same request id and version, so an answer counts
whenever it comes, and nothing is stored twice. The caller's deadline ends it.

    state       while                                    then
    PLACING     its replicas are looked up               ASKING, QUEUED, DELEGATED, PAUSING
    QUEUED      they have no room (`routing/windows.py`)  ASKING
    ASKING      a round goes on                          DELEGATED, PAUSING, PLACING
    DELEGATED   a coordinator does it for us             PAUSING, PLACING
    PAUSING     it waits for the next round              PLACING, ASKING, QUEUED

A round is followed by the next one from PLACING and ASKING alone: in the other states one is on its
way already. Back to PLACING goes a pause that is over, and a write that is versioned anew. What a
lookup finds ends a pause; where a round goes on already, it comes too late. In every state it may
be over, which is to say that it is none of the calls in flight any more.

Rule: one subclass per kind of operation says whom to ask, what an answer means and when it is
enough; nothing here knows of records.
"""

import enum

from p2pcore.contact import Contact, point_of
from p2pcore.effects import Done, Instant
from p2pcore.errors import (
    BusyError,
    ClockOffsetError,
    DeadlineError,
    P2PError,
    QuorumError,
    RefusedError,
    StorageFullError,
)
from p2pcore.ids import Key, NodeId
from p2pcore.replication.operation_context import OperationContext
from p2pcore.replication.refusals import ERRORS
from p2pcore.routing.hedges import HedgeableCall
from p2pcore.routing.waiting import Priority
from p2pcore.session.link import Call
from p2pcore.wire.messages import (
    Failed,
    Get,
    NotReady,
    NotReplica,
    Put,
    Reply,
    words_of,
)

__all__ = ["Operation", "OperationState"]

DELEGATED_ROUNDS = 4  # a coordinator may need some of its own, or may hang
FIRST_PAUSE_NS = 25_000_000  # long enough for a node that restarts its listener
LONGEST_PAUSE_NS = 1_000_000_000


class OperationState(enum.Enum):
    """Where an operation is on its course; the table is at the top."""

    PLACING = enum.auto()
    QUEUED = enum.auto()
    ASKING = enum.auto()
    DELEGATED = enum.auto()
    PAUSING = enum.auto()


PLACING, QUEUED, ASKING, DELEGATED, PAUSING = OperationState  # global names are quicker to read
LOOKING = (PLACING, PAUSING)  # what a lookup finds is used


class Operation(HedgeableCall):
    """One store, delete or retrieve, from the call to the result."""

    __slots__ = (
        "_context",
        "_deadline_ns",
        "_delegated",
        "_done",
        "_last_error",
        "_located",
        "_round",
        "_state",
        "began_ns",
        "key",
        "needed",
        "point",
        "priority",
        "replicas",
    )
    verb = "operation"
    is_timed = True
    may_choose = False

    def __init__(
        self,
        context: OperationContext,
        key: Key,
        deadline_ns: int,
        done: Done,
        priority: Priority,
        needed: int,
    ) -> None:
        super().__init__(context.links.new_call_id(), deadline_ns)
        self.key = key
        self.priority = priority
        self.point = point_of(key)
        self.replicas: list[Contact] = []
        self.needed = needed  # the size of the quorum
        self._context = context
        self._deadline_ns = deadline_ns
        self._done = done
        self._round = 0
        self._located = False  # whether `replicas` was looked up for this operation
        self._state = PLACING
        self._delegated: _Delegation | None = None  # while it is DELEGATED
        self._last_error: P2PError | None = None
        self.began_ns = 0
        self.units = context.windows.unit
        context.budget.operations += 1

    # What a kind of operation decides

    def progress(self) -> int:
        """How many replicas count towards it so far."""
        raise NotImplementedError

    def ask_replicas(self, now: Instant) -> None:
        """Put the question to `replicas`: the beginning of a round."""
        raise NotImplementedError

    def settle(self, now: Instant) -> None:
        """A replica will not answer this round: ask another, or call `next_round`."""
        raise NotImplementedError

    def delegation(self, call_id: int, budget_ms: int) -> Put | Get:
        """The request to a coordinator to do all of this for us."""
        raise NotImplementedError

    def delegated_reply(self, reply: Reply, now: Instant) -> bool:
        """The coordinator's answer. Returns whether it was one that ends the operation."""
        raise NotImplementedError

    # The course of an operation

    def start(self, now: Instant) -> None:
        """Find the replicas and ask them."""
        links, context = self._context.links, self._context
        self._state = PLACING
        links.calls[self.id] = self
        if not self._round:
            self.began_ns = now.mono_ns
        count = context.settings.replicas
        replicas = context.directory.replicas(self.point, count, now)
        if replicas is not None and (len(replicas) >= count or self._located):
            self._ask(replicas, now)
        else:
            links.watch(self, now)
            context.directory.locate(self.point, count, now, self._placed)

    def cancel(self) -> None:
        """Give up: the caller does not wait for the result."""
        self._context.links.enough(self)
        if self._delegated is not None:
            self._context.links.enough(self._delegated)

    def finish(self, result: object, now: Instant) -> None:
        """The end; happens once."""
        self._context.links.enough(self)
        if self._delegated is not None:
            self._context.links.enough(self._delegated)
        self._done(result, now)

    @property
    def over(self) -> bool:
        """True if there is a result, or nobody waits for one."""
        return self._context.links.calls.get(self.id) is not self

    def _placed(self, found: list[Contact] | P2PError, now: Instant) -> None:
        if self.over or self._state not in LOOKING:
            return
        if isinstance(found, P2PError):
            self._last_error = found
            self._context.bootstrap.ensure(now, self._back_in)
            return
        self._located = True
        self._ask(found, now)

    def _back_in(self, error: P2PError | None, now: Instant) -> None:
        """The network was out of reach; the bootstrap addresses were tried again."""
        if self.over or self._state is not PLACING:
            return
        self._last_error = error or self._last_error
        self._pause(now)

    def _ask(self, replicas: list[Contact], now: Instant, *, in_turn: bool = False) -> None:
        if len(replicas) < self.needed and not self._round and self._context.may_delegate:
            self.replicas = replicas
            self.next_round(now)  # a coordinator may reach those that we can't
            return
        if len(replicas) < self.needed:
            text = (
                f"{self.verb} needs {self.needed} replicas, "
                f"the network has {len(replicas)} node(s) that can be reached"
            )
            self._last_error = QuorumError(text, got=len(replicas), needed=self.needed)
            if self._context.links.slow:
                self._located = False
                self._round += 1
                self._pause(now)  # there may be more nodes, which did not answer in time
            else:
                self.finish(self._last_error, now)
            return
        self.replicas = replicas
        windows = self._context.windows
        if (
            windows.full
            and not in_turn
            and not windows.admits(self, replicas, self.needed, self._deadline_ns, now)
        ):
            self._state = QUEUED
            self.due_ns = self._deadline_ns
            return
        wait_ns = self._context.links.timeouts.of(replicas, now)
        self.due_ns = min(self._deadline_ns, now.mono_ns + wait_ns)
        self._state = ASKING
        self.ask_replicas(now)

    def begin(self, now: Instant) -> None:
        """Nodes have room: what was waited for that does not count as theirs."""
        self.began_ns = now.mono_ns
        self._ask(self.replicas, now, in_turn=True)

    def refuse(self, error: BusyError, now: Instant) -> None:
        """They had none in time."""
        self.finish(error, now)

    def refused(self, reply: Reply, now: Instant) -> None:
        """A replica or coordinator said no, or is none."""
        if isinstance(reply, Failed):
            kind = ERRORS.get(reply.reason, RefusedError)
            self._last_error = kind(reply.text or words_of(reply.reason))
        elif isinstance(reply, NotReady):
            self._last_error = RefusedError("a replica has not been given its range yet")
        elif isinstance(reply, NotReplica):
            self._context.directory.invalidate(self.point, now)

    def failed(self, node_id: NodeId, error: P2PError, now: Instant) -> None:
        """A replica can't be reached."""
        self._last_error = error
        self.settle(now)

    def expired(self, now: Instant) -> None:
        """A pause, a round or the whole operation has taken its time."""
        if now.mono_ns >= self._deadline_ns:
            self.finish(self._too_late(), now)
        elif self._state is PAUSING:
            self.start(now)
        else:
            self.next_round(now)

    def next_round(self, now: Instant) -> None:
        """This round can't succeed: try through a coordinator, or pause and try again."""
        if self._state is not ASKING and self._state is not PLACING:
            return  # the next round is on its way
        self._located = False
        self._context.directory.invalidate(self.point, now)
        self._context.links.counters.retries += 1
        self._round += 1
        if not self._context.budget.charge(now):
            self._pause(now, LONGEST_PAUSE_NS)
            return
        if self._context.may_delegate and self._round % 2 and self._delegate(now):
            return
        self._pause(now)

    def _pause(self, now: Instant, least_ns: int = 0) -> None:
        pause_ns = min(LONGEST_PAUSE_NS, max(least_ns, FIRST_PAUSE_NS << min(self._round, 10)))
        pause_ns = round(pause_ns * self._context.rng.uniform(0.5, 1.0))
        self._state = PAUSING
        self.due_ns = min(self._deadline_ns, now.mono_ns + pause_ns)
        self._context.links.watch(self, now)

    def _delegate(self, now: Instant) -> bool:
        asked = {contact.node_id: None for contact in self.replicas}
        windows = self._context.windows
        linked = [c for c in self._context.links.linked_nodes() if not windows.is_busy(c.node_id)]
        # Somebody new who has room, if there is.
        linked.sort(key=lambda c: (not windows.has_room(c.node_id), c.node_id in asked))
        round_ns = self._context.links.timeouts.of([*self.replicas, *linked[:1]], now)
        budget_ns = min(self._deadline_ns - now.mono_ns, DELEGATED_ROUNDS * round_ns)
        budget_ms = budget_ns // 1_000_000
        if not linked or budget_ms <= 0:
            return False
        self._state = DELEGATED
        self.due_ns = self._deadline_ns
        call_id = self._context.links.new_call_id()
        self._delegated = _Delegation(call_id, now.mono_ns + budget_ns + round_ns, self)
        message = self.delegation(call_id, budget_ms)
        self._context.links.ask(self._delegated, linked[:1], message, now)
        return True

    def delegation_over(self, reply: Reply | None, now: Instant) -> None:
        """The coordinator answered, or is gone."""
        if self._delegated is not None:
            self._context.links.enough(self._delegated)
            self._delegated = None
        if self.over or (reply is not None and self.delegated_reply(reply, now)):
            return
        if reply is not None:
            self.refused(reply, now)
        self._pause(now)

    def _too_late(self) -> P2PError:
        if isinstance(self._last_error, StorageFullError | ClockOffsetError | BusyError):
            return self._last_error
        reason = f"; last: {self._last_error}" if self._last_error else ""
        return DeadlineError(
            f"{self.verb}: {self.progress()} of {self.needed} replicas took part in time{reason}"
        )


class _Delegation(Call):
    """The question to a coordinator, on behalf of an operation."""

    __slots__ = ("_operation",)

    def __init__(self, call_id: int, due_ns: int, operation: Operation) -> None:
        super().__init__(call_id, due_ns)
        self.units = operation.units
        self._operation = operation

    def replied(self, node_id: NodeId, reply: Reply, now: Instant) -> None:
        self._operation.delegation_over(reply, now)

    def failed(self, node_id: NodeId, error: P2PError, now: Instant) -> None:
        self._operation.delegation_over(None, now)

    def expired(self, now: Instant) -> None:
        self._operation.delegation_over(None, now)
