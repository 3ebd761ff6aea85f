"""What a replica keeps: records, and the clock that orders their versions."""

from __future__ import annotations

from typing import Any

from benchmarks.common import subject
from benchmarks.common.workload import Values
from benchmarks.micro.prepared import WALL_MS, Micro, Prepared, require_equal

__all__ = ["REPLICA"]

RECORDS = 512
TICKS = 64


def _generations(count: int) -> list[list[tuple[Any, Any]]]:
    """(key, record) of the same keys, each generation newer than the one before."""
    key_of, record = subject.part("ids", "key_of"), subject.part("storage.memory", "Record")
    clock = subject.part("versions", "HybridClock")(bytes(32))
    values = Values(1024)
    return [
        [
            (key_of(f"key {number}"), record(clock.next(WALL_MS), values.value(number), 0))
            for number in range(RECORDS)
        ]
        for _ in range(count)
    ]


def _new_store() -> Any:
    memory_store = subject.part("storage.memory", "MemoryStore")
    return memory_store(capacity_bytes=1 << 30, tombstone_grace_ms=60_000)


def _store_put() -> Prepared:
    generations = _generations(2)

    def run(store: Any) -> Any:
        put = store.put
        for generation in generations:
            for key, record in generation:
                put(key, record, WALL_MS)
        return store

    store = run(_new_store())
    held = [store.get(key, WALL_MS) for key, _ in generations[-1]]
    require_equal(held, [record for _, record in generations[-1]], "a store after puts")
    return Prepared(run, _new_store)


def _store_get() -> Prepared:
    [generation] = _generations(1)
    store = _new_store()
    for key, record in generation:
        store.put(key, record, WALL_MS)
    keys = [key for key, _ in generation]

    def run(keys: list[Any]) -> list[Any]:
        return [store.get(key, WALL_MS) for key in keys]

    require_equal(run(keys), [record for _, record in generation], "gets after puts")
    return Prepared(run, lambda: keys)


def _clock() -> Prepared:
    hybrid_clock = subject.part("versions", "HybridClock")
    other = hybrid_clock(b"\xff" * 32)
    seen = [other.next(WALL_MS + number) for number in range(TICKS)]

    def run(clock: Any) -> list[Any]:
        made = []
        for version in seen:
            clock.observe(version)
            made.append(clock.next(WALL_MS))
        return made

    made = run(hybrid_clock(bytes(32)))
    require_equal(sorted(made + seen), [v for pair in zip(seen, made, strict=True) for v in pair],
                  "the order of versions")  # fmt: skip
    return Prepared(run, lambda: hybrid_clock(bytes(32)))


REPLICA = {
    "store_put": Micro("a record is put into the store: new, or a newer version", 2 * RECORDS,
                       _store_put),
    "store_get": Micro("a record is got from the store", RECORDS, _store_get),
    "clock": Micro("a version is observed, and a newer one made", TICKS, _clock),
}  # fmt: skip
