"""What the lives of a record and of a connection cost: overwritten, deleted, ended, gone.

Only instructions of these are counted. Client, codec and three nodes work together, but for ends,
which are the store's alone.
"""

from __future__ import annotations

from functools import cache
from itertools import count
from typing import Any

from benchmarks.common import subject
from benchmarks.common.counting.static_swarm import StaticSwarm
from benchmarks.micro.prepared import WALL_MS, Micro, Prepared, require_equal

__all__ = ["LIVES"]

TIMES = 12  # a multiple of three, for whoever takes the replicas in turn
VISITS = 4
FIRST_VISITOR = 200  # whom no other member has as its number
RECORDS = 64
TTL_MS, GRACE_MS = 60_000, 600_000


@cache
def _swarm() -> StaticSwarm:
    return StaticSwarm(3, subject.NetworkSettings())


@cache
def _client() -> Any:
    client = _swarm().client()
    client.operate(client.machine.connect)
    return client


def _write(name: str, value: bytes | None, ttl_ms: int | None) -> Any:
    swarm, client = _swarm(), _client()
    key = swarm.core.key_of(name)
    return client.operate(client.machine.write, key, value, ttl_ms, swarm.deadline_ns)


def _overwrite() -> Prepared:
    """Each time with a value and a time to live, in place of a value with another end."""

    def run(edition: int) -> list[Any]:
        return [_write(f"r{number}", b"%d" % edition, TTL_MS + edition) for number in range(TIMES)]

    run(0)
    require_equal([each.acks for each in run(1)], [2] * TIMES, "stores with a time to live")
    editions = count(2)
    return Prepared(run, lambda: next(editions))


def _delete() -> Prepared:
    def fresh() -> range:
        for number in range(TIMES):
            _write(f"d{number}", b"value", None)
        return range(TIMES)

    def run(numbers: range) -> list[Any]:
        return [_write(f"d{number}", None, None) for number in numbers]

    require_equal([each.acks for each in run(fresh())], [2] * TIMES, "deletes")
    return Prepared(run, fresh)


def _end() -> Prepared:
    """Records whose time is over become tombstones, and these are forgotten."""
    record, key_of = subject.part("storage.memory", "Record"), subject.part("ids", "key_of")
    memory_store = subject.part("storage.memory", "MemoryStore")
    version = subject.part("versions", "HybridClock")(bytes(32)).next(WALL_MS)
    subject.require("durability")  # earlier stores do not tally
    held = [
        (key_of(f"e{number}"), record(version, b"v", WALL_MS + TTL_MS)) for number in range(RECORDS)
    ]

    def fresh() -> Any:
        store = memory_store(capacity_bytes=1 << 20, tombstone_grace_ms=GRACE_MS)
        for key, each in held:
            store.put(key, each, WALL_MS)
        store.tally()
        return store

    def run(store: Any) -> Any:
        store.expire(WALL_MS + TTL_MS)
        store.expire(WALL_MS + TTL_MS + GRACE_MS)
        store.tally()
        return store

    require_equal(len(run(fresh())), 0, "records after their end and its grace")
    return Prepared(run, fresh)


def _visit() -> Prepared:
    subject.require("durability")  # earlier nodes keep their links elsewhere
    swarm = _swarm()

    def run(first: int) -> None:
        for number in range(first, first + VISITS):
            client = swarm.client(number)
            client.operate(client.machine.connect)
            swarm.leave(client)

    run(FIRST_VISITOR)
    links = [len(node.machine.links.by_id) for node in swarm.nodes]
    run(FIRST_VISITOR)
    require_equal([len(n.machine.links.by_id) for n in swarm.nodes], links, "links after visits")
    return Prepared(run, lambda: FIRST_VISITOR)


LIVES = {
    "life_overwrite": Micro("a store over a record that has an end", TIMES, _overwrite),
    "life_delete": Micro("a delete of a record", TIMES, _delete),
    "life_end": Micro("a record ends, and its tombstone is forgotten", RECORDS, _end),
    "life_visit": Micro("a client is made, connects and goes", VISITS, _visit),
}
