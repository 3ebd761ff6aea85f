"""What the number of nodes costs: operations on 1, 2, 4 and 8 real nodes.

As many replicas as there are nodes, up to three, and a majority of them for the quorums; records of
1 KiB, sixteen operations in flight. More processes than cores make the machine part of the figure,
so these compare commits on one machine and say nothing about eight hosts. All times are at
reference speed (`benchmarks/common/ruler/pairs.py`).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.common import subject
from benchmarks.common.ruler.versions import SOCKET_RULER, beside
from benchmarks.common.sampling import PAIRS, SWARMS, Samples, read, record, timed

if TYPE_CHECKING:
    from benchmarks.common.ruler.sockets import Operation, Turns
    from benchmarks.common.swarm import Swarm
    from benchmarks.common.workload import WorkloadOutcome

NODES = [1, 2, 4, 8]
OPERATIONS: list[Operation] = ["store", "retrieve"]
IN_FLIGHT = 16
PER_BLOCK, RULER_PER_BLOCK = 48, 96  # a block lasts some 4 ms
SIZE_BYTES = 1024
REFERENCE_S = {
    **{("store", n): us * 1e-6 for n, us in zip(NODES, (17, 23, 33, 57), strict=True)},
    **{("retrieve", n): us * 1e-6 for n, us in zip(NODES, (20, 25, 36, 53), strict=True)},
}
"""Of the ruler, per operation: a fixed number, about what it takes on a quiet machine."""


def _operations() -> Turns:
    """Blocks of operations on a network of each size, a process per node, beside the ruler."""
    from benchmarks.common.ruler.sockets import in_swarms

    found: Turns = {}
    for nodes in NODES:
        network = subject.NetworkSettings.of(nodes)
        found |= in_swarms(_turns, layout="B", nodes=nodes, network=network)
    return found


def _turns(swarm: Swarm) -> Turns:
    from benchmarks.common.ruler.sockets import InTurn

    found: Turns = {}
    in_turn = InTurn(swarm)
    ruler = in_turn.ruler(SIZE_BYTES)
    for edition in range(PAIRS // SWARMS + 1):
        for operation in OPERATIONS:
            taken = in_turn.take(
                partial(_block, swarm.client, operation, edition),
                partial(ruler.closed, operation, RULER_PER_BLOCK, IN_FLIGHT),
            )
            if edition:  # the first block met cold caches
                found.setdefault((operation, swarm.nodes), []).append(taken)
    return found


async def _block(
    client: subject.SubjectClient, operation: Operation, edition: int
) -> WorkloadOutcome:
    """Stores, or retrieves of the same records."""
    from benchmarks.common.workload import Values, closed_loop

    values = Values(SIZE_BYTES, edition)
    stores = operation == "store"
    outcome = await closed_loop(
        (lambda n: client.store(f"r{n}", values.value(n)))
        if stores
        else (lambda n: client.retrieve(f"r{n}")),
        operations=PER_BLOCK,
        in_flight=IN_FLIGHT,
        check=None if stores else values.check,
    )
    return outcome.require_clean()


class Throughput:
    """Catches: an operation that costs more the more nodes there are.

    Cannot see: networks beyond eight nodes, and what eight hosts instead of two cores would do.
    """

    kind = "paired"
    layout = "B"
    version = beside("3", SOCKET_RULER)
    unit = "seconds"
    timeout = 300
    params = (OPERATIONS, NODES)
    param_names = ("operation", "nodes")

    def setup_cache(self) -> object:
        return record(_operations)

    def setup(self, found: Turns, operation: str, nodes: int) -> None:
        read(found, operation, nodes)

    def track_seconds_per_operation(self, found: Turns, operation: str, nodes: int) -> Samples:
        from benchmarks.common.ruler.sockets import clock

        return timed(map(clock, read(found, operation, nodes)), REFERENCE_S[operation, nodes])
