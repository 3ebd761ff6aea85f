"""What one operation costs on one node, with nothing else going on.

The floor under every other figure: a request, its answer, encryption, the store. One replica and
quorums of one, because a network of one node has to say so. All times are at reference speed
(`benchmarks/common/ruler/pairs.py`).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.common import subject
from benchmarks.common.records import Layout
from benchmarks.common.ruler.versions import SOCKET_RULER, beside
from benchmarks.common.sampling import PAIRS, SWARMS, Samples, read, record, timed

if TYPE_CHECKING:
    from benchmarks.common.ruler.sockets import Block, Operation, Turns
    from benchmarks.common.swarm import Swarm
    from benchmarks.common.workload import WorkloadOutcome

OPERATIONS = ["store", "retrieve", "delete"]
SIZES = [64, 1024, 65536]
PER_BLOCK = {64: 16, 1024: 16, 65536: 5}  # a block lasts some 4 ms
RULER_PER_BLOCK = {64: 24, 1024: 24, 65536: 5}
TURNS: dict[Layout, int] = {"A": PAIRS // SWARMS, "C": PAIRS // SWARMS // 2 + 1}
"""Of each swarm; processor time spreads half as far."""
REFERENCE_S = {
    **{("clock", "store", n): us * 1e-6 for n, us in zip(SIZES, (65, 71, 380), strict=True)},
    **{("clock", "retrieve", n): us * 1e-6 for n, us in zip(SIZES, (62, 66, 167), strict=True)},
    **{("clock", "delete", n): 65e-6 for n in SIZES},
    **{("cpu", "store", n): us * 1e-6 for n, us in zip(SIZES, (40, 44, 376), strict=True)},
    **{("cpu", "retrieve", n): us * 1e-6 for n, us in zip(SIZES, (42, 47, 277), strict=True)},
    **{("cpu", "delete", n): 39e-6 for n in SIZES},
}
"""Of the ruler, per operation, its median by the clock in A and its processor time in C: fixed
numbers, about what it takes on a quiet machine. It cannot delete: it stores as little as it can."""


def _cycles(layout: Layout) -> Turns:
    """Store, retrieve and delete the same keys in turn, each block beside the ruler.

    Each retrieve is compared with what was stored, and after the deletes a key must be gone.
    """
    from benchmarks.common.ruler.sockets import in_swarms

    alone = subject.NetworkSettings(replication=1, write_quorum=1, read_quorum=1)
    return in_swarms(partial(_turns, TURNS[layout]), layout=layout, nodes=1, network=alone)


def _turns(count: int, swarm: Swarm) -> Turns:
    from benchmarks.common.ruler.sockets import InTurn

    found: Turns = {}
    in_turn = InTurn(swarm)
    rulers = {size: in_turn.ruler(size) for size in SIZES}
    for edition in range(count + 1):
        if edition == 1:
            found.clear()  # the first blocks met cold caches
        for size in SIZES:
            for operation, block in _cycle(swarm.client, size, edition).items():
                ruler = rulers[SIZES[0] if operation == "delete" else size]
                beside_it: Operation = "retrieve" if operation == "retrieve" else "store"
                taken = in_turn.take(
                    block, partial(ruler.closed, beside_it, RULER_PER_BLOCK[size], 1)
                )
                found.setdefault((operation, size), []).append(taken)
            if subject.supports("delete"):
                last = _name(size, PER_BLOCK[size] - 1)
                swarm.run(subject.must_be_gone(swarm.client, last))
    return found


def _cycle(
    client: subject.SubjectClient, size: int, edition: int
) -> dict[str, Block[WorkloadOutcome]]:
    """A block of each operation, in this order, on the same keys."""
    from benchmarks.common.workload import Values, closed_loop

    values = Values(size, edition)
    one_by_one = partial(closed_loop, operations=PER_BLOCK[size], in_flight=1)
    blocks = {
        "store": partial(one_by_one, lambda n: client.store(_name(size, n), values.value(n))),
        "retrieve": partial(
            one_by_one, lambda n: client.retrieve(_name(size, n)), check=values.check
        ),
    }
    if subject.supports("delete"):
        blocks["delete"] = partial(one_by_one, lambda n: client.delete(_name(size, n)))
    return {operation: partial(_clean, block) for operation, block in blocks.items()}


async def _clean(block: Block[WorkloadOutcome]) -> WorkloadOutcome:
    return (await block()).require_clean()


def _name(size: int, number: int) -> str:
    return f"{size}-{number}"


class Clock:
    """Catches: an operation on an idle node that waits longer, on either side of the socket.

    Cannot see: what replicas, other load or a real network add; the slower half of operations.
    """

    kind = "paired"
    layout = "A"
    version = beside("2", SOCKET_RULER)
    unit = "seconds"
    timeout = 300
    params = (OPERATIONS, SIZES)
    param_names = ("operation", "size_bytes")

    def setup_cache(self) -> object:
        return record(lambda: _cycles("A"))

    def setup(self, found: Turns, operation: str, size: int) -> None:
        read(found, operation, size)

    def track_seconds(self, found: Turns, operation: str, size: int) -> Samples:
        from benchmarks.common.ruler.sockets import middle

        pairs = map(middle, read(found, operation, size))
        return timed(pairs, REFERENCE_S["clock", operation, size])


class Cpu:
    """Catches: an operation that takes more processor time, client and node together.

    Cannot see: which of the two it was, nor anything that waits instead of working.
    """

    kind = "paired"
    layout = "C"
    version = beside("2", SOCKET_RULER)
    unit = "seconds"
    timeout = 300
    params = (OPERATIONS, SIZES)
    param_names = ("operation", "size_bytes")

    def setup_cache(self) -> object:
        return record(lambda: _cycles("C"))

    def setup(self, found: Turns, operation: str, size: int) -> None:
        read(found, operation, size)

    def track_cpu_seconds(self, found: Turns, operation: str, size: int) -> Samples:
        from benchmarks.common.ruler.sockets import processor

        pairs = map(processor, read(found, operation, size))
        return timed(pairs, REFERENCE_S["cpu", operation, size])
