"""A machine as a canary meets it, by chance: what slots of two sides take on it.

Theory of operation. The machine's speed drifts (a first-order process over slots), and now and then
a neighbour takes a share of it for a spell of 1 to 60 s, in which slots differ by much more than
usual. Both sides meet the same machine, each at the moment of its own slot. A stall hits all
operations of a slot that are due in it. And each side has luck of its own for as long as it lives:
where its memory lies. The sizes are in `MachineTemper`; docs/canary.md says what they are held to.

Rule: draws; the coin and the judge are the run's own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from perflab.canary.record import SIDES, PairOfSlots, Side, SlotFigures
from perflab.canary.tail import PooledTail

__all__ = ["EFFECTS", "CanaryEffect", "MachineTemper", "simulated_pairs"]

OPERATIONS = 100  # of a slot
SLOT_S = 0.1
PAIR_S = 0.25  # with what comes between slots
OWN_TAIL = 0.02  # of operations take three times as long on either side


@dataclass(frozen=True, kw_only=True)
class MachineTemper:
    """How bad a machine is; deviations are of logarithms."""

    drift: float = 0.08
    drift_memory: float = 0.98
    """From slot to slot."""
    slot_latency: float = 0.08
    slot_cpu: float = 0.04
    luck_latency: float = 0.01
    """Of a side, for the whole run."""
    luck_cpu: float = 0.01
    spells_per_s: float = 1 / 20
    spell_s: tuple[float, float] = (1.0, 60.0)
    spell_latency: tuple[float, float] = (1.2, 3.0)
    """Times as long."""
    spell_cpu: tuple[float, float] = (1.05, 1.5)
    spell_slot: float = 0.25
    """What is added to the deviations of a slot in it; to processor time a third of it."""
    stalls: float = 0.03
    """Of slots; five times as many in a spell."""
    stall_s: float = 0.015
    median_s: float = 0.0012
    spread: float = 0.35
    cpu_s: float = 0.00035
    """Of the nodes, per operation."""
    error_bursts: float = 0.0005
    """Of slots, in which some operations fail."""


@dataclass(frozen=True, kw_only=True)
class CanaryEffect:
    """In what the candidate differs: by these factors, and by so many errors."""

    name: str
    latency: float = 1.0
    """Of every operation."""
    slow: float = 0.0
    """The share of its operations that take three times as long besides."""
    cpu: float = 1.0
    errors: float = 0.0
    """The share of its operations that fail besides."""
    lost_at: int | None = None
    """The pair in which a read finds a record lost."""


EFFECTS = (
    CanaryEffect(name="nothing"),
    CanaryEffect(name="+10 % processor time of nodes", cpu=1.1),
    CanaryEffect(name="+10 % P50", latency=1.1),
    CanaryEffect(name="+27 % P99: 2 points more take 3 times as long", slow=0.02),
    CanaryEffect(name="+0.5 points of errors", errors=0.005),
    CanaryEffect(name="one write lost", lost_at=40),
    CanaryEffect(name="-10 % processor time and P50", cpu=0.9, latency=0.9),
)
"""What a judge has to tell apart: the first is none, the last one is better."""


@dataclass
class _Machine:
    """Its speed as time goes by."""

    temper: MachineTemper
    rng: np.random.Generator
    level: float = 0.0
    spell_until_s: float = 0.0
    spell_latency: float = 1.0
    spell_cpu: float = 1.0

    def at(self, at_s: float) -> tuple[float, float, bool]:
        """By how much latency and processor time are longer now, and whether in a spell."""
        temper, rng = self.temper, self.rng
        step = temper.drift * math.sqrt(1 - temper.drift_memory**2)
        self.level = temper.drift_memory * self.level + step * rng.normal()
        if at_s >= self.spell_until_s and rng.random() < temper.spells_per_s * PAIR_S / 2:
            self.spell_until_s = at_s + _log_uniform(rng, temper.spell_s)
            self.spell_latency = _log_uniform(rng, temper.spell_latency)
            self.spell_cpu = _log_uniform(rng, temper.spell_cpu)
        base = math.exp(self.level)
        if at_s >= self.spell_until_s:
            return base, base, False
        return base * self.spell_latency, base * self.spell_cpu, True


@dataclass
class _SimulatedSide:
    """One side, with its luck."""

    temper: MachineTemper
    rng: np.random.Generator
    effect: CanaryEffect
    luck: tuple[float, float] = field(init=False)

    def __post_init__(self) -> None:
        temper = self.temper
        self.luck = (
            math.exp(self.rng.normal(0, temper.luck_latency)),
            math.exp(self.rng.normal(0, temper.luck_cpu)),
        )

    def slot(
        self, number: int, at_s: float, machine: _Machine, threshold_s: float
    ) -> tuple[SlotFigures, NDArray[np.float64]]:
        temper, rng, effect = self.temper, self.rng, self.effect
        slower, dearer, spell = machine.at(at_s)
        more = temper.spell_slot if spell else 0.0
        latencies = rng.lognormal(math.log(temper.median_s), temper.spread, OPERATIONS)
        latencies[rng.random(OPERATIONS) < OWN_TAIL + effect.slow] *= 3
        wobble = rng.normal(0, temper.slot_latency + more)
        latencies *= slower * self.luck[0] * effect.latency * math.exp(wobble)
        self._stall(latencies, spell)
        failed = rng.random(OPERATIONS) < effect.errors
        if rng.random() < temper.error_bursts * (5 if spell else 1):
            failed[: rng.integers(1, 6)] = True
        latencies[failed] = math.inf
        wobble = rng.normal(0, temper.slot_cpu + more / 3)
        cpu_s = temper.cpu_s * dearer * self.luck[1] * math.exp(wobble)
        client = temper.cpu_s * dearer * math.exp(rng.normal(0, temper.slot_cpu + more / 3))
        p50_s = float(np.quantile(latencies, 0.5, method="lower"))
        figures = SlotFigures(
            begin_s=at_s,
            seconds=SLOT_S,
            operations=OPERATIONS,
            failed=int(failed.sum()),
            p50_s=None if math.isinf(p50_s) else p50_s,
            beyond=int(((latencies > threshold_s) | failed).sum()),
            cpu_s=cpu_s * OPERATIONS * effect.cpu,
            client_cpu_s=client * OPERATIONS,
            broken=[f"record 7, write {number}, is lost"] if number == effect.lost_at else [],
        )
        return figures, latencies

    def _stall(self, latencies: NDArray[np.float64], spell: bool) -> None:
        """Perhaps nothing runs for a while: what is due then waits for the end of it."""
        temper, rng = self.temper, self.rng
        if rng.random() < temper.stalls * (5 if spell else 1):
            lasts_s = min(rng.exponential(temper.stall_s), SLOT_S)
            due_s = np.linspace(0, SLOT_S, OPERATIONS) - rng.uniform(0, SLOT_S - lasts_s)
            latencies += np.where((due_s >= 0) & (due_s < lasts_s), lasts_s - due_s, 0.0)


def simulated_pairs(
    temper: MachineTemper, effect: CanaryEffect, seed: int, seconds: float, warm_up_s: float
) -> Iterator[PairOfSlots]:
    """A run's pairs, as a canary of that length would meet them; equal arguments, equal pairs."""
    rng = np.random.default_rng(seed)
    machine, tail = _Machine(temper, rng), PooledTail()
    sides = {
        "baseline": _SimulatedSide(temper, rng, EFFECTS[0]),
        "candidate": _SimulatedSide(temper, rng, effect),
    }
    for number in range(int(seconds / PAIR_S)):
        begin_s, first = number * PAIR_S, SIDES[rng.integers(2)]
        threshold_s = tail.threshold_s()
        slots: dict[Side, SlotFigures] = {}
        for place, which in enumerate((first, *(each for each in SIDES if each != first))):
            at_s = begin_s + place * PAIR_S / 2
            slots[which], latencies = sides[which].slot(number, at_s, machine, threshold_s)
            tail.add(latencies)
        warm_up = begin_s < warm_up_s
        yield PairOfSlots(number=number, first=first, warm_up=warm_up, **slots)


def _log_uniform(rng: np.random.Generator, ends: tuple[float, float]) -> float:
    return math.exp(rng.uniform(math.log(ends[0]), math.log(ends[1])))
