"""How long operations take that come when they come: percentiles at a fixed offered rate.

Eight nodes, records of 1 KiB, three replicas, two of which have to acknowledge or answer. The load
is open-loop: operations start on a schedule, whatever became of those before, and their latency
counts from the moment they were due. The rates are a tenth of what the core stores and a third of
what it reads with 16 operations in flight, so that old commits and a machine with half its speed
keep them. Where one is not kept, `Missed` says so.

Percentiles are those of a block, by nearest rank: with its 1,000 operations (2,000 of the mix) its
P99.9 is the second (third) longest.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from benchmarks.common import subject
from benchmarks.common.sampling import BLOCKS, Record, Samples, as_samples, read, record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from benchmarks.common.load.open_loop import Arrivals
    from benchmarks.common.workload import Values

NODES = 8
SIZE_BYTES = 1024
RATE_PER_S = 1000
PER_BLOCK = 1000
MIX_RATE_PER_S = 5000
MIX_PER_BLOCK = 2000
MIX_RECORDS = 1000
STORE, RETRIEVE, DELETE = (f"{name} at {RATE_PER_S}/s" for name in ("store", "retrieve", "delete"))
MIX = f"YCSB B at {MIX_RATE_PER_S}/s"
LOADS = [STORE, RETRIEVE, DELETE, MIX]
WARM_UP_SHARE = 10  # the block that meets cold caches is so many times shorter


def _blocks() -> Record:
    """Blocks of each load, all of them in turn: a slow spell of the machine falls on all."""
    from benchmarks.common.records import summarize
    from benchmarks.common.swarm import Swarm

    found: Record = {}

    async def measure(client: subject.SubjectClient) -> None:
        mixed = _Mixed(client)
        await mixed.prepare()
        for edition in range(BLOCKS + 1):
            if edition == 1:
                found.clear()  # the first block met cold caches
            share = 1 if edition else WARM_UP_SHARE
            async for load, arrivals in _one_by_one(client, PER_BLOCK // share, edition):
                note(load, arrivals)
            note(MIX, await mixed.block(MIX_PER_BLOCK // share, edition))

    def note(load: str, arrivals: Arrivals) -> None:
        latency = summarize(arrivals.require_clean().latencies_s)
        for what, value in (
            ("p50", latency.p50_s),
            ("p95", latency.p95_s),
            ("p99", latency.p99_s),
            ("p999", latency.p999_s),
            ("missed", arrivals.missed_ppm),
        ):
            found.setdefault((what, load), []).append(value)

    with Swarm(layout="A", nodes=NODES) as swarm:
        swarm.run(measure(swarm.client))
    return found


async def _one_by_one(
    client: subject.SubjectClient, operations: int, edition: int
) -> AsyncIterator[tuple[str, Arrivals]]:
    """Store, retrieve and delete the same records, evenly spaced.

    Each retrieve is compared with what was stored, and after the deletes a key must be gone.
    """
    from benchmarks.common.load.open_loop import open_loop
    from benchmarks.common.load.schedule import constant
    from benchmarks.common.workload import Values

    values = Values(SIZE_BYTES, edition)

    def due_ns() -> islice[int]:
        return islice(constant(RATE_PER_S), operations)

    # As many in flight as a block has operations: none is ever dropped, all are waited for.
    yield (
        STORE,
        await open_loop(
            lambda n: client.store(f"one-{n}", values.value(n)),
            due_ns=due_ns(),
            max_in_flight=operations,
        ),
    )
    yield (
        RETRIEVE,
        await open_loop(
            lambda n: client.retrieve(f"one-{n}"),
            due_ns=due_ns(),
            max_in_flight=operations,
            check=values.check,
        ),
    )
    if subject.supports("delete"):
        yield (
            DELETE,
            await open_loop(
                lambda n: client.delete(f"one-{n}"), due_ns=due_ns(), max_in_flight=operations
            ),
        )
        await subject.must_be_gone(client, f"one-{operations - 1}")


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

    async def block(self, operations: int, edition: int) -> Arrivals:
        from benchmarks.common.load.mix import ycsb_b
        from benchmarks.common.load.open_loop import open_loop
        from benchmarks.common.load.schedule import poisson
        from benchmarks.common.workload import Values

        plan = ycsb_b(operations, MIX_RECORDS, seed=edition)
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

        return await open_loop(
            operation,
            due_ns=islice(poisson(MIX_RATE_PER_S, seed=edition), operations),
            max_in_flight=operations,
        )


def setup_cache() -> object:
    return record(_blocks)


class Percentiles:
    """Catches: operations that take longer when they come, above all the unlucky ones of them.

    Cannot see: stalls rarer than one in the 12 s it looks; whether generator, client or node was
    late (`Missed` tells); a percent or ten, on a shared machine.
    """

    kind = "observed"
    layout = "A"
    version = "1"
    unit = "seconds"
    timeout = 60
    params = (LOADS,)
    param_names = ("load",)

    def setup(self, found: Record, load: str) -> None:
        read(found, "p50", load)

    def track_p50(self, found: Record, load: str) -> Samples:
        return as_samples(read(found, "p50", load))

    def track_p95(self, found: Record, load: str) -> Samples:
        return as_samples(read(found, "p95", load))

    def track_p99(self, found: Record, load: str) -> Samples:
        return as_samples(read(found, "p99", load))

    def track_p999(self, found: Record, load: str) -> Samples:
        return as_samples(read(found, "p999", load))


class Missed:
    """Catches: percentiles that are not to be trusted, since the offered rate was not kept.

    Cannot see: who was late. It counts operations that began more than 2 ms after they were due,
    per million: by a busy client, by a machine that was taken away. Undisturbed it is 0.
    """

    kind = "observed"
    layout = "A"
    version = "1"
    unit = "ppm"
    timeout = 60
    params = (LOADS,)
    param_names = ("load",)

    def setup(self, found: Record, load: str) -> None:
        read(found, "missed", load)

    def track_missed_ppm(self, found: Record, load: str) -> Samples:
        return as_samples(read(found, "missed", load))
