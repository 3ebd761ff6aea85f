"""A child process that counts the lines that nodes run in a crowd (`crowds.py`), and their slices.

Lines are those of the core's Python code, client and nodes together. The longest slice is the most
of them in one call into a machine: what comes meanwhile waits for it. A minute in which nothing is
asked for is what timers do by themselves; a node joins, and goes; a client has done much before.

Rule: started by the gate or a suite through `CrowdLab`; every value that is read is checked.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from typing import Any

from benchmarks.common import subject
from benchmarks.common.children import Child, WithChild, serve_parent
from benchmarks.common.counting.count_lab import Counts
from benchmarks.common.counting.crowds import CROWDS, CrowdedSwarm, link_crowd, record_crowd
from benchmarks.common.counting.meters import LineMeter
from benchmarks.common.reach import unreached

__all__ = ["CROWD_COUNTS", "CrowdLab", "run_child"]

CROWD_COUNTS = (
    "lines.quiet_records",
    "lines.late_operation",
    "longest_slice.quiet_records",
    "longest_slice.quiet_links",
    "longest_slice.join",
    "longest_slice.leave",
)
ANSWER_S = 300.0  # thirty times what it takes when nothing else runs
MOVED = 5_000  # records that two nodes hold when a third one comes
QUIET_NS = 60_000_000_000  # in which all that is not done once a day is done once at least
SETTLE_NS = 10_000_000_000
EARLIER, KEYS = 2_000, 60  # operations of a client, and how many keys they are about


class CrowdLab(WithChild):
    """The caller's side: crowds in a process of their own.

    `core_dir` holds the p2pcore package to count; by default it is the one installed here.
    """

    def __init__(self, core_dir: str | None = None) -> None:
        self._child = Child(
            "benchmarks.common.counting.crowd_lab", [], core_dir or subject.core_dir()
        )

    def count(self) -> Counts:
        """CROWD_COUNTS, without those that this p2pcore can't do.

        "lines.quiet_records": what each doubling of records costs two nodes in a quiet minute;
        "lines.late_operation": a client's store or retrieve after many.
        """
        return self._child.ask({}, ANSWER_S)


class _Lab:
    """The child's service."""

    async def start(self) -> dict[str, Any]:
        gc.disable()
        return {}

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        found: Counts = {}
        for thing in (_quiet_records, _quiet_links, _change, _late_operation):
            try:
                found |= thing()
            except NotImplementedError as reason:
                if unreached(reason):
                    raise  # it may be there, under another name
        return found

    async def stop(self) -> None:
        pass


def _metered(crowd: CrowdedSwarm, thing: Callable[[], object]) -> tuple[int, int]:
    """Lines, and those of the longest slice."""
    plain, crowd.swarm.meter = crowd.swarm.meter, LineMeter()
    try:
        thing()
        lines, longest = crowd.swarm.meter.counts
    finally:
        crowd.swarm.meter = plain
    return lines, longest


def _quiet(crowd: CrowdedSwarm) -> tuple[int, int]:
    return _metered(crowd, lambda: crowd.swarm.run(QUIET_NS))


def _quiet_records() -> Counts:
    half, whole = (_quiet(record_crowd(size)) for size in CROWDS["records"])
    return {
        "lines.quiet_records": whole[0] - half[0],
        "longest_slice.quiet_records": whole[1],
    }


def _quiet_links() -> Counts:
    return {"longest_slice.quiet_links": _quiet(link_crowd(CROWDS["links"][1]))[1]}


def _change() -> Counts:
    """A node comes to two that hold records, with nothing on its disk, takes over what is its, and
    gives it back when it goes."""
    crowd = record_crowd(MOVED)
    swarm = crowd.swarm
    swarm.rows = ()
    node = swarm.make_node()
    _, join = _metered(crowd, lambda: swarm.join(node))
    swarm.run(SETTLE_NS)
    if not 0 < len(node.machine.store) <= MOVED:
        raise AssertionError(f"a node took over {len(node.machine.store)} of {MOVED} records")
    _, leave = _metered(crowd, lambda: swarm.leave(node))
    return {"longest_slice.join": join, "longest_slice.leave": leave}


def _late_operation() -> Counts:
    crowd = CrowdedSwarm(3, 0)
    client, key_of = crowd.client, crowd.swarm.core.key_of

    def operate(number: int) -> None:
        name = f"r{number // 2 % KEYS}"
        deadline_ns, value = crowd.swarm.deadline_ns, name.encode()
        if number % 2:
            answer = client.operate(client.machine.read, key_of(name), name, deadline_ns)
            assert answer == value, f"{name} has become {answer!r}"
        else:
            client.operate(client.machine.write, key_of(name), value, None, deadline_ns)

    def block() -> None:
        for number in range(2 * KEYS):
            operate(number)

    for number in range(EARLIER):
        operate(number)
    return {"lines.late_operation": _metered(crowd, block)[0] / (2 * KEYS)}


def run_child(arguments: list[str]) -> None:
    """A child process of CrowdLab; it takes no arguments."""
    assert not arguments, f"{json.dumps(arguments)} were not asked for"
    serve_parent(_Lab(), "asyncio")
