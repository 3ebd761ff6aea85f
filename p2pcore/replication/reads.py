"""Quorum reads: who is asked, which answer wins, who is repaired.

Source: DeCandia et al., "Dynamo: Amazon's Highly Available Key-value Store", sections 4.5 (quorums)
and 4.7 (read repair).
"""

from p2pcore.contact import Contact
from p2pcore.effects import Done, Instant, budget_of
from p2pcore.errors import KeyNotFoundError, P2PError
from p2pcore.ids import Key, NodeId
from p2pcore.replication.naming import is_false_name
from p2pcore.replication.operation import Operation
from p2pcore.replication.operation_context import OperationContext
from p2pcore.routing.waiting import NORMAL, Priority
from p2pcore.session.answers import PLAIN_ANSWERS
from p2pcore.session.link import Call
from p2pcore.versions import wall_ms_of
from p2pcore.wire.messages import Fetch, Found, Get, Missing, Reply, Store

__all__ = [
    "ReadOperation",
    "agreed_of",
    "is_false",
    "newest_of",
    "repair",
    "result_of",
]


class ReadOperation(Operation):
    """A retrieve. Its result is a Found that holds a value, or a KeyNotFoundError."""

    __slots__ = ("_answers", "_asked", "_extra", "_name")
    verb = "retrieve"
    may_choose = True
    plain_answers = PLAIN_ANSWERS[Fetch]

    def __init__(
        self,
        context: OperationContext,
        key: Key,
        name: str | bytes,
        deadline_ns: int,
        done: Done,
        priority: Priority = NORMAL,
    ) -> None:
        super().__init__(context, key, deadline_ns, done, priority, context.settings.reads)
        self._name = name
        self._asked = 0  # of `replicas`, which are asked in order
        self._extra = False  # whether more were asked than are needed
        self._answers: dict[NodeId, Found | Missing] = {}

    def progress(self) -> int:
        return len(self._answers)

    def ask_replicas(self, now: Instant) -> None:
        # Begin with another replica each time, so that a hot key has N nodes to serve it.
        context, replicas = self._context, self.replicas
        first = self.id % len(replicas)
        self.replicas = replicas[first:] + replicas[:first]
        if slow := context.links.slow:
            self.replicas.sort(key=lambda contact: contact.node_id in slow)
        absent = context.directory.absent
        if absent.contacts:
            count = context.settings.replicas
            self.replicas = absent.ready_first(self.replicas, self.point, count, now)
        self._answers.clear()
        self._asked = 0
        count = self.needed
        if context.estimates.alert:
            count = self._plan(count, now)
        if full := context.windows.full:
            self.replicas.sort(key=lambda contact: contact.node_id in full)
        wait_ns = context.pace.wait_ns
        if wait_ns and not self._round:
            self.hedge_ns = wait_ns = self.began_ns + wait_ns
            if context.hedges.wake_at_ns is None:
                context.hedges.wake_at_ns = wait_ns
        self._ask_next(count, now)

    def _plan(self, needed: int, now: Instant) -> int:
        """Slow replicas are asked last. Returns how many to ask."""
        planned, count = self._context.estimates.plan(self.replicas, needed, now)
        if planned is not self.replicas:
            self._context.links.counters.outliers += 1
            self.replicas, self._extra = planned, count > needed
        return count

    def hedge(self, now: Instant) -> None:
        """It takes long: ask one replica more, and much later all that are left."""
        context, left = self._context, len(self.replicas) - self._asked
        if self._round or not left or len(self._answers) >= self.needed:
            self.hedge_ns = 0
        elif self.hedged:
            self.hedge_ns = 0
            if context.budget.charge(now):
                self._ask_extra(left, now)
        else:
            self.hedged = True
            self.hedge_ns = max(now.mono_ns + 1, self.began_ns + context.pace.patience_ns)
            missed = [
                context.estimates.missed(node_id, self.began_ns, now)
                for node_id in self.outstanding
            ]
            if not any(missed):
                return  # they answer others meanwhile: they are busy, and so may the next one be
            next_id = self.replicas[self._asked].node_id
            if context.windows.has_room(next_id) and context.budget.take(now):
                self._ask_extra(1, now)
            else:
                context.links.counters.hedges_denied += 1

    def _ask_extra(self, count: int, now: Instant) -> None:
        self._context.links.counters.hedges += 1
        self._extra = True
        self._ask_next(count, now)

    def _ask_next(self, count: int, now: Instant) -> None:
        targets = self.replicas[self._asked : self._asked + count]
        self._asked += len(targets)
        budget = budget_of(self._deadline_ns - now.mono_ns)
        self._context.links.ask(self, targets, Fetch(self.id, self.key, budget), now)

    def replied(self, node_id: NodeId, reply: Reply, now: Instant) -> None:
        if type(reply) is Found or type(reply) is Missing:
            answers = self._answers
            answers[node_id] = reply
            if len(answers) >= self.needed:
                self._conclude(now)
            return
        self.refused(reply, now)
        self.settle(now)

    def settle(self, now: Instant) -> None:
        missing = self.needed - len(self._answers) - len(self.outstanding)
        if self.over:
            return
        if missing <= 0:
            if not self.outstanding:  # one more was asked about a false version, and refuses
                self._conclude(now)
            return
        if len(self.replicas) - self._asked >= missing:
            self._ask_next(missing, now)
        else:
            self.next_round(now)

    def expired(self, now: Instant) -> None:
        """Slow replicas are not waited for while there are others."""
        self._extra = True
        if len(self._answers) >= self.needed:  # one more was asked about a false version
            self._asked = len(self.replicas)
            self._conclude(now)
        elif self._asked < len(self.replicas) and now.mono_ns < self._deadline_ns:
            wait_ns = self._context.links.timeouts.of(self.replicas[self._asked :], now)
            self.due_ns = min(self._deadline_ns, now.mono_ns + wait_ns)
            self._ask_next(len(self.replicas), now)
        else:
            super().expired(now)

    def _conclude(self, now: Instant) -> None:
        """Enough answers: the newest wins, and those that lack it get it."""
        if not self._round:
            pace = self._context.pace
            pace.turn -= 1
            if not pace.turn:
                pace.observe(now.mono_ns - self.began_ns)
        agreed = agreed_of(self._answers)
        if agreed is not None:
            if self._extra:
                self._finish_ahead(agreed, agreed, now)
            else:
                self.finish(agreed, now)
            return
        newest = newest_of(self._answers, now.wall_ms)
        if newest is not None and is_false(self._context, newest, now):
            answers = self._answers.items()
            believed = {
                node: each for node, each in answers if not is_false(self._context, each, now)
            }
            if len(believed) >= self.needed:
                self._answers, newest = believed, newest_of(believed, now.wall_ms)
            elif self._asked < len(self.replicas):
                self._ask_next(1, now)
                return
        if newest is not None:
            repair(self._context, self.key, self.replicas, self._answers, newest, now)
        self._finish_ahead(result_of(newest, self._name), newest, now)

    def _finish_ahead(self, result: object, newest: Found | None, now: Instant) -> None:
        """It is over; answers that are still to come may repair."""
        still, self.outstanding = self.outstanding, {}
        self.finish(result, now)
        if still:
            _Afterwards(self, still, self._answers, newest, now)

    def delegation(self, call_id: int, budget_ms: int) -> Get:
        return Get(call_id, self.key, budget_ms)

    def delegated_reply(self, reply: Reply, now: Instant) -> bool:
        if not isinstance(reply, Found | Missing):
            return False
        self.finish(result_of(reply, self._name), now)
        return True


