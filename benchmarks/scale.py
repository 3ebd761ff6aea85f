"""What the number of nodes costs: operations on 1, 2, 4 and 8 real nodes.

As many replicas as there are nodes, up to three, and a majority of them for the quorums; records of
1 KiB, sixteen operations in flight. More processes than cores make the machine part of the figure,
so these compare commits on one machine and say nothing about eight hosts.
"""

from __future__ import annotations

from benchmarks.common import subject
from benchmarks.common.sampling import BLOCKS, Record, Samples, as_samples, read, record

NODES = [1, 2, 4, 8]
OPERATIONS = ["store", "retrieve"]
IN_FLIGHT = 16
PER_BLOCK = 500
SIZE_BYTES = 1024


def _operations() -> Record:
    """Seconds per operation on a network of each size, a process per node."""
    from benchmarks.common.swarm import Swarm

    found: Record = {}
    for nodes in NODES:
        with Swarm(layout="B", nodes=nodes, network=subject.NetworkSettings.of(nodes)) as swarm:
            for edition in range(BLOCKS + 1):
                stored, retrieved = swarm.run(_block(swarm.client, edition))
                if edition:  # the first block met cold caches
                    found.setdefault(("store", nodes), []).append(stored)
                    found.setdefault(("retrieve", nodes), []).append(retrieved)
    return found


async def _block(client: subject.SubjectClient, edition: int) -> tuple[float, float]:
    """Seconds per store and per retrieve of the same records."""
    from benchmarks.common.workload import Values, closed_loop

    values = Values(SIZE_BYTES, edition)
    stored = await closed_loop(
        lambda n: client.store(f"r{n}", values.value(n)), operations=PER_BLOCK, in_flight=IN_FLIGHT
    )
    retrieved = await closed_loop(
        lambda n: client.retrieve(f"r{n}"),
        operations=PER_BLOCK,
        in_flight=IN_FLIGHT,
        check=values.check,
    )
    return (
        stored.require_clean().seconds_per_operation,
        retrieved.require_clean().seconds_per_operation,
    )


class Throughput:
    """Catches: an operation that costs more the more nodes there are.

    Cannot see: networks beyond eight nodes, and what eight hosts instead of two cores would do.
    """

    kind = "observed"
    layout = "B"
    version = "2"
    unit = "seconds"
    timeout = 60
    params = (OPERATIONS, NODES)
    param_names = ("operation", "nodes")

    def setup_cache(self) -> object:
        return record(_operations)

    def setup(self, found: Record, operation: str, nodes: int) -> None:
        read(found, operation, nodes)

    def track_seconds_per_operation(self, found: Record, operation: str, nodes: int) -> Samples:
        return as_samples(read(found, operation, nodes))
