"""Lives are spent until the verdict is clear; rare waits are found, and equal sides are silent."""

import datetime
from collections.abc import Callable
from random import Random

import pytest

from perflab.gate.judge import GateOutcome, judge
from perflab.gate.policy import load_policy
from perflab.gate.recorder import Recorder
from perflab.gate.waits import take
from perflab.gate.waits.figures import MEDIANS, SLOW, WAIT_METRICS
from perflab.gate.waits.life import BlockPair, WaitError
from perflab.results.checkout import Commit
from tests.perflab.gate.waits.blocks import life

POLICY = load_policy()
LONGEST = 1 + take.LIVES


def stage(
    monkeypatch: pytest.MonkeyPatch, lived: Callable[[], list[BlockPair]]
) -> tuple[GateOutcome, int]:
    """What is said when each life is so, and how many there were."""
    lives = []

    def live(*_: object) -> list[BlockPair]:
        lives.append(lived())
        return lives[-1]

    monkeypatch.setattr(take, "live", live)
    sheets = Recorder(Commit("b" * 40, "")), Recorder(Commit("h" * 40, ""))
    take.take_waits(sheets, ("b", "h"), POLICY, Random(1), lambda: True, lambda _: None)
    base, head = (sheet.measured() for sheet in sheets)
    return judge(base, head, POLICY, datetime.date.min), len(lives)


def test_equal_sides_are_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(10):
        rng = Random(seed)
        outcome, _ = stage(monkeypatch, lambda rng=rng: life(rng))
        assert not outcome.regressions
        assert {each.name for each in outcome.judgements} == set(WAIT_METRICS)


@pytest.mark.parametrize(
    ("late_us", "one_of", "blamed"),
    [(5000, 200, set(SLOW.values())), (200, 1, set(MEDIANS.values()))],
    ids=["one of 200 waits 5 ms more", "each waits 0.2 ms more"],
)
def test_what_waits_longer_is_found(
    late_us: int, one_of: int, blamed: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = Random(5)
    outcome, lives = stage(
        monkeypatch, lambda: life(rng, pairs=178, late_us=late_us, one_of=one_of)
    )
    found = {each.name for each in outcome.regressions}
    assert blamed & found
    assert one_of == 1 or not found - blamed
    assert lives <= LONGEST


def test_a_side_that_dies_is_blamed_in_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def lived() -> list[BlockPair]:
        raise WaitError(1, "child 7 ended")

    outcome, _ = stage(monkeypatch, lived)
    assert outcome.code == 2
    assert {each.why for each in outcome.judgements} >= {"in head: child 7 ended"}


def test_no_life_begins_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(take, "WAITS_S", 0.0)
    rng = Random(5)
    _, lives = stage(monkeypatch, lambda: life(rng, late_us=5000, one_of=200))
    assert lives == 1
