"""Nodes that are killed and come back with what they had: one after the other, or all at once.

Rule: as of `scenarios`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from perflab.chaos.power import cut
from perflab.chaos.traffic import ChaosTraffic
from perflab.chaos.trial import (
    SETTLE_S,
    ChaosPlan,
    ChaosTrial,
    ScenarioOutcome,
    go_on,
    hold_failures,
    on_trial,
)
from perflab.processes.fleet import SlowError

__all__ = ["blackout", "storm"]

AWAY_S = 2.0  # at most, where a node comes back before the others have got over it
CALM_S = (0.5, 1.5)  # of traffic between two changes
AFTER_S = 3.0  # of traffic when all is ready again, before all is read


def storm(plan: ChaosPlan, *, seconds: float, changes: int = 4) -> ScenarioOutcome:
    """One node after the other is killed and started again on its directory, while two processes of
    clients write and read: for so long, and at least so many times.

    Half of them come back at once, the others when all that are left are ready without them. The
    next one is killed when all are ready: one change per repair window, which the promise covers.
    """
    rng = random.Random(f"{plan.seed} storm")
    with on_trial(plan, relayed=False) as (trial, stack):
        for name in "ab":
            order = trial.order(name, trial.fleet.members, 1 / 2)
            trial.traffic.append(stack.enter_context(ChaosTraffic(order)))
        end = time.monotonic() + seconds
        restart_s: list[float] = []
        while time.monotonic() < end or len(restart_s) < changes:
            time.sleep(rng.uniform(*CALM_S))
            try:
                restart_s.append(_kill_and_restart(trial, rng, brief=len(restart_s) % 2 == 0))
            except SlowError as error:
                trial.outcome.breaches.append(f"after {len(restart_s) + 1} kills: {error}")
                break
        _note(trial.outcome, "kills", restart_s)
        return hold_failures(trial.finish())


def _kill_and_restart(trial: ChaosTrial, rng: random.Random, *, brief: bool) -> float:
    """Seconds from its start until all are ready; SlowError if that takes too long."""
    fleet = trial.fleet
    member = rng.choice(fleet.members)
    fleet.kill(member)
    if brief:
        time.sleep(rng.uniform(0, AWAY_S))
    else:
        fleet.wait_settled(SETTLE_S)
    begin = time.monotonic()
    fleet.restart([member])
    fleet.wait_settled(SETTLE_S)
    took_s = time.monotonic() - begin
    away = "at once" if brief else "when all were ready without it"
    trial.tell(f"{member.name} was killed, came back {away}: all ready {took_s:.1f} s later")
    return took_s


def blackout(plan: ChaosPlan, *, cuts: int, power: bool) -> ScenarioOutcome:
    """All nodes are killed at once, under traffic, and started again in an order of chance, so many
    times. With `power`, whatever they had not synced is taken from their files meanwhile; their
    environment must have the layer for it.
    """
    rng = random.Random(f"{plan.seed} blackout")
    with on_trial(plan, relayed=False) as (trial, stack):
        order = trial.order("a", trial.fleet.members, 1.0)
        trial.traffic.append(stack.enter_context(ChaosTraffic(order)))
        restart_s: list[float] = []
        lost: list[int] = []
        take_away = _power_cut(trial, rng, lost) if power else None
        for number in range(cuts):
            go_on(trial, rng.uniform(*CALM_S), "before")
            try:
                restart_s.append(_kill_all(trial, rng, take_away))
            except SlowError as error:
                trial.outcome.breaches.append(f"after blackout {number + 1}: {error}")
                break
        _note(trial.outcome, "blackouts", restart_s)
        if power:
            trial.outcome.figures["power_cuts"] = len(lost)
            trial.outcome.figures["writes_taken_back"] = sum(lost)
        else:
            trial.outcome.figures["kills"] = len(restart_s) * plan.nodes
        go_on(trial, AFTER_S, "afterwards")
        lasts = plan.keeping == "synced" or (plan.keeping == "buffered" and not power)
        return trial.finish(copies=lasts)  # of what is lost, there will never be so many


def _power_cut(trial: ChaosTrial, rng: random.Random, lost: list[int]) -> Callable[[], None]:
    folder = trial.fleet.folder
    assert folder is not None, "a cut of the power is about disks"
    return lambda: lost.append(cut(folder, rng))


def _kill_all(trial: ChaosTrial, rng: random.Random, take_away: Callable[[], None] | None) -> float:
    """Seconds from the first start until all are ready; SlowError if that takes too long."""
    fleet = trial.fleet
    members = rng.sample(fleet.members, len(fleet.members))
    for member in members:
        fleet.kill(member)
    if take_away is not None:
        take_away()
    begin = time.monotonic()
    fleet.restart(rng.sample(members, len(members)))
    fleet.wait_settled(SETTLE_S)
    took_s = time.monotonic() - begin
    trial.tell(f"all {len(members)} were killed and came back: all ready after {took_s:.1f} s")
    return took_s


def _note(outcome: ScenarioOutcome, what: str, restart_s: list[float]) -> None:
    outcome.figures[what] = len(restart_s)
    if restart_s:
        outcome.figures["restart_ready_max_s"] = round(max(restart_s), 3)
