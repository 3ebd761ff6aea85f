"""What memory nodes, connections and records take, and whether it grows without end.

Peaks are those of a whole process with a swarm in it, beside an empty twin that only imports and
runs a loop: subtract it. The other figures count heap bytes exactly, in a child process whose every
allocation goes through malloc (`common.heap_lab`).
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from benchmarks.common import subject
from benchmarks.common.sampling import BLOCKS, Record, Samples, as_samples, read, record

if TYPE_CHECKING:
    from benchmarks.common.heap_lab import HeapLab

SIZES = [64, 1024]
RECORDS = 4096  # enough for the store's tables to double a few times: their slack is averaged
WARM_UP_RECORDS = 512
OPERATIONS_PER_BLOCK = 800
OVERWRITTEN = 25  # records, again and again
LEFT_ALONE = 2400  # records: more than twice the changes that a node of so many remembers
VISITS_PER_BLOCK = 10
NODES_PER_BLOCK = 2
CONNECTIONS_PER_BLOCK = 4
WARM_UP = 3  # blocks until caches, tables and free lists have found their size
EDITIONS = OPERATIONS_PER_BLOCK // OVERWRITTEN  # of each record in a block
LAST_EDITION = (WARM_UP + BLOCKS + 1) * EDITIONS - 1
PEAK_NODES = 8
PEAK_RECORDS = 2000


def _alone() -> subject.NetworkSettings:
    return subject.NetworkSettings(replication=1, write_quorum=1, read_quorum=1)


def _per_block(readings: list[int], things: int) -> list[float]:
    """Bytes per thing in each block, from the readings before and after it."""
    return [(after - before) / things for before, after in pairwise(readings)]


def _sizes() -> Record:
    """Bytes per idle node, per connection at the node's end, and per record beyond its value."""
    from benchmarks.common.heap_lab import HeapLab
    from benchmarks.common.loops import running_loop

    found: Record = {}
    with HeapLab(1, network := _alone()) as lab:
        lab.nodes(1)  # the first one brings lazy imports along
        nodes = [lab.nodes(0)] + [lab.nodes(NODES_PER_BLOCK) for _ in range(BLOCKS)]
        found["node",] = _per_block(nodes, NODES_PER_BLOCK)
        for size in SIZES:
            before = lab.store(WARM_UP_RECORDS, size)
            after = lab.store(RECORDS, size, first=WARM_UP_RECORDS)
            found["record", size] = [(after - before) / RECORDS - size]
        with running_loop(subject.default_loop()) as runner:
            found["connection",] = runner.run(_connections(lab, network))
    return found


async def _connections(lab: HeapLab, network: subject.NetworkSettings) -> list[float]:
    """Bytes per connection in the node's process; the clients live in this one, and stay."""
    async with AsyncExitStack() as stack:
        readings = [lab.nodes(0)]
        for _ in range(BLOCKS):
            for _ in range(CONNECTIONS_PER_BLOCK):
                await _write_and_read(
                    await stack.enter_async_context(subject.make_client(network, lab.addresses))
                )
            readings.append(lab.nodes(0))
    return _per_block(readings, CONNECTIONS_PER_BLOCK)


async def _visits(lab: HeapLab, network: subject.NetworkSettings) -> list[float]:
    """Bytes that clients which come and go leave behind in the nodes' process, for each."""
    readings = []
    for _ in range(WARM_UP + BLOCKS + 1):
        for _ in range(VISITS_PER_BLOCK):
            async with subject.make_client(network, lab.addresses[:1]) as client:
                await _write_and_read(client)
        # A request of the lab's own client: by its answer the nodes have seen the visitors go.
        readings.append(lab.retrieve(1, SIZES[-1], edition=LAST_EDITION))
    return _per_block(readings[WARM_UP:], VISITS_PER_BLOCK)


async def _write_and_read(client: subject.SubjectClient) -> None:
    value = bytes(64)
    await client.store("visit", value)
    if await client.retrieve("visit") != value:
        raise AssertionError("a client was given another value than the one it had written")


def _growth() -> Record:
    """Bytes by which three nodes and their client have grown per operation, in each block.

    Every block overwrites the same records, retrieves the same records, or lets clients come and
    go: whatever is left after it that was not there before is growth. The blocks of one operation
    follow each other, for buffers that differ between operations are no growth. The records are
    few, for what nodes still have to add up of those that have changed comes and goes; others, that
    stay as they are, have filled before what keeps the last changes.
    """
    from benchmarks.common.heap_lab import HeapLab
    from benchmarks.common.loops import running_loop

    size, many, few = SIZES[-1], OPERATIONS_PER_BLOCK, OVERWRITTEN
    blocks = range(0, LAST_EDITION, EDITIONS)  # the first edition of each
    with (
        HeapLab(3, network := subject.NetworkSettings()) as lab,
        running_loop(subject.default_loop()) as runner,
    ):
        lab.store(LEFT_ALONE, SIZES[0], first=few)
        stored = [lab.store(many, size, edition=edition, among=few) for edition in blocks]
        retrieved = [lab.retrieve(many, size, edition=LAST_EDITION, among=few) for _ in blocks]
        return {
            ("store",): _per_block(stored[WARM_UP:], many),
            ("retrieve",): _per_block(retrieved[WARM_UP:], many),
            ("visit",): runner.run(_visits(lab, network)),
        }


