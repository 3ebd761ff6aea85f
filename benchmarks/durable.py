"""What it costs to have records on disk for good before they are acknowledged.

Three nodes in one process, three replicas, two of which have to sync before they count; records of
1 KiB. A sync costs 0.1 ms in one minute and 4 ms in another (`SyncCost` says what it cost here), so
times are taken in turn with a twin: the same nodes of the same core, on the same disk, whose
records go to a raw log (`benchmarks/common/ruler/raw_log.py`). What makes the core slower as a
whole makes both slower, and is for other suites to see; here is what a database adds to a sync.

What a restart costs is held against another beginning (`benchmarks/common/ruler/fresh.py`).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.common.processors import Patience
from benchmarks.common.ruler.versions import DISK_RULER, START_RULER, beside
from benchmarks.common.sampling import (
    BLOCKS,
    PATIENCE_S,
    QUICK,
    Record,
    Samples,
    Times,
    read,
    record,
    tail,
    timed,
    unjudged,
)

if TYPE_CHECKING:
    from collections.abc import Hashable

    from benchmarks.common.ruler.sockets import Turns
    from benchmarks.common.swarm import Swarm
    from benchmarks.common.workload import WorkloadOutcome

NODES = 3
SIZE_BYTES = 1024
IN_FLIGHT = [16, 64, 256]
TURNS = BLOCKS * (1 if QUICK else 3)
PER_BLOCK = {16: 64, 64: 192, 256: 512}  # two to four groups for each
CHAIN = 4  # blocks that follow each other, and share the ruler between them
STORES = 1000  # what a figure is about
REFERENCE_S = {16: 170e-6, 64: 120e-6, 256: 110e-6}
"""Of the raw log, per store: fixed numbers, about what it takes on a quiet machine and disk."""
REFERENCE_CPU_S = {16: 45e-6, 64: 30e-6, 256: 20e-6}
"""Processor time of the raw log's nodes, per record and replica."""
RECORDS = [1000, 4000]
RESTARTS = 3 if QUICK else BLOCKS
KILLS = 1 if QUICK else 2
RESTART_REFERENCE_S = 4e-3  # of the ruler of beginnings


def _turns() -> dict[Hashable, list[Any]]:
    """Blocks of stores at each number in flight, between blocks of the raw log's nodes; syncs of
    the same time, under "sync", and the nodes' processor time, under "cpu"."""
    from benchmarks.common.disk import sync_cost_s
    from benchmarks.common.swarm import Swarm

    found: dict[Hashable, list[Any]] = {}
    with (
        Swarm(layout="A", nodes=NODES, keeping="synced") as durable,
        Swarm(layout="A", nodes=NODES, keeping="raw log") as raw,
    ):
        assert durable.folder is not None
        durable.freeze()
        raw.freeze()
        for edition in range(0, TURNS + CHAIN, CHAIN):
            if edition == CHAIN:
                found.clear()  # the first blocks met cold caches and new keys
            for in_flight in IN_FLIGHT:
                _chain(found, durable, raw, in_flight, range(edition, edition + CHAIN))
            found.setdefault(("sync",), []).extend(sync_cost_s(durable.folder, 5))
    return found


def _chain(
    found: dict[Hashable, list[Any]], durable: Swarm, raw: Swarm, in_flight: int, editions: range
) -> None:
    """The ruler, a block, the ruler, another block, the ruler …"""
    from benchmarks.common.ruler.sockets import Taken

    for swarm in (durable, raw):
        swarm.collect()
    before = _block(raw, in_flight, editions[0])
    for edition in editions:
        took = _block(durable, in_flight, edition)
        after = _block(raw, in_flight, edition + 1)
        clocks, processors = zip(before, took, after, strict=True)
        found.setdefault((in_flight,), []).append(Taken(*clocks))
        found.setdefault(("cpu", in_flight), []).append(Taken(*processors))
        before = after


def _block(swarm: Swarm, in_flight: int, edition: int) -> tuple[WorkloadOutcome, float]:
    """Stores of the same keys each time; and the nodes' processor time of each, per replica."""
    from benchmarks.common.workload import Values, closed_loop

    values, count = Values(SIZE_BYTES, edition), PER_BLOCK[in_flight]
    [before] = swarm.usage()
    outcome = swarm.run(
        closed_loop(
            lambda n: swarm.client.store(f"{in_flight}-{n}", values.value(n)),
            operations=count,
            in_flight=in_flight,
        )
    )
    [after] = swarm.usage()
    cpu_s = (after["cpu_s"] - before["cpu_s"]) / count / swarm.network.replication
    return outcome.require_clean(), cpu_s


class _Turns:
    """The record of turns that classes share."""

    layout = "A"
    timeout = 300

    def setup_cache(self) -> object:
        undisturbed = partial(Patience(PATIENCE_S).undisturbed, _turns)
        return record(undisturbed, "durability", "raw log")


class _InTurn(_Turns):
    """Those with a figure for each number in flight."""

    params = (IN_FLIGHT,)
    param_names = ("in_flight",)

    def setup(self, found: Turns, in_flight: int) -> None:
        read(found, in_flight)


