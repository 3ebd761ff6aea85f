"""What the size of a network costs, and how well it does: nodes, lookups, operations, churn.

Theory of operation. A `SizeRun` holds one world, and each of its methods lets one *phase* happen:
nodes join (or, warm, are put in their places); nodes that are drawn look up points that are drawn;
clients store and retrieve at a fixed rate, each operation starting when it is due, whether or not
those before it are over. Every other operation is a retrieve of a record that was acknowledged,
and its value is compared. What happens in virtual time is the same in every run of a seed; what
that costs on this machine is counted beside it.

Rule: measures; prints nothing.
"""

import mmap
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import sqrt
from pathlib import Path
from statistics import NormalDist

from p2pcore.contact import point_of
from p2pcore.errors import ConfigError
from p2pcore.sim.faults.kinds import Churn
from p2pcore.sim.hosts.operations import SimOperation
from p2pcore.sim.network.links import LAN, LinkProfile
from p2pcore.sim.world import World

__all__ = ["WRONG_VALUE", "Lookups", "Phase", "Served", "SizeRun", "success_interval"]

LOOKUP_WIDTH = 3  # as many as there are replicas
VALUE_BYTES = 1024
SLICE_S = 0.05  # of virtual time, between two looks at how far the run is
WRONG_VALUE = "retrieve: another value than was stored"
LIMIT_S = 60.0  # for what is under way in the end; an operation takes 5 s at most

Progress = Callable[[str, int, int], object]
"""Called with what is being done, how much of it is done, and of how much in all."""


@dataclass
class Phase:
    """What one part of a run took."""

    virtual_s: float
    events: int
    messages: int
    cpu_s: float
    """CPU time of this process. This and the next are the machine's; the others repeat in every
    run."""
    grown_bytes: int | None
    """By how much this process has grown; None: this system does not tell."""


@dataclass
class Lookups:
    """What lookups found, and what they took."""

    phase: Phase
    count: int
    hops: float
    """Mean hops per lookup."""
    missed: int
    """Those that did not find the closest node there is."""


@dataclass
class Served:
    """What became of operations."""

    phase: Phase
    count: int
    failures: Counter[str]
    """How many failed, by what was asked for and the name of the error."""
    latencies_ms: dict[str, list[float]]
    """Latencies of those that succeeded, sorted, by what was asked for."""
    left: int
    """Nodes that went meanwhile."""
    came: int