class _Afterwards(Call):
    """What a read still hears of when it is over: an answer that was overtaken by others may be the
    newest, or one of a replica that is behind. Each is repaired once."""

    __slots__ = ("_answers", "_context", "_key", "_newest", "_replicas")
    plain_answers = PLAIN_ANSWERS[Fetch]

    def __init__(
        self,
        read: ReadOperation,
        outstanding: dict[NodeId, None],
        answers: dict[NodeId, Found | Missing],
        newest: Found | None,
        now: Instant,
    ) -> None:
        context = read._context
        due_ns = now.mono_ns + context.links.timeouts.of(read.replicas, now)
        super().__init__(read.id, due_ns)
        self.question = read.question
        self.outstanding = outstanding
        self._context = context
        self._key = read.key
        self._replicas = read.replicas
        self._answers = answers
        self._newest = newest
        context.links.watch(self, now)

    def replied(self, node_id: NodeId, reply: Reply, now: Instant) -> None:
        self._drop_if_over()
        if not isinstance(reply, Found | Missing) or is_false(self._context, reply, now):
            return
        behind: dict[NodeId, Found | Missing] = {node_id: reply}
        known = self._newest
        self._answers[node_id] = reply
        if type(reply) is Found and (known is None or known.version < reply.version):
            self._newest, behind = reply, self._answers
        if self._newest is not None:
            repair(self._context, self._key, self._replicas, behind, self._newest, now)

    def failed(self, node_id: NodeId, error: P2PError, now: Instant) -> None:
        self._drop_if_over()

    def expired(self, now: Instant) -> None:
        self._context.links.drop(self)

    def _drop_if_over(self) -> None:
        if not self.outstanding:
            self._context.links.drop(self)


