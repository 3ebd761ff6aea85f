"""Whole canaries on two small networks of real nodes: equal, careless, and dying ones."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from benchmarks.common import subject
from perflab.canary.judge import FIGURES, CanaryJudge
from perflab.canary.plan import CanaryPlan
from perflab.canary.record import SIDES, PairOfSlots, Ruling
from perflab.canary.run import CanaryError, CanaryRun
from perflab.canary.sides import RunningSide, ServedSide, SideGoneError
from tests.perflab.canary import worse_child

PLAN = CanaryPlan(rate=500, slot_s=0.05, seconds=1.2, warm_up_s=0.2, records=60, value_bytes=64)
NETWORK = subject.NetworkSettings()


class _WorseSide(ServedSide):
    child_module = "worse_child"


class _Notes:
    """Keeps the pairs, and does something after one of them."""

    def __init__(self, then: Callable[[int], None] = lambda number: None) -> None:
        self.pairs: list[PairOfSlots] = []
        self._then = then

    def say(self, text: str) -> None:
        pass

    def pair(self, pair: PairOfSlots, judge: CanaryJudge) -> None:
        self.pairs.append(pair)
        self._then(pair.number)


def served(
    kind: type[ServedSide] = ServedSide, environment: dict[str, str] | None = None
) -> ServedSide:
    return kind(
        "x",
        subject.core_dir(),
        PLAN,
        run="t",
        nodes=3,
        loop=subject.default_loop(),
        switches={"nodes": {"witnesses": 1}, "clients": {"hedge_budget": 0.01}},
        environment=environment,
    )


def canary(baseline: ServedSide, candidate: ServedSide | RunningSide, notes: _Notes) -> Ruling:
    return CanaryRun(
        plan=PLAN,
        baseline=baseline,
        candidate=candidate,
        judge=CanaryJudge(FIGURES),
        watcher=notes,
        stop=threading.Event(),
        coin=Random(1),
    ).run()


@pytest.fixture
def worse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children find the module of worse nodes."""
    here = Path(worse_child.__file__).parent
    monkeypatch.setenv("PYTHONPATH", str(here))
    monkeypatch.syspath_prepend(here)


def test_both_sides_do_the_same_and_a_coin_decides_who_is_first() -> None:
    notes = _Notes()
    with served() as baseline, served() as candidate:
        ruling = canary(baseline, candidate, notes)
    assert ruling.decided_by not in ("records", "gone")
    assert len(notes.pairs) == ruling.pairs
    coin = Random(1)
    assert [pair.first for pair in notes.pairs] == [coin.choice(SIDES) for _ in notes.pairs]
    for pair in notes.pairs:
        for slot in (pair.baseline, pair.candidate):
            assert slot.operations == 25
            assert (slot.errors, slot.broken) == ({}, [])
            assert slot.cpu_s is not None
            assert 0 < slot.cpu_s < 1
            assert slot.client_cpu_s > 0
        earlier, later = sorted((pair.baseline, pair.candidate), key=lambda slot: slot.begin_s)
        assert later.begin_s - earlier.begin_s >= earlier.seconds
        assert (earlier is pair.baseline) == (pair.first == "baseline")
    assert notes.pairs[0].warm_up
    assert not any(each.warm_up for each in notes.pairs if each.baseline.begin_s > 1)


@pytest.mark.usefixtures("worse")
def test_one_lost_write_is_seen_within_two_slots_and_decides_alone() -> None:
    notes = _Notes()
    careless = served(_WorseSide, {worse_child.LOSE: str(PLAN.records + 5)})
    with served() as baseline, careless as candidate:
        ruling = canary(baseline, candidate, notes)
    assert (ruling.verdict, ruling.decided_by) == ("roll back", "records")
    assert "is stale" in ruling.why
    assert ruling.pairs <= 2
    assert not any(pair.baseline.broken for pair in notes.pairs)


def test_a_candidate_that_dies_is_rolled_back_and_what_was_started_ends() -> None:
    with served() as baseline, served() as candidate:

        def kill(number: int) -> None:
            if number == 2:
                os.kill(candidate.pids[0], signal.SIGKILL)

        notes = _Notes(kill)
        ruling = canary(baseline, candidate, notes)
    assert ruling.verdict == "roll back"
    assert ruling.decided_by in ("gone", "errors")
    assert candidate.client.child.exit_code == 0


def test_a_baseline_that_dies_says_nothing_of_the_candidate() -> None:
    with served() as baseline, served() as candidate:
        os.kill(baseline.pids[0], signal.SIGKILL)
        with pytest.raises(CanaryError, match="baseline cannot be measured"):
            canary(baseline, candidate, _Notes())


def test_a_process_id_of_nobody_is_refused() -> None:
    side = RunningSide(["127.0.0.1:1"], NETWORK, PLAN, run="t", loop="asyncio", pids=[2**22 + 1])
    with pytest.raises(SideGoneError, match="is gone"):
        side.__enter__()


def test_two_addresses_of_one_network_are_refused() -> None:
    with served() as one:
        order = one.client_order
        other = RunningSide(
            order.bootstrap[1:], order.network, PLAN, run="t", loop=order.loop, pids=[]
        )
        with other, pytest.raises(CanaryError, match="members of one network"):
            canary(one, other, _Notes())
