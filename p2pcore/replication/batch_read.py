"""Retrieves of many records in few messages: the theory of operation is that of `batch.py`.

A replica that stands still must not hold up the whole batch for as long as a link is waited for. So
once half of the replicas have answered, the others have twice as long again, PATIENCE_NS in all at
least. Who has said nothing at all by then is asked last from now on (`routing/estimates.py`), and
its items go on as operations of their own, for a token of the budget (`routing/hedges.py`).

Rule: what is not ordinary goes on as an operation of its own.
"""

from collections.abc import Sequence

from p2pcore.contact import Contact, point_of
from p2pcore.effects import Done, Instant
from p2pcore.ids import Key, NodeId
from p2pcore.replication.batch import Batch, Choose, Part
from p2pcore.replication.operation import Operation
from p2pcore.replication.operation_context import OperationContext
from p2pcore.replication.reads import ReadOperation, is_false, newest_of, repair, result_of
from p2pcore.routing.hedges import PATIENCE_NS
from p2pcore.routing.waiting import NORMAL, Priority
from p2pcore.wire.messages import FetchMany, Found, FoundItem, FoundMany, Message, Missing, Reply

__all__ = ["BatchRead"]

PATIENCE = 3  # times what half of the parts took
FETCH_BYTES = 1024  # what a value is taken to have before it is known


class BatchRead(Batch):
    """Retrieves many values. Its result is a list of values and errors.

    Args:
        names: what errors call the keys.
    """

    def __init__(
        self,
        context: OperationContext,
        keys: list[Key],
        names: Sequence[str | bytes],
        deadline_ns: int,
        done: Done,
        priority: Priority = NORMAL,
    ) -> None:
        super().__init__(context, keys, deadline_ns, done, priority)
        self._names = names
        self._answers: list[dict[NodeId, FoundItem | None]] = [{} for _ in keys]
        self._began_ns = 0
        self._slow_half = -1  # parts that were asked, halved; 0: the others' time is set

    def chooser(self) -> Choose:
        context = self._context
        if context.links.slow or context.directory.absent.contacts or context.estimates.alert:
            return self._ready_first
        reads = context.settings.reads
        return lambda place, replicas, now: replicas[:reads]  # as nearly always

    def _ready_first(self, place: int, replicas: list[Contact], now: Instant) -> Sequence[Contact]:
        if slow := self._context.links.slow:
            replicas = sorted(replicas, key=lambda contact: contact.node_id in slow)
        absent = self._context.directory.absent
        if absent.contacts:
            point, count = point_of(self._keys[place]), self._context.settings.replicas
            replicas = absent.ready_first(replicas, point, count, now)
        reads = self._context.settings.reads
        if self._context.estimates.alert:
            replicas, reads = self._context.estimates.plan(replicas, reads, now)
        return replicas[:reads]

    def wait_ns(self, asked: list[Contact], now: Instant) -> int:
        return self._context.links.timeouts.of(asked, now)

    def begin(self, now: Instant) -> None:
        self._began_ns = now.mono_ns
        super().begin(now)
        self._slow_half = len(self.parts) // 2

    def part_over(self, part: Part, now: Instant) -> None:
        super().part_over(part, now)
        if 0 < len(self.parts) <= self._slow_half:
            self._slow_half = 0
            self._hurry(now)

    def _hurry(self, now: Instant) -> None:
        """From now on the parts that are left have a limited time."""
        took_ns, hedges = now.mono_ns - self._began_ns, self._context.hedges
        late_ns = self._began_ns + max(PATIENCE_NS, PATIENCE * took_ns)
        for part in self.parts:
            part.hedge_ns, part.hedged = late_ns, True
        hedges.wake_at_ns = min(hedges.wake_at_ns or late_ns, late_ns)

    def part_late(self, part: Part, now: Instant) -> None:
        part.hedge_ns = 0
        context, counters = self._context, self._context.links.counters
        is_silent = context.estimates.missed(part.node_id, self._began_ns, now)
        if now.mono_ns < part.due_ns:
            if not is_silent or not context.links.is_linked(part.node_id):
                return  # it answers others meanwhile: it is busy; or a link to it is being opened
            if not context.budget.take(now):
                counters.hedges_denied += 1
                return
            counters.hedges += 1
        super().part_late(part, now)

    def sizes_of(self, places: list[int]) -> Sequence[int]:
        return [FETCH_BYTES] * len(places)

    @property
    def quorum(self) -> int:
        return self._context.settings.reads

    def message(self, call_id: int, places: list[int], budget: int) -> Message:
        keys = self._keys
        return FetchMany(call_id, [keys[place] for place in places], budget=budget)

    def count(self, places: list[int], node_id: NodeId, reply: Reply, now: Instant) -> None:
        if not isinstance(reply, FoundMany) or len(reply.items) != len(places):
            return
        needed, answers = self._context.settings.reads, self._answers
        others = dict.fromkeys(reply.others)
        for index, (place, item) in enumerate(zip(places, reply.items, strict=True)):
            if others and index in others:
                continue
            given = answers[place]
            given[node_id] = item
            if len(given) == needed:
                value = _agreed(given)
                if value is not None:
                    self.resolve(place, value)
                else:
                    self._compare(place, now)
        self._finish_if_over(now)

    def _compare(self, place: int, now: Instant) -> None:
        """The answers about an item are not all alike: the newest wins, and is what others get."""
        answers = {node_id: _as_answer(item) for node_id, item in self._answers[place].items()}
        newest = newest_of(answers, now.wall_ms)
        if newest is not None and is_false(self._context, newest, now):
            return  # which an operation of its own goes into
        if newest is not None:
            key, replicas = self._keys[place], list(self.replicas[place])
            repair(self._context, key, replicas, answers, newest, now)
        result = result_of(newest, self._names[place])
        self.resolve(place, result.value if isinstance(result, Found) else result)

    def single(self, place: int, done: Done) -> Operation:
        key, name = self._keys[place], self._names[place]
        return ReadOperation(self._context, key, name, self._deadline_ns, done, self.priority)


_NOTHING = Missing(0)


def _agreed(answers: dict[NodeId, FoundItem | None]) -> bytes | None:
    """The value, if several have the same version and its value, as nearly always: see
    `reads.agreed_of`."""
    first: FoundItem | None = None
    for item in answers.values():
        if item is None or item.value is None:
            return None
        if first is None:
            first = item
        elif item.version != first.version:
            return None
    return first.value if first is not None and len(answers) > 1 else None


def _as_answer(item: FoundItem | None) -> Found | Missing:
    if item is None:
        return _NOTHING
    return Found(0, item.version, item.value, item.expires_ms, name=item.name)
