"""What operations cost when several are in flight on a network of eight nodes.

Three replicas, two of which have to acknowledge or answer; records of 1 KiB. The operations of one
client share connections, and joining their messages is the core's main lever: this is where it
shows. All times are at reference speed (`benchmarks/common/ruler/pairs.py`).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.common.ruler.versions import SOCKET_RULER, beside
from benchmarks.common.sampling import PAIRS, SWARMS, Samples, read, record, tail, timed

if TYPE_CHECKING:
    from benchmarks.common import subject
    from benchmarks.common.ruler.sockets import Operation, Turns
    from benchmarks.common.swarm import Swarm
    from benchmarks.common.workload import WorkloadOutcome

NODES = 8
SIZE_BYTES = 1024
OPERATIONS: list[Operation] = ["store", "retrieve"]
IN_FLIGHT = [1, 2, 4, 8, 16]
PER_BLOCK = {1: 12, 2: 20, 4: 28, 8: 36, 16: 48}  # a block lasts some 4 ms
RULER_PER_BLOCK = {1: 20, 2: 32, 4: 56, 8: 64, 16: 96}
REFERENCE_S = {
    **{("store", n): us * 1e-6 for n, us in zip(IN_FLIGHT, (139, 116, 88, 56, 38), strict=True)},
    **{("retrieve", n): us * 1e-6 for n, us in zip(IN_FLIGHT, (72, 75, 59, 46, 34), strict=True)},
}
"""Of the ruler, per operation: a fixed number, about what it takes on a quiet machine."""


def _turns() -> Turns:
    """Blocks of stores and of retrieves at each number in flight, all of them in turn."""
    from benchmarks.common.ruler.sockets import in_swarms

    return in_swarms(_turns_of_one, layout="A", nodes=NODES)


def _turns_of_one(swarm: Swarm) -> Turns:
    from benchmarks.common.ruler.sockets import InTurn

    found: Turns = {}
    in_turn = InTurn(swarm)
    ruler = in_turn.ruler(SIZE_BYTES)
    for edition in range(PAIRS // SWARMS + 1):
        if edition == 1:
            found.clear()  # the first blocks met cold caches
        for in_flight in IN_FLIGHT:
            for operation in OPERATIONS:
                taken = in_turn.take(
                    partial(_block, swarm.client, operation, in_flight, edition),
                    partial(ruler.closed, operation, RULER_PER_BLOCK[in_flight], in_flight),
                )
                found.setdefault((operation, in_flight), []).append(taken)
    return found


async def _block(
    client: subject.SubjectClient, operation: Operation, in_flight: int, edition: int
) -> WorkloadOutcome:
    """Stores, or retrieves of the same records."""
    from benchmarks.common.workload import Values, closed_loop

    values = Values(SIZE_BYTES, edition)
    if operation == "store":
        outcome = await closed_loop(
            lambda n: client.store(f"{in_flight}-{n}", values.value(n)),
            operations=PER_BLOCK[in_flight],
            in_flight=in_flight,
        )
    else:
        outcome = await closed_loop(
            lambda n: client.retrieve(f"{in_flight}-{n}"),
            operations=PER_BLOCK[in_flight],
            in_flight=in_flight,
            check=values.check,
        )
    return outcome.require_clean()


def setup_cache() -> object:
    return record(_turns)


class _InFlight:
    """What the classes share."""

    layout = "A"
    timeout = 300
    params = (OPERATIONS, IN_FLIGHT)
    param_names = ("operation", "in_flight")

    def setup(self, found: Turns, operation: str, in_flight: int) -> None:
        read(found, operation, in_flight)


class Throughput(_InFlight):
    """Catches: fewer operations per second with 1 to 16 in flight, as more seconds for each.

    Cannot see: what an overloaded node does: a closed loop never sends more than is answered.
    """

    kind = "paired"
    version = beside("3", SOCKET_RULER)
    unit = "seconds"

    def track_seconds_per_operation(self, found: Turns, operation: str, in_flight: int) -> Samples:
        from benchmarks.common.ruler.sockets import clock, middle

        # One in flight: a second of latency is a second per operation, and medians spread less.
        seconds = middle if in_flight == 1 else clock
        pairs = map(seconds, read(found, operation, in_flight))
        return timed(pairs, REFERENCE_S[operation, in_flight])


class Latency(_InFlight):
    """Catches: operations that wait for each other, in the middle (P50).

    Cannot see: a stall's true length, for a closed loop stops sending during it; `Tail`.
    """

    kind = "paired"
    version = beside("3", SOCKET_RULER)
    unit = "seconds"

    def track_p50(self, found: Turns, operation: str, in_flight: int) -> Samples:
        from benchmarks.common.ruler.sockets import middle

        pairs = map(middle, read(found, operation, in_flight))
        return timed(pairs, in_flight * REFERENCE_S[operation, in_flight])


class Tail(_InFlight):
    """Catches: the slowest of a hundred operations (P99) that become slower, for people to look at.

    Cannot see: less than what the machine does to it, so nothing is judged by it; past P99.
    """

    kind = "observed"
    version = "1"
    unit = "seconds"

    def track_p99(self, found: Turns, operation: str, in_flight: int) -> Samples:
        turns = read(found, operation, in_flight)
        return tail([taken.subject.latencies_s for taken in turns], 990)
