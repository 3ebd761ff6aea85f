"""A child process that counts what a static swarm does, one question at a time.

It is a process of its own because Python adapts: what ran before is called in other ways and keeps
more objects for re-use. So what comes before a count is always the same: the questions before it,
a new swarm, and a fixed number of operations to warm up.

*Operations* come in blocks, until two blocks in a row cost the same; the figure is the block's
mean, or that of all blocks where no two agree. *Events* (a node comes, goes, or does its upkeep)
are counted once; whoever comes is the second to do so.

Rule: started by a suite through `CountLab`; every value that is read is checked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean, median
from typing import Any

from benchmarks.common import subject
from benchmarks.common.children import Child, WithChild, serve_parent
from benchmarks.common.counting.meters import METERS, CountMeter, MeterFullError, TreeMeter
from benchmarks.common.counting.static_swarm import StaticMember, StaticSwarm
from benchmarks.common.reach import unreached
from benchmarks.common.workload import Values

__all__ = ["CountLab", "Counts", "run_child"]

Counts = dict[str, float]
"""What one thing costs: messages, bytes, and what the meter counts."""

ANSWER_S = 100.0  # for one question; twenty times what the longest takes when nothing else runs
SIZE_BYTES = 1024
# Operations in a block: a multiple of three, for whoever takes the replicas in turn.
KEYS = 60
BATCHES = 9
STRANGERS = 6
BATCH = 100
FIRST_STRANGER = 100  # whom no other member has as its number
# Request ids below 256 are shorter on the wire: by then they are used up.
WARM_UP_BLOCKS = 5
MOST_BLOCKS = 4  # of an operation that never costs the same twice: it draws lots
# A table in which things come and go is made anew at every fifth insertion or so, which falls on
# other operations in each block: not the mean but the median leaves that out.
STAGGERED = ("allocations",)
HELD = 512  # records
COMPARED = 4000  # records, about one in each of the parts of the id space that nodes compare
MISSED = (0, 1, 100, 1000)  # of them
SETTLE_NS = 10_000_000_000  # until nodes have seen to whoever came or went
QUIET_NS = 90_000_000_000  # until they have stopped to look after it
MINUTE_NS = 60_000_000_000


class CountLab(WithChild):
    """The caller's side: one swarm in a process of its own, and one of METERS.

    `core_dir` holds the p2pcore package to count; by default it is the one installed here.
    """

    def __init__(self, nodes: int, meter: str, seed: int = 0, core_dir: str | None = None) -> None:
        order = {"nodes": nodes, "meter": meter, "seed": seed}
        self._child = Child(
            "benchmarks.common.counting.count_lab",
            [json.dumps(order)],
            core_dir or subject.core_dir(),
            {"PYTHONMALLOC": "malloc"},
        )

    def count(self, questions: Iterable[str]) -> dict[str, Counts]:
        """What each thing costs, without those that this p2pcore or Python can't do.

        The operations of a client, each per record: "store", "retrieve", "delete", "store_many",
        "retrieve_many", and "first_retrieve" by a client that knows nobody yet. "upkeep" in a
        minute in which nothing happens, per node. "visit": "join" into a network without records,
        and "upkeep_after_join" in the minute that follows, per node. "visit_with_records":
        "take_over" is a join and "leave" its opposite, per record that changes hands.
        "missed_writes" is, as "missed 100", the minute after one node has missed so many.
        """
        found: dict[str, Counts] = {}
        for question in questions:
            found |= self._child.ask({"count": question}, ANSWER_S)
        return found

    def tree(self, question: str) -> tuple[list[Any], int]:
        """Who calls whom while one question is answered (`TreeNode.as_list`), and for how many
        operations or events; the meter has to be "tree". Nothing, and 0, if this p2pcore can't."""
        answer = self._child.ask({"count": question}, ANSWER_S)
        return answer.get("tree", []), answer.get("counted", 0)


@dataclass(frozen=True)
class _Reading:
    """One operation, or one event."""

    messages: int
    bytes: int
    metered: tuple[int, ...]