class _Sizes:
    """The record that the classes of sizes share: asv makes it once for all of them."""

    key = ""  # of its values in the record
    kind = "paired"
    timeout = 60

    def setup(self, found: Record, *case: Any) -> None:
        read(found, self.key, *case)

    def setup_cache(self) -> object:
        return record(_sizes)


class IdleNode(_Sizes):
    """Catches: a node without peers or records that takes more memory than it did.

    Cannot see: pages that the allocator keeps; a usual process takes a few percent less than this.
    """

    layout = "C"
    key = "node"
    version = "1"
    unit = "bytes"

    def track_bytes_per_node(self, found: Record) -> Samples:
        return as_samples(read(found, self.key))


class Connection(_Sizes):
    """Catches: a client's connection that costs its node more memory, TLS included.

    Cannot see: what it costs the client, and buffers that only a busy connection has.
    """

    layout = "A"
    key = "connection"
    version = "1"
    unit = "bytes"

    def track_bytes_per_connection(self, found: Record) -> Samples:
        return as_samples(read(found, self.key))


class StoredRecord(_Sizes):
    """Catches: a record that takes more memory beyond its value than it did.

    Cannot see: replicas (there is one), a store on disk, records of many different sizes.
    """

    layout = "C"
    key = "record"
    version = "1"
    unit = "bytes"
    params = (SIZES,)
    param_names = ("size_bytes",)

    def track_bytes_beyond_the_value(self, found: Record, size: int) -> float:
        return round(read(found, self.key, size)[0], 1)


class _Growth:
    """The record that the classes of growth share."""

    kind = "paired"
    timeout = 60

    def setup_cache(self) -> object:
        return record(_growth)


class GrowthByOperation(_Growth):
    """Catches: a leak, from a few bytes per operation on; its interval should include zero.

    Cannot see: what grows only over hours, with other operations, or outside the heap.
    """

    layout = "C"
    version = "3"
    unit = "bytes"
    params = (["store", "retrieve"],)
    param_names = ("operation",)

    def setup(self, found: Record, operation: str) -> None:
        read(found, operation)

    def track_bytes_per_operation(self, found: Record, operation: str) -> Samples:
        return as_samples(read(found, operation))


class GrowthByVisit(_Growth):
    """Catches: what clients that connect, work and leave leave behind in the nodes.

    Cannot see: what they leave behind at their own end, or when they leave without a word.
    """

    layout = "A"
    version = "2"
    unit = "bytes"

    def setup(self, found: Record) -> None:
        read(found, "visit")

    def track_bytes_per_visit(self, found: Record) -> Samples:
        return as_samples(read(found, "visit"))


class Peak:
    """Catches: a process that ever needs more memory for a swarm, with and without records.

    Cannot see: which node or when; subtract `peakmem_empty`, its twin without any node.
    """

    kind = "paired"
    layout = "C"
    version = "2"
    timeout = 60

    def setup(self) -> None:
        from benchmarks.common.footprint import reset_peak, trust_own_peak

        subject.require("network")
        trust_own_peak()
        # A first swarm outside the figure: what it imports, the twin has as well.
        self._swarm(1, _alone(), 1)
        reset_peak()

    def peakmem_empty(self) -> None:
        from benchmarks.common.loops import running_loop

        with running_loop(subject.default_loop()):
            pass

    def peakmem_idle_nodes(self) -> None:
        self._swarm(PEAK_NODES, subject.NetworkSettings(), 1)

    def peakmem_nodes_with_records(self) -> None:
        self._swarm(PEAK_NODES, subject.NetworkSettings(), PEAK_RECORDS)

    def _swarm(self, nodes: int, network: subject.NetworkSettings, records: int) -> None:
        """A swarm in this process, some records written and read back."""
        from benchmarks.common.swarm import Swarm
        from benchmarks.common.workload import Values, closed_loop

        values = Values(SIZES[-1])
        with Swarm(layout="C", nodes=nodes, network=network) as swarm:
            client = swarm.client
            for operation, check in (
                (lambda n: client.store(f"peak-{n}", values.value(n)), None),
                (lambda n: client.retrieve(f"peak-{n}"), values.check),
            ):
                outcome = swarm.run(
                    closed_loop(operation, operations=records, in_flight=8, check=check)
                )
                outcome.require_clean()
