"""How long the slowest operations take while one replica of three is not well, in virtual time.

Eight nodes in one place, N=3, W=R=2, and six clients that begin 3,000 operations a second between
them at moments drawn from a Poisson process, one of ten a store, whatever becomes of the others.
After a second, something happens to one node, for two seconds; the operations that begin meanwhile
are what is measured. A second after that, for a second more, it is counted how many reads the node
serves, against its share before. A node needs 600 µs of its one processor for a request, so nearly
half of all processors is in use.

Rule: one world per call, made from its seed; plain numbers come out.
"""

from __future__ import annotations

from random import Random
from typing import Any

from benchmarks.common import subject
from benchmarks.common.sampling import QUICK

__all__ = ["FAULTS", "tail"]

NODES = 8
CLIENTS = 6
KEYS = 64
SIZE_BYTES = 1024
RATE_PER_S = 300 if QUICK else 3000
STORES = 0.1  # of all operations
MESSAGE_US = 300  # of a node, to read or to send one
CLIENT_US = 5  # a client must not be what is waited for
WARM_S = 1.0
FAULT_S = 2.0
LINK = {"latency_us": 100, "jitter_us": 50, "up_kbps": 1_000_000, "down_kbps": 1_000_000}
HIT = "n1"

FAULTS: dict[str, dict[str, Any] | None] = {
    "none": None,
    "slow": {"fault": "slowness", "times": 10},
    "far": {"fault": "distance", "extra_ms": 10},
    "stutter": {"fault": "stutter", "pause_ms": 100, "every_ms": 1000},
    "hung": {"fault": "pause"},
}
"""By name, as the simulator takes them."""

SWITCHES: dict[str, dict[str, Any]] = {
    "default": {},
    "on": {"avoid_outliers": True, "hedge_budget": 0.05},
    "off": {"avoid_outliers": False, "hedge_budget": 0.0},
}


def tail(seed: int, fault: str, switch: str = "default", nodes: int = NODES) -> dict[str, float]:
    """Seconds that reads and stores take (P99, P99.9, the worst), fetches per read, and the share
    of its reads that the node lacks afterwards, in ppm.

    Raises:
        NotImplementedError: this commit's p2pcore has no such fault, or switch.
    """
    return _Run(seed, switch, nodes).play(FAULTS[fault])


class _Run:
    def __init__(self, seed: int, switch: str, nodes: int) -> None:
        self._rng = Random(f"{seed} tail")
        self._world = world = subject.make_world(seed, LINK)
        service = subject.part("sim", "Service")
        world.service = service(message_us=MESSAGE_US)
        world.swarm(nodes)
        ways_in = [node.address for node in world.nodes]
        settings = {"service": service(message_us=CLIENT_US), "bootstrap": ways_in}
        try:
            self._clients = [world.client(**settings, **SWITCHES[switch]) for _ in range(CLIENTS)]
        except TypeError as error:
            raise NotImplementedError(str(error)) from None
        self._keys = [f"key {n}" for n in range(KEYS)]
        for key in self._keys:
            self._clients[0].store(key, bytes(SIZE_BYTES))
        self._operations: list[Any] = []

    def play(self, table: dict[str, Any] | None) -> dict[str, float]:
        """Work without the fault, with it, and after it."""
        world = self._world
        if table is not None and table["fault"] not in subject.part("sim", "FAULTS"):
            raise NotImplementedError(f"no fault {table['fault']!r} yet")
        world.run(1)
        self._begin_next()
        before = self._share_in(WARM_S)
        if table is not None:
            world.apply(subject.fault_from(table | {"nodes": [HIT], "for_s": FAULT_S}))
        self._operations.clear()
        fetches = self._fetches()[1]
        world.run(FAULT_S)
        measured = self._operations[:]
        fetches = self._fetches()[1] - fetches
        world.run(1)
        after = self._share_in(1.0)
        world.check()
        figures = _latencies(measured)
        reads = sum(each.kind == "retrieve" for each in measured)
        figures["fetches_per_read"] = fetches / reads
        figures["share_lacking_ppm"] = max(0.0, 1 - after / before) * 1e6
        return figures

    def _begin_next(self) -> None:
        client, key = self._rng.choice(self._clients), self._rng.choice(self._keys)
        if self._rng.random() < STORES:
            self._operations.append(client.start_store(key, bytes(SIZE_BYTES)))
        else:
            self._operations.append(client.start_retrieve(key))
        self._world.after(self._rng.expovariate(RATE_PER_S), self._begin_next)

    def _share_in(self, seconds: float) -> float:
        """Which part of all fetches the node that is hit serves, for so long."""
        mine, total = self._fetches()
        self._world.run(seconds)
        later, later_total = self._fetches()
        return (later - mine) / (later_total - total)

    def _fetches(self) -> tuple[int, int]:
        """By the node that is hit, and by all; that were served."""
        served = {node.name: node.machine.counters.fetches for node in self._world.nodes}
        return served[HIT], sum(served.values())


def _latencies(operations: list[Any]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for kind in ("retrieve", "store"):
        taken = sorted(_seconds(each) for each in operations if each.kind == kind)
        for name, share in (("p99", 0.99), ("p999", 0.999), ("worst", 1.0)):
            figures[f"{kind}_s_{name}"] = taken[min(len(taken) - 1, int(share * len(taken)))]
    return figures


def _seconds(operation: Any) -> float:
    """Until now, if it is not over."""
    if operation.over:
        return float(operation.latency_ns) / 1e9
    return float(operation.process.environment.now_ns - operation.start_ns) / 1e9