class _Lab:
    """The child's service."""

    def __init__(self, order: dict[str, Any]) -> None:
        import gc

        gc.disable()  # when it runs, and what it calls then, is not the operation's doing
        self._nodes: int = order["nodes"]
        self._seed: int = order["seed"]
        self._kind = METERS[order["meter"]]
        self._values = Values(SIZE_BYTES)
        self._things: dict[str, Callable[[], dict[str, Counts]]] = {
            "store": self._store,
            "retrieve": self._retrieve,
            "delete": self._delete,
            "store_many": self._store_many,
            "retrieve_many": self._retrieve_many,
            "first_retrieve": self._first_retrieve,
            "upkeep": self._upkeep,
            "visit": self._visit,
            "visit_with_records": self._visit_with_records,
            "missed_writes": self._missed_writes,
        }

    async def start(self) -> dict[str, Any]:
        return {}

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        try:
            self._meter = self._kind()
            while True:
                self._swarm = StaticSwarm(self._nodes, subject.NetworkSettings(), self._seed)
                self._counted = 0
                try:
                    found = self._things[question["count"]]()
                    if isinstance(self._meter, TreeMeter):
                        tree = self._meter.tree.root.as_list()
                        return {"tree": tree, "counted": self._counted}
                    return found
                except MeterFullError:
                    self._meter = self._meter.larger()
        except NotImplementedError as reason:
            if unreached(reason):
                raise  # it may be there, under another name
            return {}

    async def stop(self) -> None:
        pass

    # Operations

    def _store(self) -> dict[str, Counts]:
        return {"store": self._blocks(partial(self._write, self._client()), KEYS)}

    def _retrieve(self) -> dict[str, Counts]:
        client = self._client()
        self._write_all(client)
        return {"retrieve": self._blocks(partial(self._read, client), KEYS)}

    def _delete(self) -> dict[str, Counts]:
        subject.require("delete")
        client = self._client()
        delete = partial(self._write, client, delete=True)
        return {"delete": self._blocks(delete, KEYS, before=partial(self._write_all, client))}

    def _store_many(self) -> dict[str, Counts]:
        subject.require("batches")
        store = partial(self._write_batch, self._client())
        return {"store_many": self._blocks(store, BATCHES, records=BATCH)}

    def _retrieve_many(self) -> dict[str, Counts]:
        subject.require("batches")
        client = self._client()
        for batch in range(BATCHES):
            self._write_batch(client, batch)
        retrieve = partial(self._read_batch, client)
        return {"retrieve_many": self._blocks(retrieve, BATCHES, records=BATCH)}

    def _first_retrieve(self) -> dict[str, Counts]:
        """The same strangers come in each block, or their ids would make a difference."""
        self._write_all(self._client())
        present: list[StaticMember] = []

        def dismiss() -> None:
            while present:
                self._swarm.leave(present.pop())

        def retrieve(number: int) -> None:
            present.append(self._client(FIRST_STRANGER + number))
            self._read(present[-1], number)

        return {"first_retrieve": self._blocks(retrieve, STRANGERS, before=dismiss)}

    def _blocks(
        self,
        operation: Callable[[int], None],
        count: int,
        *,
        records: int = 1,
        before: Callable[[], None] = lambda: None,
    ) -> Counts:
        """What the operation costs per record, once it always costs the same."""
        for _ in range(WARM_UP_BLOCKS):
            before()
            for number in range(count):
                operation(number)
        blocks: list[Counts] = []
        for _ in range(MOST_BLOCKS):
            before()
            readings = [self._count(partial(operation, number)) for number in range(count)]
            blocks.append(self._summary(readings, records))
            if len(blocks) > 1 and _alike(*blocks[-2:]):
                return blocks[-1]
        return {name: fmean(block[name] for block in blocks) for name in blocks[0]}

    # Events

    def _upkeep(self) -> dict[str, Counts]:
        swarm = self._swarm
        swarm.run(QUIET_NS)
        minute = self._count(partial(swarm.run, MINUTE_NS))
        return {"upkeep": self._summary([minute], self._nodes)}

    def _visit(self) -> dict[str, Counts]:
        """A node joins and stays for a minute, after another one that has come and gone."""
        swarm = self._swarm
        first = swarm.make_node()
        swarm.join(first)
        swarm.run(SETTLE_NS)
        swarm.leave(first)
        swarm.run(SETTLE_NS)
        join = self._count(partial(swarm.join, swarm.make_node()))
        minute = self._count(partial(swarm.run, MINUTE_NS))
        return {
            "join": self._summary([join], 1),
            "upkeep_after_join": self._summary([minute], self._nodes + 1),
        }

    def _visit_with_records(self) -> dict[str, Counts]:
        subject.require("ready")
        swarm, client = self._swarm, self._client()
        for number in range(HELD):
            self._write(client, number)
        for _ in range(2):
            swarm.run(SETTLE_NS)
            node = swarm.make_node()
            join = self._count(partial(swarm.join, node))
            swarm.run(SETTLE_NS)
            held = len(node.machine.store)
            leave = self._count(partial(swarm.leave, node))
        for number in range(HELD):
            self._read(client, number)
        return {"take_over": self._summary([join], held), "leave": self._summary([leave], held)}

    def _missed_writes(self) -> dict[str, Counts]:
        """The last node hears nothing while some of the records that all hold are written anew.
        Values are a byte: what it takes to find the records is to be seen beside them."""
        subject.require("batches")
        subject.require("ready")
        swarm, client, last = self._swarm, self._client(), self._swarm.nodes[-1]
        self._write_bytes(client, COMPARED, b"0")
        swarm.run(QUIET_NS)
        found = {}
        for missed in MISSED:
            last.is_deaf = True
            self._write_bytes(client, missed, b"%d" % missed)
            last.is_deaf = False
            minute = self._count(partial(swarm.run, MINUTE_NS))
            stores = [node.machine.store for node in swarm.nodes]
            keys = [self._key(f"r{number}") for number in range(missed)]
            if any(len({store.version(key) for store in stores}) > 1 for key in keys):
                raise AssertionError("after a minute the nodes hold different records")
            found[f"missed {missed}"] = self._summary([minute], 1)
        return found

    def _write_bytes(self, client: StaticMember, count: int, value: bytes) -> None:
        for first in range(0, count, BATCH):
            items = [(self._key(f"r{n}"), value) for n in range(first, min(first + BATCH, count))]
            client.operate(client.machine.write_many, items, None, self._swarm.deadline_ns)

    # What they are made of

    def _client(self, number: int | None = None) -> StaticMember:
        client = self._swarm.client(number)
        client.operate(client.machine.connect)
        return client

    def _key(self, name: str) -> Any:
        return self._swarm.meter(self._swarm.core.key_of, name)

    def _write(self, client: StaticMember, number: int, *, delete: bool = False) -> None:
        key, value = self._key(f"r{number}"), None if delete else self._values.value(number)
        client.operate(client.machine.write, key, value, None, self._swarm.deadline_ns)

    def _read(self, client: StaticMember, number: int) -> None:
        name = f"r{number}"
        key = self._key(name)
        answer = client.operate(client.machine.read, key, name, self._swarm.deadline_ns)
        self._values.check(number, answer)

    def _write_all(self, client: StaticMember) -> None:
        for number in range(KEYS):
            self._write(client, number)

    def _write_batch(self, client: StaticMember, batch: int) -> None:
        items = [(self._key(f"r{n}"), self._values.value(n)) for n in _numbers(batch)]
        results = client.operate(client.machine.write_many, items, None, self._swarm.deadline_ns)
        for result in results:
            if isinstance(result, Exception):
                raise result

    def _read_batch(self, client: StaticMember, batch: int) -> None:
        names = [f"r{n}" for n in _numbers(batch)]
        keys = [self._key(name) for name in names]
        answers = client.operate(client.machine.read_many, keys, names, self._swarm.deadline_ns)
        for number, answer in zip(_numbers(batch), answers, strict=True):
            self._values.check(number, answer)

    # Counting

    def _count(self, thing: Callable[[], object]) -> _Reading:
        swarm, meter, traffic = self._swarm, self._meter, self._swarm.traffic
        messages, size = traffic.messages, traffic.bytes
        meter.counts = [0 for _ in meter.names]
        self._counted += 1
        swarm.meter = meter
        try:
            thing()
        finally:
            swarm.meter = CountMeter()
        return _Reading(traffic.messages - messages, traffic.bytes - size, tuple(meter.counts))

    def _summary(self, readings: Sequence[_Reading], per: int) -> Counts:
        counts = {
            "messages": fmean(reading.messages for reading in readings) / per,
            "bytes": fmean(reading.bytes for reading in readings) / per,
        }
        for place, name in enumerate(self._meter.names):
            values = [reading.metered[place] for reading in readings]
            counts[name] = (median(values) if name in STAGGERED else fmean(values)) / per
        return counts


def _alike(one: Counts, other: Counts) -> bool:
    return all(one[name] == other[name] for name in one if name not in STAGGERED)


def _numbers(batch: int) -> range:
    return range(batch * BATCH, (batch + 1) * BATCH)


def run_child(arguments: list[str]) -> None:
    """A child process of CountLab; its order is one JSON object."""
    serve_parent(_Lab(json.loads(arguments[0])), "asyncio")
