"""The ruler of sockets: blocks of operations of the ceiling, around each block of a swarm's.

Theory of operation. The ceiling's servers are on the loops of the nodes, in their processes, and
its client is on the loop of the swarm's client (`Swarm(ruled=True)`): the same TLS, connections and
number in flight, so every process that takes part in an operation of the core takes part in one of
the ruler. Blocks are short, some milliseconds, and many: the scheduler takes a core from some and
not from others, and a median forgets the fewer. Before each turn all processes collect their
garbage; what there was at the beginning is frozen, for a collection that looks through eight nodes
takes as long as a block.

Rule: knows how blocks follow each other; what the subject's block does is the caller's.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Coroutine, Hashable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

from benchmarks.common.load.open_loop import Arrivals, open_loop
from benchmarks.common.processors import Patience
from benchmarks.common.ruler.ceiling import CeilingClient
from benchmarks.common.ruler.pairs import Pair
from benchmarks.common.sampling import PATIENCE_S, SWARMS
from benchmarks.common.swarm import Swarm
from benchmarks.common.workload import Values, WorkloadOutcome, closed_loop

__all__ = [
    "Block",
    "InTurn",
    "Operation",
    "RulerOfSockets",
    "Taken",
    "Turns",
    "clock",
    "in_swarms",
    "middle",
    "per_served",
    "processor",
    "slowest",
]

Operation: TypeAlias = Literal["store", "retrieve"]
KEYS = 64  # of the ruler, of its own; a block takes them from the first on, again and again


class HasLatencies(Protocol):
    """What both loops, open and closed, give."""

    @property
    def latencies_s(self) -> list[float]: ...


T = TypeVar("T")
Block: TypeAlias = Callable[[], Coroutine[Any, Any, T]]


@dataclass(frozen=True, slots=True)
class Taken:
    """A block of the subject, between two of the ruler's."""

    before: Any
    subject: Any
    after: Any


Turns: TypeAlias = dict[Hashable, list[Taken]]
"""A suite's record: the turns of each of its cases."""


def in_swarms(turns: Callable[[Swarm], Turns], **settings: Any) -> Turns:
    """The turns of several swarms that are ruled and have these settings, one after the other, each
    undisturbed if patience lasts; the same nodes at each commit."""

    def of_one(number: int) -> Turns:
        with Swarm(ruled=True, identities=f"swarm-{number}", **settings) as swarm:
            return turns(swarm)

    found: Turns = {}
    patience = Patience(PATIENCE_S)
    for number in range(SWARMS):
        for key, taken in patience.undisturbed(partial(of_one, number)).items():
            found.setdefault(key, []).extend(taken)
    return found


def clock(taken: Taken) -> Pair:
    """Seconds of the clock per operation, of closed loops."""
    return _pair(taken, lambda outcome: outcome.seconds_per_operation)


def processor(taken: Taken) -> Pair:
    """This process's processor time per operation, of closed loops: all of it in layout C."""
    return _pair(taken, lambda outcome: outcome.cpu_s / outcome.operations)


def middle(taken: Taken) -> Pair:
    """The median latency, of closed and open loops, beside the ruler's median latency: what keeps a
    few operations of either from the processor moves a mean and not this."""
    return _pair(taken, lambda outcome: statistics.median(outcome.latencies_s))


def slowest(taken: Taken) -> Pair:
    """Until the last of a burst was answered."""
    return _pair(taken, lambda outcome: max(outcome.latencies_s))


def per_served(taken: Taken) -> Pair:
    """Seconds per operation that was answered, of open loops that offer too much."""
    return _pair(taken, lambda outcome: outcome.elapsed_s / max(1, len(outcome.latencies_s)))


def _pair(taken: Taken, seconds: Callable[[Any], float]) -> Pair:
    return Pair(seconds(taken.subject), seconds(taken.before), seconds(taken.after))


class RulerOfSockets:
    """Blocks of operations of the ceiling, every answer compared."""

    def __init__(self, client: CeilingClient, size_bytes: int) -> None:
        self._client = client
        self._size_bytes = size_bytes
        self._edition = 0
        self._editions = [0] * KEYS

    async def closed(self, operation: Operation, count: int, in_flight: int) -> WorkloadOutcome:
        """So many operations, so many at a time; retrieves need stores before."""
        do, check = self._prepare(operation)
        outcome = await closed_loop(do, operations=count, in_flight=in_flight, check=check)
        return outcome.require_clean()

    async def open(self, operation: Operation, due_ns: Iterable[int]) -> Arrivals:
        """Operations that begin when they are due."""
        do, check = self._prepare(operation)
        due = list(due_ns)
        arrivals = await open_loop(do, due_ns=due, max_in_flight=len(due), check=check)
        return arrivals.require_clean()

    def _prepare(
        self, operation: Operation
    ) -> tuple[Callable[[int], Any], Callable[[int, object], None] | None]:
        if operation == "retrieve":
            return lambda n: self._client.retrieve(self._name(n % KEYS)), self._check
        self._edition += 1
        values = Values(self._size_bytes, self._edition)

        def store(number: int) -> Any:
            key = number % KEYS
            self._editions[key] = self._edition
            return self._client.store(self._name(key), values.value(key))

        return store, None

    def _name(self, key: int) -> str:
        return f"ruler-{self._size_bytes}-{key}"

    def _check(self, number: int, answer: object) -> None:
        key = number % KEYS
        Values(self._size_bytes, self._editions[key]).check(key, answer)


class InTurn:
    """Takes blocks of a swarm in turn with blocks of the ruler; the swarm must be ruled."""

    def __init__(self, swarm: Swarm) -> None:
        self._swarm = swarm
        swarm.freeze()

    def ruler(self, size_bytes: int) -> RulerOfSockets:
        """A ruler with values of this size, which has stored all its keys."""
        ruler = RulerOfSockets(self._swarm.ruler, size_bytes)
        self._swarm.run(ruler.closed("store", KEYS, 16))
        return ruler

    def take(self, block: Block[Any], ruler: Block[Any]) -> Taken:
        """The ruler, the block, the ruler."""
        [taken] = self.chain([block], ruler)
        return taken

    def chain(self, blocks: Iterable[Block[Any]], ruler: Block[Any]) -> list[Taken]:
        """The ruler, a block, the ruler, another block, the ruler …: blocks that follow each other
        share the ruler between them."""
        found = []
        self._swarm.collect()
        before = self._swarm.run(ruler())
        for block in blocks:
            subject = self._swarm.run(block())
            after = self._swarm.run(ruler())
            found.append(Taken(before, subject, after))
            before = after
        return found
