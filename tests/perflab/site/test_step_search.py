"""Steps are asv's to the last bit, whatever the series."""

import math
import random
from collections.abc import Callable

import pytest

from perflab.site.step_search import SIZE, Item, agrees, find_steps

LENGTHS = (2, 3, 5, SIZE - 1, SIZE, SIZE + 1, 40, 100, 250)


def level(at: int, count: int) -> float:
    """Two steps, the second near the end."""
    return 1.0 + 0.3 * (at > count * 0.6) + 0.2 * (at > count * 0.9)


Values = Callable[[random.Random, float], float | None]
KINDS: dict[str, Values] = {
    "noisy": lambda rng, base: base * rng.gauss(1, 0.02),
    "exact": lambda rng, base: float(round(base * 10)),
    "constant": lambda rng, base: 5.0,
    "wild": lambda rng, base: base * rng.lognormvariate(0, 0.3),
    "with ties": lambda rng, base: rng.choice([0.0, 1.0, 2.0]),
    "negative": lambda rng, base: -base * rng.random(),
    "with gaps": lambda rng, base: rng.choice([None, math.nan, base, base * 1.01]),
    "zero": lambda rng, base: rng.choice([0.0, -0.0]),
}
WEIGHTS: dict[str, Callable[[random.Random], float | None]] = {
    "unweighted": lambda rng: None,
    "weighted": lambda rng: rng.uniform(1, 3),
    "partly": lambda rng: rng.choice([None, math.nan, 0.0, 1.0, 2.0, rng.random()]),
}


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("kind", KINDS)
def test_steps_are_those_of_asv(kind: str, weights: str) -> None:
    rng = random.Random(f"{kind} {weights}")
    items: list[Item] = [
        [(3 * at, KINDS[kind](rng, level(at, count)), WEIGHTS[weights](rng)) for at in range(count)]
        for count in LENGTHS
    ]
    rng.shuffle(items)
    found = find_steps(items)
    assert len(found) == len(items)
    for item, steps in zip(items, found, strict=True):
        assert agrees(item, steps), f"{len(item)} points: {steps}"
    if (kind, weights) == ("noisy", "unweighted"):
        assert max(map(len, found)) > 1  # else nothing was asked of the search


def test_series_without_points_have_no_steps() -> None:
    assert find_steps([[], [(7, None, None)], [(7, 2.0, None)]]) == [
        [],
        [],
        [(7, 8, 2.0, 2.0, 0.0)],
    ]


def test_other_steps_do_not_agree() -> None:
    item: Item = [(at, 1.0 + (at > 20), None) for at in range(40)]
    (steps,) = find_steps([item])
    assert agrees(item, steps)
    assert not agrees(item, steps[:1])
