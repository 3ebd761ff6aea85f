"""Nodes that are started again on their records: what that takes, and that all is back.

Theory of operation. One node, alone in its network, so that nothing is handed over: what is
measured is its own disk. It ends in good order in this process, or is killed in one of its own; its
directory stays. After that every record is read back and compared: one that was acknowledged and is
not there is an error, and no figure.

Rule: measures; what a figure is called and how it is judged, the suite says.
"""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.common import subject
from benchmarks.common.children import Child
from benchmarks.common.disk import (
    Keeping,
    NodeStorage,
    folder_bytes,
    place_on_disk,
    written_bytes,
)
from benchmarks.common.entered import Entered
from benchmarks.common.heap_lab import HeapLab
from benchmarks.common.loops import running_loop
from benchmarks.common.ruler.fresh import Meeting
from benchmarks.common.ruler.pairs import Pair
from benchmarks.common.swarm import Members
from benchmarks.common.workload import Values, closed_loop

__all__ = ["DurableNode", "after_kill", "after_shutdown"]

WARM_UP_RECORDS = 256
IN_FLIGHT = 64
HEAP_RECORDS = 2000


def after_shutdown(
    sizes: Sequence[int], restarts: int, size_bytes: int
) -> dict[Hashable, list[Any]]:
    """By number of records: "ready", pairs of seconds from the start of a node until it counts and
    of the ruler of beginnings; "kept", bytes per record on disk when the node has shut down; and
    "written", bytes per record that were written to disks until then."""
    found: dict[Hashable, list[Any]] = {}
    loop = subject.default_loop()
    with running_loop(loop) as runner, Meeting(loop) as meeting:
        for records in sizes:
            with TemporaryDirectory(prefix="durable-", dir=place_on_disk()) as folder:
                shut_down = _ShutDown(meeting, records, Path(folder), size_bytes)
                kept, written = runner.run(shut_down.fill())
                found["kept", records] = [kept]
                found["written", records] = [] if written is None else [written]
                found["ready", records] = runner.run(shut_down.restart(restarts))
    return found


class _ShutDown:
    """A node in this process that holds so many records, and is shut down and started again."""

    def __init__(self, meeting: Meeting, records: int, folder: Path, size_bytes: int) -> None:
        self._meeting, self._records, self._folder = meeting, records, folder
        self._size_bytes = size_bytes
        storage = NodeStorage(keeping="synced", folder=str(folder))
        self._members = Members(subject.NetworkSettings.of(1), storage)

    async def fill(self) -> tuple[float, float | None]:
        """Bytes per record on disk afterwards; and of those that were written, if that is known."""
        await self._members.add(1, [])
        await store(self._members, 0, WARM_UP_RECORDS, self._size_bytes)
        await self._members.shutdown()  # which leaves no log beside the file
        empty = folder_bytes(self._folder)
        await self._members.add(1, [])
        before = written_bytes(os.getpid())
        await store(self._members, WARM_UP_RECORDS, self._records, self._size_bytes)
        await self._members.shutdown()
        after = written_bytes(os.getpid())
        kept = (folder_bytes(self._folder) - empty) / self._records
        known = before is not None and after is not None
        return kept, (after - before) / self._records if known else None  # type: ignore[operator]

    async def restart(self, times: int) -> list[Pair]:
        pairs = []
        before = await self._meeting.start_s()
        for turn in range(times + 1):
            await self._members.add(1, [])
            after = await self._meeting.start_s()
            if turn:  # the first met cold caches
                pairs.append(Pair(self._members.ready_s[-1], before, after))
            if turn == times:
                count = WARM_UP_RECORDS + self._records
                await all_there(self._members, count, self._size_bytes)
            await self._members.shutdown()
            before = after
        return pairs


def after_kill(records: int, kills: int, size_bytes: int) -> dict[Hashable, list[float]]:
    """ "recovery": seconds until a node counts again that was killed with so many records in its
    log; "heap": bytes of heap that a node takes for a record on disk, its value included."""
    with TemporaryDirectory(prefix="durable-", dir=place_on_disk()) as folder:
        recoveries = _recoveries(Path(folder, "killed"), records, kills, size_bytes)
        return {
            ("recovery",): recoveries,
            ("heap",): [_heap_per_record(Path(folder, "heap"), size_bytes)],
        }


def _recoveries(folder: Path, records: int, kills: int, size_bytes: int) -> list[float]:
    seconds: list[float] = []
    with running_loop(subject.default_loop()) as runner, DurableNode(folder) as node:
        runner.run(store(node, 0, records, size_bytes))
        for _ in range(kills):
            node.kill()
            seconds.append(node.start())
            runner.run(all_there(node, records, size_bytes))
    return seconds


def _heap_per_record(folder: Path, size_bytes: int) -> float:
    storage = NodeStorage(keeping="buffered", folder=str(folder))  # synced, it holds as much
    with HeapLab(1, subject.NetworkSettings.of(1), storage) as lab:
        before = lab.store(WARM_UP_RECORDS, size_bytes)
        after = lab.store(HEAP_RECORDS, size_bytes, first=WARM_UP_RECORDS)
    return (after - before) / HEAP_RECORDS


async def store(node: Members | DurableNode, first: int, count: int, size_bytes: int) -> None:
    """Store records first … first+count-1."""
    values = Values(size_bytes)
    async with subject.make_client(node.network, node.addresses) as client:
        stored = await closed_loop(
            lambda n: client.store(f"r{first + n}", values.value(first + n)),
            operations=count,
            in_flight=IN_FLIGHT,
        )
    stored.require_clean()


async def all_there(node: Members | DurableNode, count: int, size_bytes: int) -> None:
    """Raise RuntimeError unless records 0 … count-1 are there, byte for byte."""
    values = Values(size_bytes)
    async with subject.make_client(node.network, node.addresses) as client:
        answers = await closed_loop(
            lambda n: client.retrieve(f"r{n}"),
            operations=count,
            in_flight=IN_FLIGHT,
            check=values.check,
        )
    answers.require_clean()


class DurableNode(Entered):
    """One node, alone in its network, in a process of its own, from entering to leaving;
    `addresses` has where it is at present."""

    def __init__(self, folder: Path, keeping: Keeping = "synced") -> None:
        self.network = subject.NetworkSettings.of(1)
        self.addresses: list[str] = []
        self._storage = NodeStorage(keeping=keeping, folder=str(folder))
        self._child: Child | None = None

    def _enter(self) -> None:
        self._stack.callback(self._stop)
        self.start()

    def start(self) -> float:
        """Start it; seconds from the start of the node, its process not included, until it counts
        for all that is its."""
        loop = subject.default_loop()
        order = {
            "network": asdict(self.network), "count": 1, "bootstrap": [], "loop": loop,
            "storage": asdict(self._storage),
        }  # fmt: skip
        arguments = [json.dumps(order)]
        self._child = Child("benchmarks.common.swarm", arguments, subject.core_dir())
        ready = self._child.wait_ready()
        self.addresses = ready["addresses"]
        seconds: float = (ready["ready_s"] or ready["join_s"])[0]
        return seconds

    def kill(self) -> None:
        """SIGKILL, amid whatever it does."""
        assert self._child is not None, "it runs"
        self._child.kill()
        self._child = None

    def _stop(self) -> None:
        if self._child is not None:
            self._child.stop()
