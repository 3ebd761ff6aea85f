"""How soon a silent machine is given up, and what is given up that should not be, in virtual time.

- *silent*: a machine loses its power, nobody asks for anything. Looked at are those that have it
  among their 20 nearest: when is it in none of their contact tables any more?
- *reads*: the same while clients read and store; when is the P99 of what begins later back within
  twice that of before?
- *pauses*: every 5 s a tenth of the nodes stand still for up to 2 s, and 5 % of all segments are
  lost. Nobody has gone, so each node that drops out of a table is a false removal.
- *lossy*: of what one node sends, 80 % is lost. It may be removed, or kept; to and fro counts.
- *quiet*: nothing happens. What pings and their answers take.

Networks of more than 64 nodes are put in their places, and those around the one that is to fall
silent look around first, so that they are linked.

Rule: one world per call, made from its seed; plain numbers come out.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from random import Random
from typing import Any

from benchmarks.common import subject
from benchmarks.common.sampling import QUICK

__all__ = ["detection"]

JOINED = 64  # nodes at most that really join
NEAREST = 20
LOOK_S = 0.05
LIMIT_S = 60.0
SETTLE_S = 20.0
LINK = {"latency_us": 100, "jitter_us": 50, "up_kbps": 1_000_000, "down_kbps": 1_000_000}
LOSS_PPM = 25_320  # of each of two links: 5 % in all
PAUSED = 0.1  # of the nodes
PAUSE_EVERY_S = 5.0
LONGEST_PAUSE_S = 2.0
LOSSY_S = 60.0 if QUICK else 180.0
PROBES = ("Ping", "Pong", "IndirectPing", "IndirectPong")
CLIENTS, KEYS, RATE_PER_S, SIZE_BYTES = 3, 32, 400, 256
WATCHED_S = 10.0  # of reads, after the fault
WINDOW_S = 0.1

Settings = dict[str, Any]


def detection(case: str, seed: int, nodes: int = 8, **settings: Any) -> dict[str, float]:
    """The figures of one of the cases above.

    Args:
        settings: of the nodes.

    Raises:
        NotImplementedError: this commit's p2pcore lacks something of it.
    """
    return CASES[case](seed, nodes, settings)


def _world(seed: int, nodes: int, settings: Settings, **link: int) -> Any:
    world = subject.make_world(seed, LINK | link)
    try:
        if nodes <= JOINED:
            world.swarm(nodes, **settings)
        else:
            world.warm_swarm(nodes, **settings)
    except TypeError as error:
        raise NotImplementedError(str(error)) from None
    return world


def _apply(world: Any, table: dict[str, Any]) -> None:
    if table["fault"] not in subject.part("sim", "FAULTS"):
        raise NotImplementedError(f"no fault {table['fault']!r} yet")
    world.apply(subject.fault_from(table))


# A silent machine


def _silent(seed: int, nodes: int, settings: Settings) -> dict[str, float]:
    world = _world(seed, nodes, settings)
    rng = Random(f"{seed} silent")
    lost = rng.choice(world.nodes)
    ranked = sorted(world.nodes, key=lambda node: _point(node) ^ _point(lost))
    near = [node for node in world.nodes if node is not lost and _is_near(world, node, lost)]
    if world.warm:
        for node in ranked[: NEAREST + 1]:
            node.start_lookup(node.node_id)
        world.run(1)
    world.run(SETTLE_S / 2 + rng.uniform(0, SETTLE_S / 2))
    watched = [node for node in near if _knows(node, lost)]
    lost.crash(power=True)
    begun_ns, took_s = world.now_ns, []
    while watched and world.now_ns - begun_ns < LIMIT_S * 1e9:
        world.run(LOOK_S)
        still = [node for node in watched if _knows(node, lost)]
        took_s += [(world.now_ns - begun_ns) / 1e9] * (len(watched) - len(still))
        watched = still
    took_s += [LIMIT_S] * len(watched)
    return {
        "given_up_s_p50": _quantile(took_s, 0.5),
        "given_up_s_p99": _quantile(took_s, 0.99),
        "given_up_s_worst": took_s[-1],
    }


def _point(node: Any) -> int:
    return int.from_bytes(node.node_id)


def _is_near(world: Any, node: Any, other: Any) -> bool:
    """Whether fewer than NEAREST are nearer to the one than the other."""
    distance = _point(node) ^ _point(other)
    return sum(_point(each) ^ _point(node) < distance for each in world.nodes) <= NEAREST


def _knows(node: Any, other: Any) -> bool:
    return other.node_id in node.machine.table


# What clients see of it


def _reads(seed: int, nodes: int, settings: Settings) -> dict[str, float]:
    world = _world(seed, nodes, settings)
    load = _Load(world, seed)
    world.run(2)
    before = load.latencies_s(world.now_ns - 10**9, world.now_ns)
    usual_s = _quantile(before, 0.99)
    _apply(world, {"fault": "crash", "nodes": [Random(f"{seed} victim").choice(world.nodes).name],
                   "power": True})  # fmt: skip
    begun_ns = world.now_ns
    world.run(WATCHED_S)
    back_s = 0.0
    for window in range(round(WATCHED_S / WINDOW_S)):
        start_ns = begun_ns + round(window * WINDOW_S * 1e9)
        latencies = load.latencies_s(start_ns, start_ns + round(WINDOW_S * 1e9))
        if _quantile(latencies, 0.99) > 2 * usual_s:
            back_s = (window + 1) * WINDOW_S
    worst_s = max(load.latencies_s(begun_ns, world.now_ns))
    return {"p99_back_s": back_s, "worst_s": worst_s}


class _Load:
    """Clients that read and store at random moments, whatever becomes of it."""

    def __init__(self, world: Any, seed: int) -> None:
        self._world = world
        self._rng = Random(f"{seed} load")
        ways_in = [node.address for node in world.nodes]
        self._clients = [world.client(bootstrap=ways_in) for _ in range(CLIENTS)]
        self._operations: list[Any] = []
        for number in range(KEYS):
            self._clients[0].store(f"key {number}", bytes(SIZE_BYTES))
        self._begin()

    def _begin(self) -> None:
        client, key = self._rng.choice(self._clients), f"key {self._rng.randrange(KEYS)}"
        if self._rng.random() < 0.1:
            self._operations.append(client.start_store(key, bytes(SIZE_BYTES)))
        else:
            self._operations.append(client.start_retrieve(key))
        self._world.after(self._rng.expovariate(RATE_PER_S), self._begin)

    def latencies_s(self, from_ns: int, to_ns: int) -> list[float]:
        """Of the operations that began between these moments; of one that is not over, so far."""
        now_ns = self._world.now_ns
        return [
            (each.latency_ns if each.over else now_ns - each.start_ns) / 1e9
            for each in self._operations
            if from_ns <= each.start_ns < to_ns
        ]


# False removals


class _Views:
    """Counts who drops out of contact tables, and who comes back, by looking again and again."""

    def __init__(self, world: Any) -> None:
        self._world = world
        self._known = self._now()
        self.removals = self.changes = 0

    def _now(self) -> dict[Any, frozenset[bytes]]:
        return {
            node: frozenset(contact.node_id for contact in node.machine.table.contacts())
            for node in self._world.nodes
        }

    def watch(self, seconds: float) -> None:
        """Let so much time pass. Changes at one node between two looks are one change of view."""
        for _ in range(round(seconds / LOOK_S)):
            self._world.run(LOOK_S)
            now = self._now()
            for node, known in now.items():
                self.removals += len(self._known[node] - known)
                self.changes += known != self._known[node]
            self._known = now


def _pauses(seed: int, nodes: int, settings: Settings) -> dict[str, float]:
    minutes = settings.pop("minutes", 10)
    world = _world(seed, nodes, settings, loss_ppm=LOSS_PPM)
    world.run(SETTLE_S)
    rng = Random(f"{seed} pauses")
    views = _Views(world)
    for _ in range(round(60 * minutes / PAUSE_EVERY_S)):
        for node in rng.sample(world.nodes, ceil(PAUSED * nodes)):
            at_s = rng.uniform(0, PAUSE_EVERY_S - LONGEST_PAUSE_S)
            for_s = rng.uniform(0.1, LONGEST_PAUSE_S)
            _apply(world, {"fault": "pause", "nodes": [node.name], "at_s": at_s, "for_s": for_s})
        views.watch(PAUSE_EVERY_S)
    hours = nodes * minutes / 60
    return {
        "node_hours": hours,
        "false_removals": views.removals,
        "false_removals_per_1000h": 1000 * views.removals / hours,
        "view_changes_per_min": views.changes / (nodes * minutes),
    }


def _lossy(seed: int, nodes: int, settings: Settings) -> dict[str, float]:
    world = _world(seed, nodes, settings)
    world.run(SETTLE_S)
    views = _Views(world)
    hit = Random(f"{seed} lossy").choice(world.nodes).name
    fault = {"fault": "loss", "nodes": [hit], "loss_ppm": 800_000, "one_way": True}
    _apply(world, fault | {"for_s": LOSSY_S})
    views.watch(LOSSY_S)
    return {"view_changes_per_min": views.changes / (nodes * LOSSY_S / 60)}


def _quiet(seed: int, nodes: int, settings: Settings) -> dict[str, float]:
    world = _world(seed, nodes, settings)
    if world.warm:  # all around one place: the others idle without links
        some = sorted(world.nodes, key=_point)[:NEAREST]
        for node in some:
            node.start_lookup(node.node_id)
    world.run(SETTLE_S)
    before, seconds = _probe_bytes(world), 10.0
    linked = [node for node in world.nodes if len(node.machine.links.by_id) >= min(nodes, 20) - 1]
    world.run(seconds)
    return {"probe_bytes_per_s": (_probe_bytes(world) - before) / (len(linked) * seconds)}


def _probe_bytes(world: Any) -> int:
    sizes = getattr(world.accounting, "kind_bytes", None)
    if sizes is None:
        raise NotImplementedError("this simulator does not count bytes by kind")
    return sum(size for kind, size in sizes.items() if kind.__name__ in PROBES)


def _quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


CASES: dict[str, Callable[[int, int, Settings], dict[str, float]]] = {
    "silent": _silent,
    "reads": _reads,
    "pauses": _pauses,
    "lossy": _lossy,
    "quiet": _quiet,
}
