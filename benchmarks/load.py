"""How a network takes loads of different shapes: short, fixed forms of `python -m perflab load`.

Eight nodes, 1,000 records of 1 KiB, YCSB B (95 % reads, records chosen by Zipf), three replicas,
two of which have to acknowledge or answer. The load is open-loop: operations start when they are
due, and latency counts from then. The rates of `Sustained`, `Bursts` and `RampUp` are such that old
commits and a machine with half its speed keep them; `Stress` offers more than any commit serves.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from benchmarks.common import subject
from benchmarks.common.sampling import BLOCKS, Record, Samples, as_samples, read, record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.common.load.open_loop import Arrivals

NODES = 8
SIZE_BYTES = 1024
RECORDS = 1000
RATES = [100, 500, 1000]
SUSTAINED = {100: 100, 500: 250, 1000: 500}  # operations of a block: it lasts 0.5 to 1 s
BURSTS = [50, 100, 200]
RAMP_PER_S, RAMP_S = 3000, 1.0  # from nothing: 1,500 operations
STRESS_PER_S, STRESS_S = 20_000, 0.25
IN_FLIGHT = 1024  # under stress; what is due beyond it is dropped, as a service would have to


class _Users:
    """Operations of YCSB B by one client; a read must give what some write of the record wrote."""

    def __init__(self, client: subject.SubjectClient) -> None:
        from benchmarks.common.load.values import StampedValues

        self._client = client
        self._values = StampedValues([SIZE_BYTES])
        self._writes = 0

    async def prepare(self) -> None:
        """Store the records."""
        from benchmarks.common.workload import closed_loop

        stored = await closed_loop(self._store, operations=RECORDS, in_flight=8)
        stored.require_clean()

    async def offer(self, due_ns: Iterable[int], seed: int, in_flight: int | None) -> Arrivals:
        """Operations at these times; without a number in flight none is dropped, all succeed."""
        from benchmarks.common.load.mix import YCSB, steps
        from benchmarks.common.load.open_loop import open_loop

        due = list(due_ns)
        chosen = steps(YCSB["B"], "zipf", RECORDS, seed=f"{seed} load")
        plan = list(islice(chosen, len(due)))

        async def operation(number: int) -> None:
            step = plan[number]
            await (self._store if step.kind == "store" else self._retrieve)(step.record)

        arrivals = await open_loop(operation, due_ns=due, max_in_flight=in_flight or len(due))
        return arrivals if in_flight else arrivals.require_clean()

    async def _store(self, number: int) -> None:
        from benchmarks.common.load.values import key_of

        self._writes += 1
        await self._client.store(key_of(number), self._values.value(number, self._writes))

    async def _retrieve(self, number: int) -> None:
        from benchmarks.common.load.values import key_of

        self._values.check(number, await self._client.retrieve(key_of(number)))


def _blocks() -> Record:
    """Blocks of each shape, all of them in turn: a slow spell of the machine falls on all."""
    from benchmarks.common.load.schedule import Piece, arrivals, constant
    from benchmarks.common.records import summarize
    from benchmarks.common.swarm import Swarm

    found: Record = {}
    ramp = [Piece(begin_per_s=0, end_per_s=RAMP_PER_S, seconds=RAMP_S)]
    stress = [Piece(begin_per_s=STRESS_PER_S, end_per_s=STRESS_PER_S, seconds=STRESS_S)]

    def note(value: float, *key: str | int) -> None:
        found.setdefault(key, []).append(value)

    async def measure(client: subject.SubjectClient) -> None:
        users = _Users(client)
        await users.prepare()
        for edition in range(BLOCKS + 1):
            if edition == 1:
                found.clear()  # the first block met cold caches
            for rate, operations in SUSTAINED.items():
                due = islice(constant(rate), operations)
                latency = summarize((await users.offer(due, edition, None)).latencies_s)
                note(latency.p50_s, "sustained p50", rate)
                note(latency.p95_s, "sustained p95", rate)
            for size in BURSTS:
                burst = await users.offer([0] * size, edition, None)
                note(max(burst.latencies_s), "burst", size)
            risen = summarize((await users.offer(arrivals(ramp), edition, None)).latencies_s)
            note(risen.p50_s, "ramp p50")
            note(risen.p99_s, "ramp p99")
            stressed = await users.offer(arrivals(stress), edition, IN_FLIGHT)
            served = len(stressed.latencies_s)
            note(stressed.elapsed_s / max(1, served), "stress")
            note(1e6 * (1 - served / stressed.scheduled), "unserved")

    with Swarm(layout="A", nodes=NODES) as swarm:
        swarm.run(measure(swarm.client))
    return found


def setup_cache() -> object:
    return record(_blocks)


class Sustained:
    """Catches: operations that take longer at a steady rate that leaves the network time.

    Cannot see: the tail beyond P95: a block has 100 to 500 operations (`latency` looks further).
    """

    kind = "observed"
    layout = "A"
    version = "1"
    unit = "seconds"
    timeout = 60
    params = (RATES,)
    param_names = ("rate_per_s",)

    def setup(self, found: Record, rate_per_s: int) -> None:
        read(found, "sustained p50", rate_per_s)

    def track_p50(self, found: Record, rate_per_s: int) -> Samples:
        return as_samples(read(found, "sustained p50", rate_per_s))

    def track_p95(self, found: Record, rate_per_s: int) -> Samples:
        return as_samples(read(found, "sustained p95", rate_per_s))


class Bursts:
    """Catches: a network that takes longer to answer many operations that come at one instant.

    Cannot see: bursts that meet other load; what the first of them took.
    """

    kind = "observed"
    layout = "A"
    version = "1"
    unit = "seconds"
    timeout = 60
    params = (BURSTS,)
    param_names = ("operations",)

    def setup(self, found: Record, operations: int) -> None:
        read(found, "burst", operations)

    def track_until_all_answered(self, found: Record, operations: int) -> Samples:
        return as_samples(read(found, "burst", operations))


class RampUp:
    """Catches: operations that take longer while the rate rises from 0 to 3,000 per second.

    Cannot see: at which rate it began; what a rate does that stays.
    """

    kind = "observed"
    layout = "A"
    version = "1"
    unit = "seconds"
    timeout = 60

    def setup(self, found: Record) -> None:
        read(found, "ramp p50")

    def track_p50(self, found: Record) -> Samples:
        return as_samples(read(found, "ramp p50"))

    def track_p99(self, found: Record) -> Samples:
        return as_samples(read(found, "ramp p99"))


class Stress:
    """Catches: less work done under more load than can be served, as more seconds per operation.

    Cannot see: whether the client, which shares the cores, was the one who could not.
    """

    kind = "observed"
    layout = "A"
    version = "1"
    unit = "seconds"
    timeout = 60

    def setup(self, found: Record) -> None:
        read(found, "stress")

    def track_seconds_per_served(self, found: Record) -> Samples:
        return as_samples(read(found, "stress"))


class Unserved:
    """Catches: operations that are refused, fail or are not even begun under the load of `Stress`.

    Cannot see: which of these; `python -m perflab load stress` tells them apart.
    """

    kind = "observed"
    layout = "A"
    version = "1"
    unit = "ppm"
    timeout = 60

    def setup(self, found: Record) -> None:
        read(found, "unserved")

    def track_unserved_ppm(self, found: Record) -> Samples:
        return as_samples(read(found, "unserved"))
