"""How a network takes loads of different shapes: short, fixed forms of `python -m perflab load`.

Eight nodes, 1,000 records of 1 KiB, YCSB B (95 % reads, records chosen by Zipf), three replicas,
two of which have to acknowledge or answer. The load is open-loop: operations start when they are
due, and latency counts from then. The rates of `Sustained`, `Bursts` and `RampUp` are such that old
commits and a machine with half its speed keep them; `Stress` offers more than any commit serves.
"""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from benchmarks.common import subject
from benchmarks.common.ruler.versions import SOCKET_RULER, beside
from benchmarks.common.sampling import PAIRS, SWARMS, Samples, read, record, tail, timed, unjudged

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from benchmarks.common.load.open_loop import Arrivals
    from benchmarks.common.ruler.sockets import Turns
    from benchmarks.common.swarm import Swarm

NODES = 8
SIZE_BYTES = 1024
RECORDS = 1000
RATES = [100, 500, 1000]
SUSTAINED = {100: 8, 500: 25, 1000: 50}  # operations of a block: it lasts 50 to 80 ms
BURSTS = [50, 100, 200]
RAMP_PER_S, RAMP_S = 3000, 0.2  # from nothing: 300 operations
STRESS_PER_S, STRESS_S = 20_000, 0.05
IN_FLIGHT = 1024  # under stress; what is due beyond it is dropped, as a service would have to
CHAIN = 4  # blocks of a shape that follow each other
RAMPS = STRESSES = 32  # turns, of all swarms together
REFERENCE_S: dict[Hashable, float] = {
    ("sustained", 100): 460e-6,
    ("sustained", 500): 220e-6,
    ("sustained", 1000): 203e-6,
    ("burst", 50): 1.6e-3,
    ("burst", 100): 2.45e-3,
    ("burst", 200): 5.1e-3,
    ("ramp",): 183e-6,
    ("stress",): 51e-6,
}
"""Of the ruler: its median latency, the seconds of a burst, or those of an operation under stress;
fixed numbers, about what it takes on a quiet machine."""


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


def _turns() -> Turns:
    """Blocks of each shape, all shapes in turn, each between two of the ruler in the same shape."""
    from benchmarks.common.ruler.sockets import in_swarms

    return in_swarms(_turns_of_one, layout="A", nodes=NODES)


