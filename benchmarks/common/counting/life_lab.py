"""A child process that tells what is kept when lives are over, to the byte.

Records are overwritten with a time to live until all have ended, or deleted, and their grace is
over; clients have come and gone a thousand times; one client has done thousands of operations.
Whoever has lived as long before has made the tables as large as they get: what is kept of a second
life like it should be nothing. `memory_lab.py` says how bytes are counted.

Rule: started by the gate through `LifeLab`; every life is seen to be over.
"""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Callable
from typing import Any

from benchmarks.common import subject
from benchmarks.common.children import Child, WithChild, serve_parent
from benchmarks.common.counting.count_lab import Counts
from benchmarks.common.counting.memory_lab import traced
from benchmarks.common.counting.static_swarm import StaticMember, StaticSwarm
from benchmarks.common.reach import unreached

__all__ = ["LIVES_KEPT", "LifeLab", "run_child"]

LIVES_KEPT = ("overwrites", "deletes", "visits", "client")
ANSWER_S = 300.0  # thirty times what it takes when nothing else runs
NODES = 3
RECORDS, EDITIONS = 128, 6
TTL_MS, GRACE_S = 20_000, 30
EARLIER, VISITS = 100, 1_000
KEYS, OPERATIONS = 30, 1_500
FIRST_VISITOR = 200  # whom no other member has as its number
SETTLE_NS = 10_000_000_000
OVER_NS = (TTL_MS // 1000 + GRACE_S) * 1_000_000_000 + SETTLE_NS


class LifeLab(WithChild):
    """The caller's side: swarms in a process of their own.

    `core_dir` holds the p2pcore package to look at; by default it is the one installed here.
    """

    def __init__(self, core_dir: str | None = None) -> None:
        self._child = Child(
            "benchmarks.common.counting.life_lab", [], core_dir or subject.core_dir()
        )

    def kept(self) -> Counts:
        """Bytes that all machines together keep of each of LIVES_KEPT; nothing if this p2pcore
        cannot be counted."""
        return self._child.ask({}, ANSWER_S)


class _Lab:
    """The child's service."""

    async def start(self) -> dict[str, Any]:
        gc.disable()
        tracemalloc.start()
        return {}

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        try:
            return {
                "overwrites": _kept(_Records().overwrite),
                "deletes": _kept(_Records().delete),
                "visits": _kept(_Visits().live),
                "client": _kept(_LongLife().live),
            }
        except NotImplementedError as reason:
            if unreached(reason):
                raise  # it may be there, under another name
            return {}

    async def stop(self) -> None:
        pass


def _kept(live: Callable[[int], None]) -> float:
    """Bytes that are kept of a second life."""
    live(0)
    before = traced()
    live(1)
    return traced() - before


class _Swarm:
    """Nodes that forget soon, and a client."""

    def __init__(self) -> None:
        settings = {"tombstone_grace_s": float(GRACE_S)}
        self.swarm = StaticSwarm(NODES, subject.NetworkSettings(), settings=settings)
        self.client = self.swarm.client()
        self.client.operate(self.client.machine.connect)

    def write(self, name: str, value: bytes | None, ttl_ms: int | None = None) -> None:
        key, deadline_ns = self.swarm.core.key_of(name), self.swarm.deadline_ns
        self.client.operate(self.client.machine.write, key, value, ttl_ms, deadline_ns)

    def records(self) -> list[int]:
        """How many records, tombstones included, each node holds."""
        return [len(node.machine.store) for node in self.swarm.nodes]


class _Records(_Swarm):
    def overwrite(self, life: int) -> None:
        for edition in range(EDITIONS):
            for number in range(RECORDS):
                self.write(f"{life}.{number}", b"%d" % edition, TTL_MS)
        self._see_the_end()

    def delete(self, life: int) -> None:
        for number in range(RECORDS):
            self.write(f"{life}.{number}", b"value")
        for number in range(RECORDS):
            self.write(f"{life}.{number}", None)
        self._see_the_end()

    def _see_the_end(self) -> None:
        held = self.records()
        self.swarm.run(OVER_NS)
        if held != [RECORDS] * NODES or any(self.records()):
            raise AssertionError(f"nodes held {held} records, and in the end {self.records()}")


class _Visits(_Swarm):
    def live(self, life: int) -> None:
        swarm = self.swarm
        links = [len(node.links) for node in swarm.nodes]
        for number in range(VISITS if life else EARLIER):
            visitor = swarm.client(FIRST_VISITOR + number % EARLIER)
            visitor.operate(visitor.machine.connect)
            swarm.leave(visitor)
        swarm.run(SETTLE_NS)
        after = [len(node.links) for node in swarm.nodes]
        if after != links:
            raise AssertionError(f"nodes had {links} links, and after all visits {after}")


class _LongLife(_Swarm):
    def live(self, life: int) -> None:
        for number in range(OPERATIONS):
            name = f"r{number // 3 % KEYS}"
            if number % 3 == 0:
                self.write(name, name.encode())
            else:
                answer = self._read(name)
                if answer != name.encode():
                    raise AssertionError(f"{name} has become {answer!r}")
        self.swarm.run(SETTLE_NS)

    def _read(self, name: str) -> Any:
        client: StaticMember = self.client
        key, deadline_ns = self.swarm.core.key_of(name), self.swarm.deadline_ns
        return client.operate(client.machine.read, key, name, deadline_ns)


def run_child(arguments: list[str]) -> None:
    """A child process of LifeLab; it takes no arguments."""
    assert not arguments, f"{json.dumps(arguments)} were not asked for"
    serve_parent(_Lab(), "asyncio")
