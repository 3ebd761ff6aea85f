"""Many records in few messages.

Theory of operation. The items of a batch are sorted by replica, so that each replica gets one
message (or as few as the limits allow) with all items that are its; replies are counted per item.
What is ordinary ends there. An item that is not (a newer version, a replica that is none or does
not answer, no quorum in time) goes on as an operation of its own, with the same version: it has
all the means of one, and its own error in the end. So a batch is only ever a short cut.

Rule: nothing here knows how to fail; that is what `operations.py` is for.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import cast

from p2pcore.contact import Contact
from p2pcore.effects import Done, Instant, budget_of
from p2pcore.errors import BusyError, P2PError
from p2pcore.ids import Key, NodeId
from p2pcore.replication.operation import Operation
from p2pcore.replication.operation_context import OperationContext
from p2pcore.replication.operations import StoreReceipt, WriteOperation
from p2pcore.routing.hedges import HedgeableCall
from p2pcore.routing.waiting import NORMAL, Priority
from p2pcore.routing.windows import units_of
from p2pcore.session.timeouts import LEAST_NS
from p2pcore.versions import Version
from p2pcore.wire.limits import MAX_BATCH_BYTES, MAX_BATCH_ITEMS
from p2pcore.wire.messages import (
    Found,
    Message,
    Reply,
    StoredMany,
    StoreItem,
    StoreMany,
)

__all__ = ["Batch", "BatchWrite", "Choose", "Part"]

ITEMS_PER_UNIT = 4  # an item takes a fraction of what a request of its own would

_number = int.from_bytes  # `point_of`, without a call in between

Choose = Callable[[int, list[Contact], Instant], Sequence[Contact]]
"""Which of the replicas of the item at a place are asked."""

_Asked = dict[NodeId, tuple[Contact, list[int]]]
"""Whom a batch asks, and about which of its items."""


class Part(HedgeableCall):
    """The items of a batch that one replica was asked about; `places` are theirs in the batch."""

    __slots__ = ("_batch", "node_id", "places")
    is_timed = True

    def __init__(
        self,
        batch: "Batch",
        call_id: int,
        due_ns: int,
        node_id: NodeId,
        places: list[int],
        size_bytes: int,
    ) -> None:
        super().__init__(call_id, due_ns)
        self._batch = batch
        self.node_id = node_id
        self.places = places
        self.units = batch.unit * (units_of(size_bytes) + len(places) // ITEMS_PER_UNIT)

    def replied(self, node_id: NodeId, reply: Reply, now: Instant) -> None:
        self._batch.count(self.places, node_id, reply, now)
        self._batch.part_over(self, now)

    def failed(self, node_id: NodeId, error: P2PError, now: Instant) -> None:
        self._batch.part_over(self, now)

    def expired(self, now: Instant) -> None:
        self._batch.part_late(self, now)

    def hedge(self, now: Instant) -> None:
        self._batch.part_late(self, now)


class Batch:
    """What both kinds share. `results` has the items' results or errors, in their order."""

    may_choose = False

    def __init__(
        self,
        context: OperationContext,
        keys: list[Key],
        deadline_ns: int,
        done: Done,
        priority: Priority,
    ) -> None:
        self.priority = priority
        self._context = context
        self._keys = keys
        self._deadline_ns = deadline_ns
        self._done = done
        self.unit = context.windows.unit
        self._by_node: _Asked = {}
        self.parts: list[Part] = []  # that are not answered
        self._singles: dict[int, Operation] = {}
        self._open = len(keys)  # items without a result
        context.budget.operations += 1
        self._asking = False
        self.results: list[object] = [None] * len(keys)
        self.replicas: list[Sequence[Contact]] = [()] * len(keys)

    @property
    def over(self) -> bool:
        """True if every item has its result."""
        return not self._open

    def start(self, now: Instant) -> None:
        """Ask every replica about all that is its."""
        find, count = self._context.directory.replicas, self._context.settings.replicas
        by_node, all_replicas, ask_of = self._by_node, self.replicas, self.chooser()
        for place, key in enumerate(self._keys):
            replicas = find(_number(key), count, now)
            if replicas is None or len(replicas) < count:
                continue  # looked up by the operation of its own that follows
            all_replicas[place] = replicas
            for contact in ask_of(place, replicas, now):
                about = by_node.get(contact.node_id)
                if about is None:
                    about = by_node[contact.node_id] = contact, []
                about[1].append(place)
        windows = self._context.windows
        if windows.full:
            asked = [contact for contact, _ in by_node.values()]
            needed = len(asked) - (count - self.quorum)  # so that each item has one
            if not windows.admits(self, asked, needed, self._deadline_ns, now):
                return
        self.begin(now)

    def refuse(self, error: BusyError, now: Instant) -> None:
        """The nodes had no room in time."""
        for place, result in enumerate(self.results):
            if result is None:
                self.resolve(place, error)
        self._finish_if_over(now)

    def begin(self, now: Instant) -> None:
        """Ask them."""
        by_node = self._by_node
        self._asking = True
        asked = [contact for contact, _ in by_node.values()]
        due_ns = min(self._deadline_ns, now.mono_ns + self.wait_ns(asked, now))
        for contact, places in by_node.values():
            for chunk, size_bytes in self._chunks(places):
                call_id = self._context.links.new_call_id()
                part = Part(self, call_id, due_ns, contact.node_id, chunk, size_bytes)
                self.parts.append(part)
                budget = budget_of(self._deadline_ns - now.mono_ns)
                self._context.links.ask(part, [contact], self.message(part.id, chunk, budget), now)
        self._asking = False
        self._settle(now)

    def cancel(self) -> None:
        """Give up: the caller does not wait for the results."""
        for part in self.parts:
            self._context.links.enough(part)
        for single in self._singles.values():
            single.cancel()
        self._open = 0

    def part_late(self, part: Part, now: Instant) -> None:
        """A replica has not answered in time."""
        self.part_over(part, now)

    def part_over(self, part: Part, now: Instant) -> None:
        """A replica has answered, or will not."""
        self._context.links.enough(part)
        self.parts.remove(part)
        if not self._asking:
            self._settle(now)

    def resolve(self, place: int, result: object) -> None:
        """An item has its result."""
        self.results[place] = result
        self._open -= 1

    def _settle(self, now: Instant) -> None:
        """When no more answers come, what is still open goes on one by one."""
        if self.parts or self._singles:
            return
        left = [place for place, result in enumerate(self.results) if result is None]
        singles = [(place, self.single(place, self._single_over(place))) for place in left]
        self._singles.update(singles)
        for _, single in singles:
            single.start(now)
        self._finish_if_over(now)

    def _single_over(self, place: int) -> Done:
        def done(result: object, now: Instant) -> None:
            self._singles.pop(place)
            self.resolve(place, result.value if isinstance(result, Found) else result)
            self._finish_if_over(now)

        return done

    def _finish_if_over(self, now: Instant) -> None:
        if not self._open and not self._singles and self._done is not _nobody:
            done, self._done = self._done, _nobody
            done(self.results, now)

    def _chunks(self, places: list[int]) -> list[tuple[list[int], int]]:
        """What goes into one message each, and how many bytes that is."""
        ends = list(accumulate(self.sizes_of(places)))
        chunks: list[tuple[list[int], int]] = []
        first = sent_bytes = 0
        while first < len(places):
            stop = bisect_right(ends, sent_bytes + MAX_BATCH_BYTES, first)
            stop = min(max(stop, first + 1), first + MAX_BATCH_ITEMS)
            chunks.append((places[first:stop], ends[stop - 1] - sent_bytes))
            first, sent_bytes = stop, ends[stop - 1]
        return chunks

    # What the two kinds decide

    def chooser(self) -> "Choose":
        """What says which of an item's replicas are asked."""
        raise NotImplementedError

    def wait_ns(self, asked: list[Contact], now: Instant) -> int:
        """How long to wait for these."""
        raise NotImplementedError

    def sizes_of(self, places: list[int]) -> Sequence[int]:
        """About how many bytes each of these items takes in the message or in its reply."""
        raise NotImplementedError

    @property
    def quorum(self) -> int:
        """How many replicas an item needs."""
        raise NotImplementedError

    def message(self, call_id: int, places: list[int], budget: int) -> Message:
        """The question about some items."""
        raise NotImplementedError

    def count(self, places: list[int], node_id: NodeId, reply: Reply, now: Instant) -> None:
        """Take a replica's answer about some items."""
        raise NotImplementedError

    def single(self, place: int, done: Done) -> Operation:
        """An operation of its own for an item."""
        raise NotImplementedError