def _turns_of_one(swarm: Swarm) -> Turns:
    from benchmarks.common.ruler.sockets import InTurn

    found: Turns = {}
    users, in_turn = _Users(swarm.client), InTurn(swarm)
    ruler = in_turn.ruler(SIZE_BYTES)
    swarm.run(users.prepare())
    shapes = _shapes()
    for edition in range(0, PAIRS // SWARMS + CHAIN, CHAIN):
        if edition == CHAIN:
            found.clear()  # the first blocks met cold caches
        for key, (turns, due_ns, in_flight) in shapes.items():
            if edition < turns // SWARMS + CHAIN:
                blocks = [
                    partial(users.offer, due_ns, each, in_flight)
                    for each in range(edition, edition + CHAIN)
                ]
                found.setdefault(key, []).extend(
                    in_turn.chain(blocks, partial(ruler.open, "retrieve", due_ns))
                )
    return found


def _shapes() -> dict[Hashable, tuple[int, list[int], int | None]]:
    """How many turns each has, when its operations are due (in ns), and how many may be in flight
    if that has a limit."""
    from benchmarks.common.load.schedule import Piece, arrivals, constant

    ramp = [Piece(begin_per_s=0, end_per_s=RAMP_PER_S, seconds=RAMP_S)]
    stress = [Piece(begin_per_s=STRESS_PER_S, end_per_s=STRESS_PER_S, seconds=STRESS_S)]
    shapes: dict[Hashable, tuple[int, list[int], int | None]] = {
        ("sustained", rate): (PAIRS, list(islice(constant(rate), operations)), None)
        for rate, operations in SUSTAINED.items()
    }
    shapes |= {("burst", size): (PAIRS, [0] * size, None) for size in BURSTS}
    shapes["ramp",] = (RAMPS, list(arrivals(ramp)), None)
    shapes["stress",] = (STRESSES, list(arrivals(stress)), IN_FLIGHT)
    return shapes


def setup_cache() -> object:
    return record(_turns)


class _Offered:
    """What the classes of one question share: the question is the first word of its key."""

    layout = "A"
    timeout = 300
    question = ""

    def setup(self, found: Turns, *case: int) -> None:
        read(found, self.question, *case)


class Sustained(_Offered):
    """Catches: operations that take longer at a steady rate that leaves the network time (P50).

    Cannot see: the tail (`SustainedTail` shows it, `latency` looks further).
    """

    question = "sustained"
    kind = "paired"
    version = beside("2", SOCKET_RULER)
    unit = "seconds"
    params = (RATES,)
    param_names = ("rate_per_s",)

    def track_p50(self, found: Turns, rate_per_s: int) -> Samples:
        from benchmarks.common.ruler.sockets import middle

        key = ("sustained", rate_per_s)
        return timed(map(middle, read(found, *key)), REFERENCE_S[key])


class SustainedTail(_Offered):
    """Catches: the slowest of twenty operations at a steady rate that become slower, for people.

    Cannot see: less than what the machine does to them, so nothing is judged by it.
    """

    question = "sustained"
    kind = "observed"
    version = "1"
    unit = "seconds"
    params = (RATES,)
    param_names = ("rate_per_s",)

    def track_p95(self, found: Turns, rate_per_s: int) -> Samples:
        return tail(_latencies(found, "sustained", rate_per_s), 950)


def _latencies(found: Turns, *key: Hashable) -> list[list[float]]:
    return [taken.subject.latencies_s for taken in read(found, *key)]


class Bursts(_Offered):
    """Catches: a network that takes longer to answer many operations that come at one instant.

    Cannot see: bursts that meet other load; what the first of them took.
    """

    question = "burst"
    kind = "paired"
    version = beside("2", SOCKET_RULER)
    unit = "seconds"
    params = (BURSTS,)
    param_names = ("operations",)

    def track_until_all_answered(self, found: Turns, operations: int) -> Samples:
        from benchmarks.common.ruler.sockets import slowest

        key = ("burst", operations)
        return timed(map(slowest, read(found, *key)), REFERENCE_S[key])


class RampUp(_Offered):
    """Catches: operations that take longer while the rate rises from 0 to 3,000 per second (P50).

    Cannot see: at which rate it began; what a rate does that stays; the tail (`RampUpTail`).
    """

    question = "ramp"
    kind = "paired"
    version = beside("2", SOCKET_RULER)
    unit = "seconds"

    def track_p50(self, found: Turns) -> Samples:
        from benchmarks.common.ruler.sockets import middle

        return timed(map(middle, read(found, "ramp")), REFERENCE_S["ramp",])


class RampUpTail(_Offered):
    """Catches: the slowest of a hundred operations of `RampUp` that become slower, for people.

    Cannot see: less than what the machine does to them, so nothing is judged by it.
    """

    question = "ramp"
    kind = "observed"
    version = "1"
    unit = "seconds"

    def track_p99(self, found: Turns) -> Samples:
        return tail(_latencies(found, "ramp"), 990)


class Stress(_Offered):
    """Catches: less work done under more load than can be served, as more seconds per operation.

    Cannot see: whether the client, which shares the cores, was the one who could not.
    """

    question = "stress"
    kind = "paired"
    version = beside("2", SOCKET_RULER)
    unit = "seconds"

    def track_seconds_per_served(self, found: Turns) -> Samples:
        from benchmarks.common.ruler.sockets import per_served

        return timed(map(per_served, read(found, "stress")), REFERENCE_S["stress",])


class Unserved(_Offered):
    """Catches: operations that are refused, fail or are not even begun under the load of `Stress`.

    Cannot see: which of these; `python -m perflab load stress` tells them apart.
    """

    question = "stress"
    kind = "observed"
    version = "2"
    unit = "ppm"

    def track_unserved_ppm(self, found: Turns) -> Samples:
        offered = [taken.subject for taken in read(found, "stress")]
        return unjudged(1e6 * (1 - len(each.latencies_s) / each.scheduled) for each in offered)
