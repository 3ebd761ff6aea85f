"""What operations cost in simulated networks of many nodes.

The nodes of a *warm* network were put in their places without joining, and have no connections yet:
what lookups and clients open is in the figures, as is everything else that the network says in that
time beyond what it said per second before, when nothing was asked of it.

Rule: one world per call, made from its seed; plain numbers come out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random
from statistics import fmean
from typing import Any

from benchmarks.common import subject
from benchmarks.common.workload import Values

__all__ = [
    "LINK",
    "SIZE_BYTES",
    "churn",
    "distant",
    "joins",
    "operations",
    "quantile",
    "warm_world",
]

# A server in a data centre, without loss: one lost segment more or less is all that a P99 of some
# hundred operations would show.
LINK = {
    "latency_us": 200,
    "jitter_us": 300,
    "jitter": "lognormal",
    "up_kbps": 100_000,
    "down_kbps": 100_000,
}
REGIONS = (
    "dallas", "toronto", "washington", "frankfurt", "london", "madrid", "montreal", "chennai",
    "osaka", "sydney", "tokyo", "sao-paulo",
)  # fmt: skip
HERE = ("",)  # all beside each other
CLIENTS = len(REGIONS)
WIDTH = 3  # of a lookup: as many as there are replicas
SIZE_BYTES = 1024
CALM_S = 2.0
LIMIT_S = 120.0  # for operations that time out after 5 s; a lookup asks at most some dozen nodes
SESSION_S = 7200.0  # a mean stay of two hours: half the nodes are replaced per hour
SETTLE_S = 3.0


def operations(nodes: int, seed: int, lookups: int, per_client: int) -> dict[str, float]:
    """Lookups, stores and retrieves in a warm network in one place, each kind all at once.

    Args:
        nodes: how many.
        seed: of the world and of who looks up what.
        lookups: how many, each from a node that is drawn.
        per_client: stores by each of twelve clients; each then retrieves as many of another's.
    """
    world = warm_world(nodes, seed, HERE)
    rng = Random(f"{seed} operations")
    ledger = _Ledger(world)
    figures: dict[str, float] = {}
    seekers = [(rng.choice(world.nodes), rng.randbytes(32)) for _ in range(lookups)]
    asked = ledger.measure(
        figures,
        "lookup",
        lambda: [node.start_lookup(target, width=WIDTH) for node, target in seekers],
    )
    figures["lookup_hops"] = fmean(each.result.hops for each in asked)
    figures["lookup_missed_ppm"] = _ppm([_missed(world, each) for each in asked], lookups)
    _store_and_retrieve(ledger, figures, _clients(world, HERE), range(CLIENTS * per_client))
    world.check()
    return figures


def distant(nodes: int, seed: int, per_client: int) -> dict[str, float]:
    """Stores and retrieves in a warm network, nodes and clients spread over all regions, after a
    round of each in which the clients have met the network."""
    world = warm_world(nodes, seed, REGIONS)
    ledger = _Ledger(world)
    figures: dict[str, float] = {}
    clients = _clients(world, REGIONS)
    count = CLIENTS * per_client
    _store_and_retrieve(ledger, {}, clients, range(count))
    _store_and_retrieve(ledger, figures, clients, range(count, 2 * count))
    world.check()
    return figures


def joins(nodes: int, seed: int) -> dict[str, float]:
    """A network that grows from nothing, and what each node's joining and becoming ready costs."""
    world = subject.make_world(seed, LINK)
    took_ns: list[int] = []
    world.on_operation.append(
        lambda each: took_ns.append(each.latency_ns) if each.kind == "join" else None
    )
    world.swarm(nodes)
    world.check()
    sent = subject.traffic(world)
    return {
        "join_messages": sent.messages / nodes,
        "join_bytes": sent.size_bytes / nodes,
        "join_s_p50": quantile(took_ns, 0.5) / 1e9,
        "join_s_p99": quantile(took_ns, 0.99) / 1e9,
    }


