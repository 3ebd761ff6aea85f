"""A network in virtual time, whose messages take what the core's work says: how long do operations?

Theory of operation. Eight nodes in one place and twice as many clients, which begin stores and
retrieves in equal numbers at moments drawn from a Poisson process, whatever becomes of the others.
Nodes are so busy as is asked for, on average, *with the base's work*: what costs less makes them
less busy, and shortens what waits. The same seed draws the same moments and keys.

Rule: one world per call; plain numbers come out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from benchmarks.common import subject

__all__ = ["NODES", "PlayPlan", "WaitQuantiles", "played"]

NODES, CLIENTS = 8, 16
KEYS, SIZE_BYTES = 128, 1024
WARM_UP = 0.2  # of the operations: until queues are as long as they will be
MOST_S = 60.0  # until all are over; a thousand times what it takes


@dataclass(frozen=True, kw_only=True)
class PlayPlan:
    """What is played."""

    rate_per_s: float
    operations: int
    latency_us: int


@dataclass(frozen=True, kw_only=True)
class WaitQuantiles:
    """Of all operations of a run, in milliseconds."""

    p50: float
    p99: float


def played(plan: PlayPlan, kinds_ns: Mapping[str, tuple[int, int]], seed: int) -> WaitQuantiles:
    """One run. Raises RuntimeError if an operation failed."""
    link = {"latency_us": plan.latency_us, "jitter_us": 0}
    world = subject.make_world(seed, link | {"up_kbps": 10_000_000, "down_kbps": 10_000_000})
    service = subject.part("sim", "Service")
    world.swarm(NODES)
    ways_in = [node.address for node in world.nodes]
    settings = {"bootstrap": ways_in, "max_in_flight": 1 << 30, "timeout_s": MOST_S}
    clients = [world.client(**settings) for _ in range(CLIENTS)]
    keys = [f"key {number}" for number in range(KEYS)]
    for key in keys:
        clients[0].store(key, bytes(SIZE_BYTES))
    for client in clients:  # they know who holds what, and no hedge is new
        for key in keys[:8]:
            client.retrieve(key)
    for process in [*world.nodes, *clients]:
        process.service = service(kinds=kinds_ns)
    rng, begun = Random(f"{seed} critical"), list[Any]()

    def begin() -> None:
        client, key = rng.choice(clients), rng.choice(keys)
        if rng.random() < 0.5:
            begun.append(client.start_store(key, bytes(SIZE_BYTES)))
        else:
            begun.append(client.start_retrieve(key))
        if len(begun) < plan.operations:
            world.after(rng.expovariate(plan.rate_per_s), begin)

    begin()
    world.run_until(
        lambda: len(begun) == plan.operations and all(each.over for each in begun), MOST_S
    )
    measured = begun[int(WARM_UP * len(begun)) :]
    failed = [each for each in measured if isinstance(each.result, Exception)]
    if failed:
        raise RuntimeError(f"seed {seed}: {len(failed)} operations failed: {failed[0].result!r}")
    taken_ms = sorted(each.latency_ns / 1e6 for each in measured)
    return WaitQuantiles(p50=_quantile(taken_ms, 0.5), p99=_quantile(taken_ms, 0.99))


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[int(share * (len(ordered) - 1))]
