"""Thousands of gates from one recording: the gate's own decisions on rounds measured once.

Theory of operation. A gate begins at a random round of the recording and takes the rounds that
follow, as many as its decisions ask for: spells and drift stay as they were. Which side of a round
is called base, a coin says anew; base and head are the same program there, and in a real gate a
coin decides it too. Seeded figures are of seeds drawn at random, others for head than for base: a
change that draws one more random number somewhere does just that. What is made slower, is so by a
factor on head's figures of one function and one seeded benchmark.

Not as in a real gate: rounds of suspects alone follow each other faster than recorded rounds of all
functions do, so a spell lasts for fewer rounds here. A gate's budget counts rounds at what they
took, after counting has used up all of its share.

Rule: makes up nothing but coins, seeds and factors; the stages, suspects, looks, the budget and the
verdict are the gate's own code.
"""

from __future__ import annotations

import datetime
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from statistics import median

from perflab.gate.calibration import Calibration, Noise, Power
from perflab.gate.judge import GateOutcome, judge
from perflab.gate.paired_rounds import PREFIX, UNIT, Names, decide, most_rounds
from perflab.gate.policy import Policy
from perflab.gate.record import Blocks, Kind, Measured, Metric
from perflab.gate.recording import GateRecording, RecordingError
from perflab.gate.seeds import Play, decide_seeds, most_seeds
from perflab.stats.rates import Rate

__all__ = ["SLOWDOWNS", "ReplayedGate", "calibrate"]

SLOWDOWNS = (0.02, 0.05, 0.10, 0.25)
PARTS = 6
NO_DATE = datetime.date.min  # only acceptances ask for it, and there are none


class _Side:
    """What the verdict sees of base or of head."""

    def __init__(self) -> None:
        self._stages: dict[str, list[list[Blocks]]] = {}

    def add(self, name: str, stage: int, value: float) -> None:
        stages = self._stages.setdefault(name, [])
        if len(stages) == stage:
            stages.append([])
        stages[stage].append((value,))

    def measured(self) -> Measured:
        return Measured(
            commit="",
            metrics={
                name: Metric(kind=_kind(name), unit=UNIT, stages=tuple(map(tuple, stages)))
                for name, stages in self._stages.items()
            },
        )


class ReplayedGate:
    """One gate; `factors` are what head's figures are multiplied by, by benchmark."""

    def __init__(
        self,
        recording: GateRecording,
        policy: Policy,
        budget_s: float,
        factors: Mapping[str, float],
        rng: Random,
    ) -> None:
        self._recording, self._policy, self._factors = recording, policy, factors
        self._rng, self._left_s = rng, budget_s
        self._sides = _Side(), _Side()
        self.first = rng.randrange(len(recording.rounds))
        """Of the rounds, the one that it begins with."""
        self.rounds = 0
        """How many it took."""
        seeds = list(recording.seeds)
        self._seeds = rng.sample(seeds, len(seeds))

    def run(self) -> GateOutcome:
        """Decide and judge."""
        if _seeds_suffice(self._recording, self._policy):
            decide_seeds(self._sides, self._policy, self._play)
        names = list(self._recording.rounds[0].values)
        decide(self._sides, names, self._policy, self._measure, lambda: self._left_s > 0)
        base, head = (side.measured() for side in self._sides)
        return judge(base, head, self._policy, NO_DATE)

    def _play(self, plays: Sequence[Play], seeds: Sequence[int], stage: int) -> None:
        names = [name for play in plays for name in play.metrics]
        for _ in seeds:
            for side, factors in zip(self._sides, ({}, self._factors), strict=True):
                values = self._recording.seeds[self._seeds.pop()]
                for name in names:
                    if name in values:
                        side.add(name, stage, values[name] * factors.get(name, 1.0))

    def _measure(self, names: Names, stage: int) -> None:
        recorded = self._recording.rounds
        now = recorded[(self.first + self.rounds) % len(recorded)]
        self.rounds += 1
        self._left_s -= now.start_s + now.each_s * len(names)
        order = self._rng.sample((0, 1), 2)
        for name in names:
            values = now.values.get(name)
            if values is None:
                continue
            full = PREFIX + name
            both = values.seconds, values.seconds * values.ratio
            factors = 1.0, self._factors.get(full, 1.0)
            for side, place, factor in zip(self._sides, order, factors, strict=True):
                side.add(full, stage, both[place] * factor)


@dataclass(frozen=True, slots=True)
class _Shown:
    """What one gate said, and of which benchmarks it should have."""

    first: int
    rounds: int
    code: int
    blamed: frozenset[str]
    open: frozenset[str]
    slower: frozenset[str]


def _shown(gate: ReplayedGate, slower: Sequence[str]) -> _Shown:
    outcome = gate.run()
    return _Shown(
        gate.first,
        gate.rounds,
        outcome.code,
        frozenset(each.name for each in outcome.regressions),
        frozenset(each.name for each in outcome.judgements if each.open),
        frozenset(slower),
    )


def _rate(gates: Sequence[_Shown], shown: Callable[[_Shown], object]) -> Rate:
    return Rate(sum(bool(shown(each)) for each in gates), len(gates))


