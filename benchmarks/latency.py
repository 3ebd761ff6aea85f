"""How long operations take that come when they come: percentiles at a fixed offered rate.

Eight nodes, records of 1 KiB, three replicas, two of which have to acknowledge or answer. The load
is open-loop: operations start on a schedule, whatever became of those before, and their latency
counts from the moment they were due. The rates are a tenth of what the core stores and a third of
what it reads with 16 operations in flight, so that old commits and a machine with half its speed
keep them. Where one is not kept, `Missed` says so.

The middle (P50) is taken in turn with the ruler, which is offered the same rate, and is at
reference speed (`benchmarks/common/ruler/pairs.py`). The tail is what the clock says, by nearest
rank: of two halves of all operations for the P99.9 (a half has 1,200, of the mix 6,000), of five
parts for the others. It is the machine's as much as the core's: nothing is judged by it.
"""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from benchmarks.common import subject
from benchmarks.common.ruler.versions import SOCKET_RULER, beside
from benchmarks.common.sampling import PAIRS, SWARMS, Samples, read, record, tail, timed, unjudged

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from benchmarks.common.load.open_loop import Arrivals
    from benchmarks.common.ruler.sockets import Block, RulerOfSockets, Turns
    from benchmarks.common.swarm import Swarm
    from benchmarks.common.workload import Values

NODES = 8
SIZE_BYTES = 1024
RATE_PER_S = 1000
PER_BLOCK = 50  # a block lasts 50 ms
MIX_RATE_PER_S = 5000
MIX_PER_BLOCK = 250
MIX_RECORDS = 1000
STORE, RETRIEVE, DELETE = (f"{name} at {RATE_PER_S}/s" for name in ("store", "retrieve", "delete"))
MIX = f"YCSB B at {MIX_RATE_PER_S}/s"
LOADS = [STORE, RETRIEVE, DELETE, MIX]
CHAIN = 4  # blocks of a load that follow each other
REFERENCE_S = {STORE: 253e-6, RETRIEVE: 185e-6, DELETE: 255e-6, MIX: 310e-6}
"""Median latency of the ruler: a fixed number, about what it takes on a quiet machine."""


def _turns() -> Turns:
    """Blocks of each load, all loads in turn, each between two of the ruler at its rate."""
    from benchmarks.common.ruler.sockets import in_swarms

    return in_swarms(_turns_of_one, layout="A", nodes=NODES)