def churn(nodes: int, seed: int, seconds: float, rate_per_s: float) -> dict[str, float]:
    """Operations at a fixed rate in a warm network in which half the nodes are replaced per hour,
    half of those that go without a word. Every other one is a retrieve, of something that was
    acknowledged."""
    world = warm_world(nodes, seed, HERE)
    rng, values = Random(f"{seed} churn"), Values(SIZE_BYTES)
    clients = _clients(world, HERE)
    known: list[int] = []  # records that were acknowledged
    started: list[tuple[Any, int]] = []

    def store(number: int) -> None:
        operation = rng.choice(clients).start_store(f"r{number}", values.value(number), then=keep)
        started.append((operation, number))

    def keep(operation: Any) -> None:
        if not operation.failed:
            known.append(int(operation.key[1:]))

    def retrieve() -> None:
        number = rng.choice(known)
        started.append((rng.choice(clients).start_retrieve(f"r{number}"), number))

    for number in range(2 * len(clients)):
        store(number)
    world.run(SETTLE_S)
    before = {node.name for node in world.nodes}
    started.clear()
    world.apply(subject.fault_from({"fault": "churn", "session_s": SESSION_S, "for_s": seconds}))
    for step in range(round(seconds * rate_per_s / 2)):
        store(100 + step)
        retrieve()
        world.run(2 / rate_per_s)
    _wait(world, [operation for operation, _ in started])
    for operation, number in started:
        if operation.kind == "retrieve" and not operation.failed:
            values.check(number, operation.result)
    world.check()
    failed = [operation for operation, _ in started if operation.failed]
    return {
        "failed_ppm": _ppm(failed, len(started)),
        "operations": len(started),
        "left": sum(1 for node in world.nodes if node.name in before and not node.alive),
        "came": len(world.nodes) - len(before),
    }


class _Ledger:
    """Which traffic operations cause: all there is, less what there was per second before."""

    def __init__(self, world: Any) -> None:
        self._world = world
        before = subject.traffic(world)
        world.run(CALM_S)
        after = subject.traffic(world)
        self._calm_messages = (after.messages - before.messages) / CALM_S
        self._calm_bytes = (after.size_bytes - before.size_bytes) / CALM_S

    def measure(
        self, figures: dict[str, float], name: str, start: Callable[[], list[Any]]
    ) -> list[Any]:
        """Start operations, wait for all, and put down what one of them costs."""
        world = self._world
        before, begin_ns = subject.traffic(world), world.now_ns
        operations = start()
        _wait(world, operations)
        seconds = (world.now_ns - begin_ns) / 1e9
        count = len(operations)
        after = subject.traffic(world)
        messages = after.messages - before.messages - seconds * self._calm_messages
        size = after.size_bytes - before.size_bytes - seconds * self._calm_bytes
        latencies_ns = [each.latency_ns for each in operations]
        figures[f"{name}_messages"] = messages / count
        figures[f"{name}_bytes"] = size / count
        figures[f"{name}_s_p50"] = quantile(latencies_ns, 0.5) / 1e9
        figures[f"{name}_s_p99"] = quantile(latencies_ns, 0.99) / 1e9
        figures[f"{name}_failed_ppm"] = _ppm([each for each in operations if each.failed], count)
        return operations


def _store_and_retrieve(
    ledger: _Ledger, figures: dict[str, float], clients: Sequence[Any], numbers: Sequence[int]
) -> None:
    values = Values(SIZE_BYTES)
    stored = ledger.measure(
        figures,
        "store",
        lambda: [clients[n % CLIENTS].start_store(f"r{n}", values.value(n)) for n in numbers],
    )
    kept = [n for n, each in zip(numbers, stored, strict=True) if not each.failed]
    read = ledger.measure(
        figures,
        "retrieve",
        lambda: [clients[(n + 5) % CLIENTS].start_retrieve(f"r{n}") for n in kept],
    )
    for n, operation in zip(kept, read, strict=True):
        if not operation.failed:
            values.check(n, operation.result)


def warm_world(nodes: int, seed: int, regions: Sequence[str] = HERE) -> Any:
    """A network whose nodes were put in their places, in these regions in turn."""
    world = subject.make_world(seed, LINK)
    world.warm_swarm(nodes, regions=regions)
    return world


def _clients(world: Any, regions: Sequence[str]) -> list[Any]:
    """Twelve, connected."""
    clients = [
        world.client(region=regions[n % len(regions)], connect=False) for n in range(CLIENTS)
    ]
    connecting = [client.start_connect() for client in clients]
    _wait(world, connecting)
    for operation in connecting:
        operation.wait()  # raises what went wrong
    return clients


def _wait(world: Any, operations: Sequence[Any]) -> None:
    world.run_until(lambda: all(each.over for each in operations), LIMIT_S)


def _missed(world: Any, lookup: Any) -> bool:
    """Whether it did not find the closest node there is, other than its own."""
    own = subject.starter_id(lookup)
    nearest = min(
        (node.node_id for node in world.nodes if node.alive and node.node_id != own),
        key=lambda node_id: _distance(node_id, lookup.key),
    )
    closest: list[bytes] = lookup.result.closest
    return closest[:1] != [nearest]


def _distance(one: bytes, other: bytes) -> int:
    return int.from_bytes(one, "big") ^ int.from_bytes(other, "big")


def _ppm(found: Iterable[object], of: int) -> float:
    return 1e6 * sum(1 for each in found if each) / of


def quantile(values: Sequence[int], share: float) -> float:
    """The nearest rank."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