def calibrate(
    recording: GateRecording,
    policy: Policy,
    budget: str,
    rounds_s: float,
    gates: int,
    rng: Random,
    progress: Callable[[str], None],
) -> Calibration:
    """Replay so many gates at unchanged speed, and as many for each of SLOWDOWNS.

    Args:
        budget: of a whole gate, in words.
        rounds_s: what of it is left for rounds.

    Raises:
        RecordingError: the recording is shorter than a gate can be.
    """
    most = most_rounds(policy)
    if len(recording.rounds) < most:
        raise RecordingError(
            f"{len(recording.rounds)} rounds were recorded; a gate takes up to {most}, "
            "so nothing can be said yet: record longer"
        )
    begin_s = time.monotonic()
    policy = replace(policy, accepted=())
    victims = _victims(recording, policy)
    shown: dict[float, list[_Shown]] = {}
    for slowdown in (0.0, *SLOWDOWNS):
        progress(f"replaying {gates} gates, one benchmark of a kind slower by {slowdown:.0%}")
        shown[slowdown] = []
        for number in range(gates):
            slower = [names[number % len(names)] for names in victims.values()] if slowdown else []
            factors = dict.fromkeys(slower, 1 + slowdown)
            gate = ReplayedGate(recording, policy, rounds_s, factors, rng)
            shown[slowdown].append(_shown(gate, slower))
    calm = shown[0.0]
    return Calibration(
        commit=recording.commit.hash,
        subject=recording.commit.subject,
        about=recording.about,
        minutes=recording.minutes,
        rounds=len(recording.rounds),
        seeds=len(recording.seeds),
        apart=len(recording.rounds) / median(gate.rounds for gate in calm),
        gates=gates,
        budget=budget,
        promised=policy.false_alarms,
        alarms={kind.value: _rate(calm, partial(_alarm, kind)) for kind in victims}
        | {"whole": _rate(calm, lambda gate: gate.code == 1)},
        undecided={kind.value: _rate(calm, partial(_undecided, kind)) for kind in victims}
        | {"whole": _rate(calm, lambda gate: gate.code == 2)},
        parts=_parts(len(recording.rounds), calm),
        power=[
            _power(kind, slowdown, shown[slowdown]) for kind in victims for slowdown in SLOWDOWNS
        ],
        noise=_noise(recording),
        replay_s=time.monotonic() - begin_s,
    )


def _seeds_suffice(recording: GateRecording, policy: Policy) -> bool:
    """Whether base and head can each have all the seeds of a gate, without sharing one."""
    return len(recording.seeds) >= 2 * most_seeds(policy)


def _victims(recording: GateRecording, policy: Policy) -> dict[Kind, list[str]]:
    """What can be made slower, by kind."""
    found = {Kind.PAIRED: [PREFIX + name for name in recording.rounds[0].values]}
    if _seeds_suffice(recording, policy):
        found[Kind.SEEDED] = sorted(next(iter(recording.seeds.values())))
    return found


def _kind(name: str) -> Kind:
    return Kind.PAIRED if name.startswith(PREFIX) else Kind.SEEDED


def _of(kind: Kind, names: Iterable[str]) -> set[str]:
    return {name for name in names if _kind(name) is kind}


def _alarm(kind: Kind, gate: _Shown) -> object:
    return _of(kind, gate.blamed - gate.slower)


def _undecided(kind: Kind, gate: _Shown) -> object:
    return _of(kind, gate.open)


def _parts(rounds: int, gates: Sequence[_Shown]) -> list[Rate]:
    parts: list[list[_Shown]] = [[] for _ in range(PARTS)]
    for gate in gates:
        parts[gate.first * PARTS // rounds].append(gate)
    return [_rate(part, lambda gate: gate.code == 1) for part in parts]


def _power(kind: Kind, slowdown: float, gates: Sequence[_Shown]) -> Power:
    by_benchmark: dict[str, list[_Shown]] = defaultdict(list)
    for gate in gates:
        [name] = _of(kind, gate.slower)
        by_benchmark[name].append(gate)

    def found(gate: _Shown) -> object:
        return _of(kind, gate.slower & gate.blamed)

    return Power(
        kind=kind.value,
        slowdown=slowdown,
        found=_rate(gates, found),
        undecided=_rate(gates, lambda gate: _of(kind, gate.slower & gate.open)),
        blamed_others=_rate(gates, partial(_alarm, kind)),
        by_benchmark={name: _rate(each, found) for name, each in sorted(by_benchmark.items())},
    )


def _noise(recording: GateRecording) -> Noise:
    apart: list[float] = []
    spells = []
    for name in recording.rounds[0].values:
        found = [each.values[name] for each in recording.rounds if name in each.values]
        apart += [math.exp(abs(math.log(values.ratio))) - 1 for values in found]
        seconds = sorted(values.seconds for values in found)
        spells.append(seconds[len(seconds) * 9 // 10] / seconds[0] - 1)
    apart.sort()
    half, most = (apart[round(len(apart) * share)] for share in (0.5, 0.9))
    return Noise(middle=half, ninth=most, spell=median(spells))
