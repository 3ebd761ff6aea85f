"""A child process that tells how much memory nodes, clients and records keep, to the byte.

What Python has allocated and not freed is known exactly (`tracemalloc` counts what was asked for,
not what malloc makes of it), and in a static swarm nothing else differs between two runs. So the
figure is what is kept after something has happened, less what was kept before. A first swarm, which
does the same, is thrown away: imports, caches and free lists are its. One cache is emptied before
each reading: that of attributes by type. It holds the names, and which of them it gives up for
others follows from where they are in memory.

Rule: started by the gate through `MemoryLab`; every record that is counted can be read.
"""

from __future__ import annotations

import gc
import json
import sys
import tracemalloc
from collections import Counter
from typing import Any

from benchmarks.common import subject
from benchmarks.common.children import Child, WithChild, serve_parent
from benchmarks.common.counting.call_tree import place_of
from benchmarks.common.counting.count_lab import Counts
from benchmarks.common.counting.static_swarm import StaticMember, StaticSwarm
from benchmarks.common.reach import unreached
from benchmarks.common.workload import Values

__all__ = ["KEEPERS", "MemoryLab", "Site", "run_child", "sites_held", "traced"]

KEEPERS = ("node", "client", "record", "durable_record")
ANSWER_S = 130.0  # twenty times what it takes when nothing else runs
CLIENTS = 16
RECORDS = 256  # the size of a table's step is shared by so many
SIZE_BYTES = 1024
SETTLE_NS = 10_000_000_000  # until what operations leave behind for a while is gone
ACQUAINTED_NS = 60_000_000_000  # until each node has compared its records with all the others
Site = tuple[str, int, int]
"""A file, a line of it, and the bytes that are kept of what was asked for there."""


class MemoryLab(WithChild):
    """The caller's side: one swarm in a process of its own.

    `core_dir` holds the p2pcore package to look at; by default it is the one installed here.
    """

    def __init__(self, nodes: int, core_dir: str | None = None) -> None:
        self._child = Child(
            "benchmarks.common.counting.memory_lab",
            [json.dumps({"nodes": nodes})],
            core_dir or subject.core_dir(),
        )

    def kept(self) -> dict[str, Counts]:
        """The "bytes" kept for each of KEEPERS, by all machines together; nothing if this p2pcore
        cannot be counted.

        A "node" is an idle one of a network, with its links and what it knows of the others; a
        "client" has connected, and counts with both ends of its links; a "record" of SIZE_BYTES
        counts with its replicas and their values, and a "durable_record" where nodes have disks.
        """
        return self._child.ask({}, ANSWER_S)

    def sites(self) -> dict[str, list[Site]]:
        """Where in the program what is kept for all of each of KEEPERS was asked for."""
        return self._child.ask({"sites": True}, ANSWER_S)


class _Lab:
    """The child's service."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._nodes: int = order["nodes"]
        self._values = Values(SIZE_BYTES)
        self._sites: dict[str, list[Site]] | None = None  # if they are asked for

    async def start(self) -> dict[str, Any]:
        gc.disable()
        tracemalloc.start()
        return {}

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        try:
            self._kept()
            if "sites" in question:
                self._sites = {}
                self._kept()
                return self._sites
            return {keeper: {"bytes": kept} for keeper, kept in self._kept().items()}
        except NotImplementedError as reason:
            if unreached(reason):
                raise  # it may be there, under another name
            return {}

    async def stop(self) -> None:
        pass

    def _kept(self) -> dict[str, float]:
        kept = {}
        before = self._read()
        swarm = StaticSwarm(self._nodes, subject.NetworkSettings())
        after = self._read("node")
        kept["node"] = (after - before) / self._nodes

        before = after
        clients = [swarm.client() for _ in range(CLIENTS)]
        for client in clients:
            client.operate(client.machine.connect)
        swarm.run(SETTLE_NS)
        after = self._read("client")
        kept["client"] = (after - before) / CLIENTS

        kept["record"] = self._kept_for_a_record("record", swarm, clients[0])
        if subject.supports("durability"):
            durable = StaticSwarm(self._nodes, subject.NetworkSettings(), disk=True)
            client = durable.client()
            client.operate(client.machine.connect)
            kept["durable_record"] = self._kept_for_a_record("durable_record", durable, client)
        return kept

    def _read(self, keeper: str = "") -> int:
        """What is held; where sites are asked for, also those of what has come since the reading
        before it, for this keeper."""
        held = traced()
        if self._sites is not None:
            if keeper:
                self._sites[keeper] = sites_held()
            tracemalloc.clear_traces()
        return held

    def _kept_for_a_record(self, keeper: str, swarm: StaticSwarm, client: StaticMember) -> float:
        # The first records bring along what the client keeps for all of them, and nodes of each
        # other.
        self._write(swarm, client, range(RECORDS))
        swarm.run(ACQUAINTED_NS)
        before = self._read()
        self._write(swarm, client, range(RECORDS, 2 * RECORDS))
        return (self._read(keeper) - before) / RECORDS

    def _write(self, swarm: StaticSwarm, client: StaticMember, numbers: range) -> None:
        for number in numbers:
            key = swarm.core.key_of(f"r{number}")
            value = self._values.value(number)
            client.operate(client.machine.write, key, value, None, swarm.deadline_ns)
            name = f"r{number}"
            answer = client.operate(client.machine.read, key, name, swarm.deadline_ns)
            self._values.check(number, answer)
        swarm.run(SETTLE_NS)


def traced() -> int:
    """Bytes that Python holds now, without what the next collection would give back."""
    gc.collect()
    _forget_names()
    return tracemalloc.get_traced_memory()[0]


def sites_held() -> list[Site]:
    """The lines that asked for what is held, of which tracemalloc knows; the most first."""
    found: Counter[tuple[str, int]] = Counter()
    for each in tracemalloc.take_snapshot().statistics("lineno"):
        frame = each.traceback[0]
        found[place_of(frame.filename), frame.lineno] += each.size
    return [(file, line, size) for (file, line), size in found.most_common()]


def _forget_names() -> None:
    """Empty the interpreter's cache of attributes by type."""
    # Before Python 3.13 it has a function of its own.
    forget = getattr(sys, "_clear_internal_caches", None) or sys._clear_type_cache
    forget()


def run_child(arguments: list[str]) -> None:
    """A child process of MemoryLab; its order is one JSON object."""
    serve_parent(_Lab(json.loads(arguments[0])), "asyncio")
