"""Measure commits beside a good one: by the gate, where it has the figure, else by asv.

Rule: measures and gives log ratios; what they mean is `perflab/stats/culprit_search.py`'s matter.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from random import SystemRandom
from statistics import median

from perflab.gate.command import judged
from perflab.gate.judge import GateOutcome, Judgement
from perflab.gate.policy import Policy
from perflab.gate.record import Kind
from perflab.gate.remeasure import asv_round
from perflab.results.asv_config import alone, prefer_this_python
from perflab.results.checkout import Commit

__all__ = ["answer_of", "by_asv", "by_gate", "log_ratio", "noise_of"]

Answers = dict[str, list[float] | str]
"""By figure: log ratios of the commit to the good one, or why there are none."""


def by_gate(
    root: Path, pair: tuple[Commit, Commit], figures: Sequence[str], policy: Policy, budget_s: float
) -> Answers:
    """Each of these figures of the gate: one log ratio of an exact one, one for each round or seed
    of the others."""
    outcome = judged(root, pair, set(figures).__contains__, policy, budget_s)
    found = {each.name: each for each in outcome.judgements}
    return {name: answer_of(outcome, found.get(name)) for name in figures}


def answer_of(outcome: GateOutcome, judged: Judgement | None) -> list[float] | str:
    """What a gate has found of one figure, as log ratios of its rounds."""
    if judged is None or math.isnan(judged.ratio):
        told = [judged.why or judged.verdict.value] if judged else list(outcome.problems)
        return (told or ["no value"])[0].splitlines()[0]
    if judged.kind is Kind.EXACT:
        return [log_ratio(judged.base, judged.head)]
    base, head = (side.metrics[judged.name].stages for side in (outcome.base, outcome.head))
    ratios = [
        median(log_ratio(old, new) for old, new in zip(*both, strict=True))
        for stages in zip(base, head, strict=True)
        for both in zip(*stages, strict=True)
    ]
    return ratios or "no value"


def by_asv(
    root: Path, machine: str, pair: tuple[Commit, Commit], series: Mapping[str, bool], rounds: int
) -> Answers:
    """So many rounds of these series (and whether higher is better there), both commits in each in
    an order that a coin decides.

    Raises:
        MeasureError: another run is measuring in this checkout.
    """
    prefer_this_python()
    coin = SystemRandom()
    found: dict[str, list[float]] = {name: [] for name in series}
    with alone(root):
        for _ in range(rounds):
            values = asv_round(root, machine, series, coin.sample(pair, 2))
            for name, ratios in found.items():
                old, new = (values[name].get(each.hash) for each in pair)
                if old is not None and new is not None:
                    ratios.append(log_ratio(old, new))
            if not any(found.values()):
                break  # it will not work the next time either
    return {name: ratios or "no value of both commits" for name, ratios in found.items()}


def log_ratio(before: float, after: float) -> float:
    """0 where both are the same; infinite from 0, minus infinite to 0."""
    if before == after:
        return 0.0
    if before <= 0:
        return math.inf
    return math.log(after / before) if after > 0 else -math.inf


def noise_of(values: Iterable[float]) -> float | None:
    """The standard deviation of one log ratio of a series' values, from those of neighbours; None
    of too few."""
    listed = [value for value in values if value > 0 and math.isfinite(value)]
    steps = [abs(log_ratio(old, new)) for old, new in pairwise(listed)]
    return 1.4826 * median(steps) if len(steps) >= 3 else None