def _turns_of_one(swarm: Swarm) -> Turns:
    from benchmarks.common.ruler.sockets import InTurn

    found: Turns = {}
    in_turn = InTurn(swarm)
    ruler, mixed = in_turn.ruler(SIZE_BYTES), _Mixed(swarm.client)
    swarm.run(mixed.prepare())
    for edition in range(0, PAIRS // SWARMS + CHAIN, CHAIN):
        if edition == CHAIN:
            found.clear()  # the first blocks met cold caches
        editions = range(edition, edition + CHAIN)
        for load, blocks, beside_it in _loads(swarm.client, mixed, ruler, editions):
            found.setdefault((load,), []).extend(in_turn.chain(blocks, beside_it))
        if subject.supports("delete"):
            swarm.run(subject.must_be_gone(swarm.client, _name(edition, PER_BLOCK - 1)))
    return found


def _loads(
    client: subject.SubjectClient, mixed: _Mixed, ruler: RulerOfSockets, editions: range
) -> Iterator[tuple[str, list[Block[Arrivals]], Block[Arrivals]]]:
    """The blocks of each load, with the ruler's: store, retrieve and delete the same records,
    evenly spaced, and the mix."""
    from benchmarks.common.load.schedule import constant, poisson
    from benchmarks.common.workload import Values

    due_ns = list(islice(constant(RATE_PER_S), PER_BLOCK))
    stores: list[Block[Arrivals]] = []
    retrieves: list[Block[Arrivals]] = []
    deletes: list[Block[Arrivals]] = []
    for each in editions:
        names, values = partial(_name, each), Values(SIZE_BYTES, each)
        stores.append(partial(_offer, _storing(client, names, values), due_ns))
        retrieves.append(partial(_offer, _retrieving(client, names), due_ns, values.check))
        deletes.append(partial(_offer, _deleting(client, names), due_ns))
    yield STORE, stores, partial(ruler.open, "store", due_ns)
    yield RETRIEVE, retrieves, partial(ruler.open, "retrieve", due_ns)
    if subject.supports("delete"):
        yield DELETE, deletes, partial(ruler.open, "store", due_ns)
    mixed_ns = list(islice(poisson(MIX_RATE_PER_S, seed=editions[0]), MIX_PER_BLOCK))
    mixes: list[Block[Arrivals]] = [partial(mixed.block, mixed_ns, each) for each in editions]
    yield MIX, mixes, partial(ruler.open, "retrieve", mixed_ns)


def _name(edition: int, number: int) -> str:
    return f"one-{edition % CHAIN}-{number}"


def _storing(
    client: subject.SubjectClient, name: Callable[[int], str], values: Values
) -> Callable[[int], Awaitable[object]]:
    return lambda number: client.store(name(number), values.value(number))


def _retrieving(
    client: subject.SubjectClient, name: Callable[[int], str]
) -> Callable[[int], Awaitable[object]]:
    return lambda number: client.retrieve(name(number))


def _deleting(
    client: subject.SubjectClient, name: Callable[[int], str]
) -> Callable[[int], Awaitable[object]]:
    return lambda number: client.delete(name(number))


async def _offer(
    operation: Callable[[int], Awaitable[object]],
    due_ns: list[int],
    check: Callable[[int, object], None] | None = None,
) -> Arrivals:
    """A block of operations, all of which must succeed: as many may be in flight as there are."""
    from benchmarks.common.load.open_loop import open_loop

    arrivals = await open_loop(operation, due_ns=due_ns, max_in_flight=len(due_ns), check=check)
    return arrivals.require_clean()


class _Mixed:
    """Reads and updates of the same records, mixed as in YCSB's workload B, at random moments.

    A read must give what was acknowledged last before it began, or what is written now.
    """

    def __init__(self, client: subject.SubjectClient) -> None:
        self._client = client
        self._acknowledged: list[Values] = []

    async def prepare(self) -> None:
        """Store the records."""
        from benchmarks.common.workload import Values, closed_loop

        first = Values(SIZE_BYTES)
        stored = await closed_loop(
            lambda n: self._client.store(f"mix-{n}", first.value(n)),
            operations=MIX_RECORDS,
            in_flight=8,
        )
        stored.require_clean()
        self._acknowledged = [first] * MIX_RECORDS

    async def block(self, due_ns: list[int], edition: int) -> Arrivals:
        from benchmarks.common.load.mix import ycsb_b
        from benchmarks.common.workload import Values

        plan = ycsb_b(len(due_ns), MIX_RECORDS, seed=edition)
        now = Values(SIZE_BYTES, edition + 1)

        async def operation(number: int) -> None:
            kind, which = plan[number]
            if kind == "update":
                await self._client.store(f"mix-{which}", now.value(which))
                self._acknowledged[which] = now
            else:
                before = self._acknowledged[which]
                answer = await self._client.retrieve(f"mix-{which}")
                if answer != now.value(which):
                    before.check(which, answer)

        return await _offer(operation, due_ns)


def setup_cache() -> object:
    return record(_turns)


class _Load:
    """What the classes about a load have in common."""

    layout = "A"
    timeout = 300
    params = (LOADS,)
    param_names = ("load",)

    def setup(self, found: Turns, load: str) -> None:
        read(found, load)


class Middle(_Load):
    """Catches: operations that take longer when they come, half of them at least (P50).

    Cannot see: the unlucky ones (`Percentiles` shows them).
    """

    kind = "paired"
    version = beside("1", SOCKET_RULER)
    unit = "seconds"

    def track_p50(self, found: Turns, load: str) -> Samples:
        from benchmarks.common.ruler.sockets import middle

        return timed(map(middle, read(found, load)), REFERENCE_S[load])


class Percentiles(_Load):
    """Catches: the unlucky operations that take longer when they come, for people to look at.

    Cannot see: stalls rarer than one in the 2 s it looks; whether generator, client or node was
    late (`Missed` tells); less than what the machine does, so nothing is judged by it.
    """

    kind = "observed"
    version = "2"
    unit = "seconds"

    def track_p95(self, found: Turns, load: str) -> Samples:
        return tail(_latencies(found, load), 950)

    def track_p99(self, found: Turns, load: str) -> Samples:
        return tail(_latencies(found, load), 990)

    def track_p999(self, found: Turns, load: str) -> Samples:
        return tail(_latencies(found, load), 999, parts=2)


def _latencies(found: Turns, load: str) -> list[list[float]]:
    return [taken.subject.latencies_s for taken in read(found, load)]


class Missed(_Load):
    """Catches: percentiles that are not to be trusted, since the offered rate was not kept.

    Cannot see: who was late. It counts operations that began more than 2 ms after they were due,
    per million: by a busy client, by a machine that was taken away. Undisturbed it is 0.
    """

    kind = "observed"
    version = "2"
    unit = "ppm"

    def track_missed_ppm(self, found: Turns, load: str) -> Samples:
        return unjudged(taken.subject.missed_ppm for taken in read(found, load))
