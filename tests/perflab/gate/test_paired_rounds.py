"""The decision code of the gate, replayed on synthetic machines, and rounds of real commits.

Each synthetic gate is the real `decide` and `judge`; only the stopwatch is made up.
"""

import datetime
import math
from random import Random

from perflab.gate.judge import GateOutcome, GateVerdict, judge
from perflab.gate.paired_rounds import PREFIX, Names, decide
from perflab.gate.policy import load_policy
from perflab.gate.record import Kind
from perflab.gate.recorder import Recorder
from perflab.results.checkout import Commit

COMMIT = Commit("0" * 40, "Synthetic")
TODAY = datetime.date(2026, 11, 23)
POLICY = load_policy()
FUNCTIONS = [f"function {number}" for number in range(26)]


class Machine:
    """Two cores that somebody else uses too: spells of minutes at half the speed, drift that
    remembers, processes that differ, blocks that only ever get slower, and a second place in the
    round that is dearer than the first."""

    def __init__(
        self, rng: Random, slowdown: dict[str, float], noise: float, spells: float
    ) -> None:
        self.sheets = Recorder(COMMIT), Recorder(COMMIT)
        self.rounds = 0
        self._rng, self._slowdown, self._noise = rng, slowdown, noise
        self._spells = spells
        self._slow, self._drift = rng.random() < 0.5, 0.0

    def measure(self, names: Names, stage: int) -> None:
        rng, noise = self._rng, self._noise
        self.rounds += 1
        for name in names:
            self._slow = self._slow != (rng.random() < self._spells)
            self._drift = 0.95 * self._drift + rng.gauss(0, noise / 10)
            process = [rng.gauss(0, noise / 10), rng.gauss(0, noise / 10)]
            for place, side in enumerate(rng.sample((0, 1), 2)):
                level = (2.0 if self._slow else 1.0) * (self._slowdown.get(name, 1.0) ** side)
                level *= math.exp(abs(self._drift) + process[side]) * (1 + 0.003 * place)
                blocks = [level * math.exp(rng.expovariate(1 / noise)) for _ in range(3)]
                self.sheets[side].add(PREFIX + name, Kind.PAIRED, "seconds", blocks, stage)


def gate(
    seed: int, slowdown: dict[str, float], noise: float = 0.03, spells: float = 0.01
) -> tuple[GateOutcome, Machine]:
    machine = Machine(Random(seed), slowdown, noise, spells)
    decide(machine.sheets, FUNCTIONS, POLICY, machine.measure, lambda: True)
    base, head = (sheet.measured() for sheet in machine.sheets)
    return judge(base, head, POLICY, TODAY), machine


def test_identical_code_raises_no_alarm() -> None:
    gates = [gate(seed, {}, noise)[0] for seed in range(25) for noise in (0.03, 0.2)]
    assert sum(bool(outcome.regressions) for outcome in gates) <= 1
    assert sum(len(outcome.judgements) for outcome in gates) == 50 * len(FUNCTIONS)


def test_five_percent_is_found_and_blamed_on_the_right_function() -> None:
    found = 0
    for seed in range(20):
        outcome, _ = gate(seed, {"function 3": 1.05})
        names = [each.name for each in outcome.regressions]
        found += names == [PREFIX + "function 3"]
        assert outcome.code != 0
    assert found >= 19


def test_a_spell_that_is_too_noisy_is_undecided_and_says_what_it_could_have_found() -> None:
    outcome, _ = gate(1, {"function 3": 1.05}, noise=3.0)
    each = next(each for each in outcome.judgements if each.name == PREFIX + "function 3")
    assert each.verdict is GateVerdict.UNDECIDED
    assert each.smallest > 1.05
    assert outcome.code == 2


def test_clear_answers_cost_no_more_than_the_first_stage() -> None:
    _, quiet = gate(2, {}, noise=0.005, spells=0.0)
    _, noisy = gate(2, {}, noise=0.5)
    assert quiet.rounds < 30 < noisy.rounds


def test_no_time_left_is_undecided_not_a_pass() -> None:
    machine = Machine(Random(3), {}, 0.03, 0.01)
    decide(machine.sheets, FUNCTIONS, POLICY, machine.measure, lambda: machine.rounds < 5)
    base, head = (sheet.measured() for sheet in machine.sheets)
    outcome = judge(base, head, POLICY, TODAY)
    assert (machine.rounds, outcome.code) == (5, 2)
    assert outcome.counts()[GateVerdict.UNDECIDED] == len(FUNCTIONS)