def success_interval(failed: int, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Between which shares the rate of success lies (Wilson's score interval, 1927)."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate, square = 1 - failed / count, z * z / count
    middle, half = rate + square / 2, z * sqrt((rate * (1 - rate) + square / 4) / count)
    return max(0.0, (middle - half) / (1 + square)), min(1.0, (middle + half) / (1 + square))


class SizeRun:
    """One world that is measured, phase by phase.

    Args:
        seed: of the world and of all that is drawn.
        link: of every node and client.
        progress: is told how far a phase is.
    """

    def __init__(
        self, seed: int = 1, *, link: LinkProfile = LAN, progress: Progress | None = None
    ) -> None:
        self.world = World(seed, link=link)
        self._progress = progress or _ignore
        self._rng = self.world.stream("size")

    def grow(self, nodes: int, *, warm: bool = False) -> Phase:
        """So many nodes join and become ready; `warm`: see `World.warm_swarm`.

        Raises:
            ConfigError: less than one node.
        """
        _check(nodes >= 1, "nodes", nodes, "at least 1")
        world, meter = self.world, _Meter(self.world)
        if warm:
            world.warm_swarm(nodes)
            return meter.phase()
        joined = 0

        def count(operation: SimOperation) -> None:
            nonlocal joined
            joined += operation.kind == "join"
            self._progress("nodes joined", joined, nodes)

        world.on_operation.append(count)
        world.swarm(nodes)
        world.on_operation.remove(count)
        return meter.phase()

    def look_up(self, count: int) -> Lookups:
        """So many lookups, one after the other.

        Raises:
            ConfigError: less than one lookup, or than two nodes.
        """
        world, meter = self.world, _Meter(self.world)
        _check(count >= 1, "lookups", count, "at least 1")
        _check(len(world.nodes) >= 2, "nodes", len(world.nodes), "at least 2, for lookups")
        points = [point_of(node.node_id) for node in world.nodes]
        hops, missed = 0, 0
        for number in range(count):
            place, target = self._rng.below(len(points)), self._rng.randbytes(32)
            report = world.nodes[place].lookup(target, width=LOOKUP_WIDTH)
            point, own = point_of(target), points[place]
            nearest = min(other ^ point for other in points if other != own)
            found = [point_of(node_id) ^ point for node_id in report.closest[:1]]
            hops += report.hops
            missed += found != [nearest]
            self._progress("lookups", number + 1, count)
        return Lookups(meter.phase(), count, hops / count, missed)

    def operate(
        self, count: int, *, rate_per_s: float, clients: int, replaced_per_hour: float = 0.0
    ) -> Served:
        """So many operations at a fixed rate, clients taking turns.

        Args:
            replaced_per_hour: which part of the nodes go per hour meanwhile, as many coming in
                their place; half of those that go say so.

        Raises:
            ConfigError: an argument is out of its range.
        """
        _check(count >= 1, "operations", count, "at least 1")
        _check(rate_per_s > 0, "rate", rate_per_s, "more than 0")
        _check(clients >= 1, "clients", clients, "at least 1")
        _check(replaced_per_hour >= 0, "churn", replaced_per_hour, "0 or more")
        world, meter = self.world, _Meter(self.world)
        users = [world.client() for _ in range(clients)]
        there, known = [node for node in world.nodes if node.alive], len(world.nodes)
        if replaced_per_hour:
            world.apply(Churn(session_s=3600 / replaced_per_hour, for_s=count / rate_per_s))
        stored: list[str] = []  # and acknowledged
        over: list[SimOperation] = []

        def finished(operation: SimOperation) -> None:
            over.append(operation)
            if operation.kind == "store" and not operation.failed:
                stored.append(str(operation.key))

        def start(number: int) -> None:
            user, key = users[number % clients], f"record {number}"
            if number % 2 and stored:
                user.start_retrieve(self._rng.choice(stored), then=finished)
            else:
                user.start_store(key, _value(key), then=finished)

        for number in range(count):
            world.after(number / rate_per_s, partial(start, number))
        end_ns = world.now_ns + round((count / rate_per_s + LIMIT_S) * 1e9)
        while len(over) < count and world.now_ns < end_ns:
            world.run(SLICE_S)
            self._progress("operations", len(over), count)
        return Served(
            phase=meter.phase(),
            count=count,
            failures=_failures(over, count),
            latencies_ms=_latencies_ms(over),
            left=sum(not node.alive for node in there),
            came=len(world.nodes) - known,
        )


def _value(key: str) -> bytes:
    return (key.encode() * VALUE_BYTES)[:VALUE_BYTES]


def _failures(over: list[SimOperation], count: int) -> Counter[str]:
    failures: Counter[str] = Counter()
    for operation in over:
        if operation.failed:
            failures[f"{operation.kind}: {type(operation.result).__name__}"] += 1
        elif operation.kind == "retrieve" and operation.result != _value(str(operation.key)):
            failures[WRONG_VALUE] += 1
    if len(over) < count:
        failures["never over"] = count - len(over)
    return failures


def _latencies_ms(over: list[SimOperation]) -> dict[str, list[float]]:
    latencies_ms: dict[str, list[float]] = {}
    for operation in over:
        if not operation.failed:
            latencies_ms.setdefault(operation.kind, []).append(operation.latency_ns / 1e6)
    return {kind: sorted(values) for kind, values in sorted(latencies_ms.items())}


class _Meter:
    """What has happened, and what it has cost, since it was made."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._begun = self._read()
        self._bytes = _resident_bytes()

    def _read(self) -> tuple[int, int, int, float]:
        world = self._world
        return world.now_ns, world.engine.executed, world.accounting.sent, time.process_time()

    def phase(self) -> Phase:
        now_ns, events, messages, cpu_s = (
            now - then for now, then in zip(self._read(), self._begun, strict=True)
        )
        resident = _resident_bytes()
        grown = resident - self._bytes if resident is not None and self._bytes is not None else None
        return Phase(now_ns / 1e9, int(events), int(messages), cpu_s, grown)


def _resident_bytes() -> int | None:
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return None
    return int(pages) * mmap.PAGESIZE


def _check(condition: bool, name: str, value: float, allowed: str) -> None:
    if not condition:
        raise ConfigError(f"{name} must be {allowed}, not {value!r}")


def _ignore(*_: object) -> None:
    """Stands for a hook that is not set."""