class Stores(_InTurn):
    """Catches: seconds that a database adds to 1,000 stores whose acknowledgement waits for disks.

    Cannot see: what a sync costs (`SyncCost`), what makes the whole core slower, other sizes.
    """

    kind = "paired"
    version = beside("1", DISK_RULER)
    unit = "seconds"

    def track_seconds_per_1000_stores(self, found: Turns, in_flight: int) -> Samples:
        from benchmarks.common.ruler.sockets import clock

        pairs = map(clock, read(found, in_flight))
        return timed(pairs, STORES * REFERENCE_S[in_flight])


class Middle(_InTurn):
    """Catches: synced stores that wait longer for their group, or behind others, in the middle.

    Cannot see: the unlucky ones (`Tail`), and stores that come one at a time.
    """

    kind = "paired"
    version = beside("1", DISK_RULER)
    unit = "seconds"

    def track_p50(self, found: Turns, in_flight: int) -> Samples:
        from benchmarks.common.ruler.sockets import middle

        pairs = map(middle, read(found, in_flight))
        return timed(pairs, in_flight * REFERENCE_S[in_flight])


class Tail(_InTurn):
    """Catches: the slowest of a hundred synced stores (P99), for people to look at.

    Cannot see: less than what the disk does to it, so nothing is judged by it.
    """

    kind = "observed"
    version = "1"
    unit = "seconds"

    def track_p99(self, found: Turns, in_flight: int) -> Samples:
        return tail([taken.subject.latencies_s for taken in read(found, in_flight)], 990)


class NodeCpu(_InTurn):
    """Catches: more processor time of a replica, threads included, to have a record on disk.

    Cannot see: what the kernel does for the disk in its own threads; the client.
    """

    kind = "paired"
    version = beside("1", DISK_RULER)
    unit = "seconds"

    def track_cpu_seconds_per_record(self, found: Turns, in_flight: int) -> Samples:
        from benchmarks.common.ruler.pairs import Pair

        taken = read(found, "cpu", in_flight)
        pairs = [Pair(each.subject, each.before, each.after) for each in taken]
        return timed(pairs, REFERENCE_CPU_S[in_flight])


class SyncCost(_Turns):
    """Catches: a spell of the disk that the other figures are to be read with: a sync of 1 KiB.

    Cannot see: anything of p2pcore's; it is the machine's, and nothing is judged by it.
    """

    kind = "observed"
    version = "1"
    unit = "seconds"

    def setup(self, found: Record) -> None:
        read(found, "sync")

    def track_sync_p50(self, found: Record) -> Samples:
        return tail([[each] for each in read(found, "sync")], 500)

    def track_sync_p99(self, found: Record) -> Samples:
        return tail([[each] for each in read(found, "sync")], 990, parts=2)


# What comes back after a restart, and what it takes on disk


class _Restarts:
    """The record of restarts that classes share."""

    key = ""  # of its values in the record
    layout = "C"
    kind = "paired"
    timeout = 300
    params = (RECORDS,)
    param_names = ("records",)

    def setup_cache(self) -> object:
        from benchmarks.common.restarts import after_shutdown

        return record(partial(after_shutdown, RECORDS, RESTARTS, SIZE_BYTES), "durability")

    def setup(self, found: Times, records: int) -> None:
        read(found, self.key, records)


class Restart(_Restarts):
    """Catches: a node that counts later after a restart, the more records it has on disk.

    Cannot see: a file that is not in the system's cache; other nodes, with which it compares.
    """

    key = "ready"
    version = beside("1", START_RULER)
    unit = "seconds"

    def track_ready_seconds(self, found: Times, records: int) -> Samples:
        return timed(read(found, self.key, records), RESTART_REFERENCE_S)


class OnDisk(_Restarts):
    """Catches: more bytes on disk for a record of 1 KiB, at rest.

    Cannot see: the log of a node at work, files that have been overwritten for long.
    """

    key = "kept"
    version = "1"
    unit = "bytes"

    def track_bytes_per_record(self, found: Record, records: int) -> float:
        return round(read(found, self.key, records)[0], 1)


class Written(_Restarts):
    """Catches: more bytes written to disk for a record of 1 KiB until it is at rest.

    Cannot see: what the disk itself writes more; groups of other sizes than a load gives.
    """

    key = "written"
    version = "1"
    unit = "bytes"

    def track_bytes_per_record(self, found: Record, records: int) -> float:
        return round(read(found, self.key, records)[0], 1)


class _Killed:
    """The record of killed nodes that classes share."""

    key = ""
    layout = "C"
    timeout = 300

    def setup_cache(self) -> object:
        from benchmarks.common.restarts import after_kill

        return record(partial(after_kill, RECORDS[-1], KILLS, SIZE_BYTES), "durability")

    def setup(self, found: Record) -> None:
        read(found, self.key)


class Recovery(_Killed):
    """Catches: an acknowledged record that a kill takes away (an error), and slow recoveries.

    Cannot see: cuts of the power, for which there are tests; nothing is judged by its times.
    """

    key = "recovery"
    kind = "observed"
    version = "1"
    unit = "seconds"

    def track_ready_seconds(self, found: Record) -> Samples:
        return unjudged(read(found, self.key))


class Memory(_Killed):
    """Catches: more memory for a record of 1 KiB that is on disk, its value included.

    Cannot see: replicas (there is one), and records that came back with a restart.
    """

    key = "heap"
    kind = "paired"
    version = "1"
    unit = "bytes"

    def track_bytes_per_record(self, found: Record) -> float:
        return round(read(found, self.key)[0], 1)
