"""Situations that tell settings apart, and the figures of each: all are better when they are lower.

Simulated ones follow from their seed; `sockets` is a real network of three nodes on loopback, in
one process beside the client's.

Rule: a question per situation; knows no objective and no search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from benchmarks.common.simulated.lab import Question, players

__all__ = ["FIGURES", "SITUATIONS", "Bench", "Measured", "Side", "simulator"]

Measured = dict[str, float]
"""Figures of one configuration and seed, by SITUATION.FIGURE."""
Side = Mapping[str, Mapping[str, Any]]
"""Settings of "nodes" and of "clients"."""
LOAD, OVERLOAD = 0.45, 2.0  # of what the nodes can serve
SECONDS = 0.4  # of virtual time; some 1,100 operations
OVERLOAD_S = 0.3
NODES = 8
PAUSES_MINUTES = 3  # for each seed: a false removal is rare, and one is too many
AT_RATE = (
    "read_s_p50", "read_s_p99", "read_s_p999", "store_s_p50", "store_s_p99", "store_s_p999",
    "messages_per_operation", "connections", "failed_ppm", "stale", "lost", "work_per_good",
)  # fmt: skip

Ask = Callable[[int, Side], Question]


def _offered(case: str, load: float, seconds: float) -> Ask:
    def ask(seed: int, side: Side) -> Question:
        return {
            "play": "offered", "seed": seed, "case": case, "load": load, "seconds": seconds,
            "of_nodes": dict(side["nodes"]), "of_clients": dict(side["clients"]),
        }  # fmt: skip

    return ask


def _detection(case: str, **more: int) -> Ask:
    def ask(seed: int, side: Side) -> Question:
        settings = more | dict(side["nodes"])
        return {"play": "detection", "case": case, "seed": seed, "nodes": NODES, **settings}

    return ask


SITUATIONS: dict[str, tuple[Ask | None, tuple[str, ...]]] = {
    "calm": (_offered("calm", LOAD, SECONDS), AT_RATE),
    "slow": (_offered("slow", LOAD, SECONDS), AT_RATE),
    "stutter": (_offered("stutter", LOAD, 3 * SECONDS), AT_RATE),
    "overload": (_offered("calm", OVERLOAD, OVERLOAD_S), AT_RATE),
    "loss": (_detection("silent"), ("given_up_s_p50", "given_up_s_p99", "given_up_s_worst")),
    "pauses": (_detection("pauses", minutes=PAUSES_MINUTES),
               ("false_removals", "view_changes_per_min")),
    "quiet": (_detection("quiet"), ("probe_bytes_per_s",)),
    "sockets": (None, ("read_s_p50", "read_s_p99", "store_s_p99", "cpu_s_per_operation",
                       "messages_per_operation", "resident_bytes", "failed")),
}  # fmt: skip
"""How a seed of each is asked for (`sockets` is not asked of the simulator), and its figures."""

FIGURES = tuple(f"{name}.{figure}" for name, (_, figures) in SITUATIONS.items()
                for figure in figures)  # fmt: skip


class Bench(Protocol):
    """Where configurations are measured."""

    def __call__(self, sides: Sequence[Side], seeds: Sequence[int]) -> list[list[Measured]]:
        """The figures of each configuration, for each seed."""


@contextmanager
def simulator(situations: Sequence[str]) -> Iterator[Bench]:
    """Two networks at a time; what was played before is remembered."""
    known: dict[tuple[str, int, str], Measured] = {}
    with players() as ask:

        def bench(sides: Sequence[Side], seeds: Sequence[int]) -> list[list[Measured]]:
            wanted = {}
            for side in sides:
                for seed in seeds:
                    for name in situations:
                        if (key := _key(side, seed, name)) not in known:
                            wanted[key] = _question(name, seed, side)
            for key, found in zip(wanted, ask(list(wanted.values())), strict=True):
                if not found:
                    raise NotImplementedError(f"this p2pcore cannot play {key[2]!r}")
                known[key] = {f"{key[2]}.{name}": found[name] for name in SITUATIONS[key[2]][1]}
            return [
                [_joined(known[_key(side, seed, name)] for name in situations) for seed in seeds]
                for side in sides
            ]

        yield bench


def _key(side: Side, seed: int, situation: str) -> tuple[str, int, str]:
    return repr(sorted((of, sorted(each.items())) for of, each in side.items())), seed, situation


def _question(situation: str, seed: int, side: Side) -> Question:
    ask = SITUATIONS[situation][0]
    assert ask is not None, "the simulator has no sockets"
    return ask(seed, side)


def _joined(parts: Iterator[Measured]) -> Measured:
    found: Measured = {}
    for each in parts:
        found |= each
    return found
