"""What it takes to have records on disk: a replica that holds its answers back, and the database.

Neither waits for a disk here: the machine is told at once that its changes are synced, and the
database's are only handed to the system. What syncs cost, the suite `durable` shows.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

from benchmarks.common import subject
from benchmarks.common.counting.machines import MachineNet
from benchmarks.common.workload import Values
from benchmarks.micro.prepared import WALL_MS, Micro, Prepared, require_equal

__all__ = ["DISK"]

GROUP = 64
LOG_BYTES = 16 << 20  # of the database, before it is brought into the file: not timed
_VALUES = Values(1024)


def _keys() -> list[Any]:
    key_of = subject.part("ids", "key_of")
    return [key_of(f"key {number}") for number in range(GROUP)]


def _node_store_durable() -> Prepared:
    net, keys = MachineNet(nodes=1, replicas=1, quorum=1, disk=True), _keys()
    node, [link_id] = net.nodes[0].machine, net.nodes[0].links
    store, stored = subject.part("wire.messages", "Store"), subject.part("wire.messages", "Stored")
    persist = subject.part("effects", "Persist")
    clock = subject.part("versions", "HybridClock")(b"\xff" * 32)
    now = net.now

    def run(requests: list[Any]) -> tuple[list[Any], list[Any]]:
        for request in requests:
            node.receive(link_id, request, now)
        changes = node.drain()
        node.journal.persisted(changes[-1].number, now)
        return changes, node.drain()

    def fresh() -> list[Any]:
        return [
            store(number, key, clock.next(now.wall_ms), _VALUES.value(number))
            for number, key in enumerate(keys)
        ]

    changes, answers = run(fresh())
    require_equal({type(each) for each in changes}, {persist}, "what comes before a sync")
    require_equal([change.key for change in changes], keys, "changes of stores")
    messages = [effect.message for effect in answers]
    require_equal(messages, [stored(number) for number in range(GROUP)], "answers after a sync")
    return Prepared(run, fresh)


class _Place:
    """A database in a folder of its own, both of which go with this."""

    def __init__(self) -> None:
        folder = tempfile.mkdtemp(prefix="micro-")
        self.path = Path(folder, "records.db")
        self.database = subject.part("aio.database", "Database")(self.path, synced=False)
        weakref.finalize(self, _clear, self.database, folder)


def _clear(database: Any, folder: str) -> None:
    database.close()
    shutil.rmtree(folder)


def _database_write() -> Prepared:
    subject.require("durability")
    place, keys = _Place(), _keys()
    database, persist = place.database, subject.part("effects", "Persist")
    clock = subject.part("versions", "HybridClock")(bytes(32))
    numbers, rows = iter(range(1, 1 << 62)), dict.fromkeys(keys, 0)
    tells_rows = "replaces" in persist.__struct_fields__  # commits before it look them up

    def run(group: list[Any]) -> _Place:
        database.write(group)
        return place

    def fresh() -> list[Any]:
        if database.wal_bytes > LOG_BYTES:
            database.checkpoint()
        group = []
        for number, key in enumerate(keys):
            row, replaced = next(numbers), rows[key]
            more = {"replaces": replaced} if tells_rows else {}
            version, value = clock.next(WALL_MS), _VALUES.value(number)
            group.append(persist(row, key, version, value, 0, **more))
            rows[key] = row
        return group

    first, second = fresh(), fresh()
    run(first)
    run(second)
    other = subject.part("aio.database", "Database")(place.path, read_only=True)
    saved = {each.key: each for batch in other.load() for each in batch}
    other.close()
    wanted = {change.key: (change.version, change.value) for change in second}
    found = {key: (each.version, each.value) for key, each in saved.items() if each.is_sound}
    require_equal(found, wanted, "a database after two groups")
    return Prepared(run, fresh)


DISK = {
    "node_store_durable": Micro("a node is asked to store, has the change written, and answers "
                                "when it is told that all is synced", GROUP, _node_store_durable),
    "database_write": Micro("a group of 64 newer versions is committed to the database, which the "
                            "system keeps (no sync)", GROUP, _database_write),
}  # fmt: skip