def is_false(context: OperationContext, answer: Found | Missing, now: Instant) -> bool:
    """Whether an answer has a version so far ahead of this clock that one of the two is wrong. If a
    quorum has none like it, it was never acknowledged, and is not believed."""
    return type(answer) is Found and (
        wall_ms_of(answer.version) - now.wall_ms > context.max_clock_offset_ms
    )


def agreed_of(answers: dict[NodeId, Found | Missing]) -> Found | None:
    """The answer, if several have the same version and its value, as nearly always: then it is
    believed, and nobody has to be repaired."""
    agreed: Found | None = None
    for answer in answers.values():
        if type(answer) is not Found or answer.value is None:
            return None
        if agreed is None:
            agreed = answer
        elif answer.version != agreed.version:
            return None
    return agreed if len(answers) > 1 else None


def newest_of(answers: dict[NodeId, Found | Missing], wall_ms: int = 0) -> Found | None:
    """The answer with the newest version, tombstones included; None if nobody holds any.

    Where one replica has a value and another says that it has expired, one of their clocks may be
    wrong: the value wins, unless it has expired by the reader's clock (`wall_ms`) as well.
    """
    newest: Found | None = None
    for answer in answers.values():
        if type(answer) is not Found:
            continue
        if newest is None or answer.version > newest.version:
            newest = answer
        elif (answer.value is None) is not (newest.value is None):
            newest = _truer(newest, answer, wall_ms)
    return newest


def _truer(newest: Found, answer: Found, wall_ms: int) -> Found:
    """Which of two to believe, of which one has a value, and the other none."""
    if answer.version < newest.version:
        return newest
    value, end = (newest, answer) if answer.value is None else (answer, newest)
    return end if 0 < value.expires_ms <= wall_ms else value


def result_of(newest: Found | Missing | None, name: str | bytes) -> Found | KeyNotFoundError:
    """What the caller gets who asked for the key called `name`."""
    if isinstance(newest, Found) and newest.value is not None:
        return newest
    return KeyNotFoundError(f"no record under {name!r}")


def repair(
    context: OperationContext,
    key: Key,
    replicas: list[Contact],
    answers: dict[NodeId, Found | Missing],
    newest: Found,
    now: Instant,
) -> None:
    """Send the newest version to the replicas whose answers were older."""
    behind = [c for c in replicas if _is_behind(answers.get(c.node_id), newest)]
    if behind:
        context.links.counters.repairs += len(behind)
        call_id = context.links.new_call_id()
        name = newest.name
        if name is not None and is_false_name(key, name):
            name = None
        message = Store(call_id, key, newest.version, newest.value, newest.expires_ms, name=name)
        context.links.tell(behind, message, now, answered=True)


def _is_behind(answer: Found | Missing | None, newest: Found) -> bool:
    if answer is None:
        return False
    if isinstance(answer, Missing) or answer.version < newest.version:
        return True
    expired = answer.value is None and newest.value is not None
    return expired and answer.version == newest.version