def _nobody(result: object, now: Instant) -> None:
    """Stands for a caller who was already told."""


class BatchWrite(Batch):
    """Stores many values. Its result is a list of StoreReceipts and errors."""

    def __init__(
        self,
        context: OperationContext,
        items: list[StoreItem],
        deadline_ns: int,
        done: Done,
        priority: Priority = NORMAL,
    ) -> None:
        # One cast for all: to call a type for each is dearer than all else that is done here.
        keys = cast(list[Key], [item.key for item in items])
        super().__init__(context, keys, deadline_ns, done, priority)
        self._items = items
        self._versions = cast(list[Version], [item.version for item in items])
        self._sizes = [len(item.value or b"") + len(item.name or b"") for item in items]
        self._acks = [0] * len(items)

    def chooser(self) -> Choose:
        return lambda place, replicas, now: replicas

    def wait_ns(self, asked: list[Contact], now: Instant) -> int:
        return (
            LEAST_NS  # acknowledgements count together within SETTLE_NS only (see `ownership.py`)
        )

    def sizes_of(self, places: list[int]) -> Sequence[int]:
        sizes = self._sizes
        return [sizes[place] for place in places]

    @property
    def quorum(self) -> int:
        return self._context.settings.writes

    def message(self, call_id: int, places: list[int], budget: int) -> Message:
        items = self._items
        return StoreMany(call_id, [items[place] for place in places], budget)

    def count(self, places: list[int], node_id: NodeId, reply: Reply, now: Instant) -> None:
        if not isinstance(reply, StoredMany):
            return
        needed, acks, versions = self._context.settings.writes, self._acks, self._versions
        if reply.others:
            others = dict.fromkeys(reply.others)
            places = [place for index, place in enumerate(places) if index not in others]
        for place in places:
            acks[place] += 1
            if acks[place] == needed:
                receipt = StoreReceipt(versions[place], len(self.replicas[place]), needed)
                self.resolve(place, receipt)
        self._finish_if_over(now)

    def single(self, place: int, done: Done) -> Operation:
        item = self._items[place]
        return WriteOperation(
            self._context,
            self._keys[place],
            self._versions[place],
            item.value,
            item.expires_ms,
            self._deadline_ns,
            done,
            item.name,
            self.priority,
        )
