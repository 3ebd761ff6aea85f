"""What is done to a network of real processes while clients use it, and what must come of it.

Each scenario returns a `ScenarioOutcome`: the figures, what happened when, and every breach of the
promise with the story of its key. What is waited for has a limit, and what does not come in time is
a breach as well: a network that does not come back has not kept its promise.

Rule: acts and measures; prints through `say` only, and does not exit.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from benchmarks.common import subject
from benchmarks.common.records import summarize
from perflab.chaos.consistency import FaultWindow
from perflab.chaos.traffic import ChaosTraffic
from perflab.chaos.trial import SETTLE_S, ChaosPlan, ScenarioOutcome, go_on, hold_failures, on_trial
from perflab.processes.fleet import Fleet, SlowError
from perflab.processes.relay import Conditions, Cut

__all__ = ["churn", "crowd", "partition"]

# From a heal until all know each other: the lost are looked for every 1 to 60 s, give or take 25 %.
HEAL_S = 150.0
# Both sides have met; what each has acknowledged is compared in "a second or so" (architecture.md).
COMPARED_S = 2.0
MOST_JOINING = 3  # at once: as many as there are replicas, so that all of a key's may be new
MORE = 2  # nodes than in the beginning: then nobody joins until some are lost
FEWEST = 4  # nodes that are left: one of them may be lost, and every key has N=3 again
SIDES = ("major", "minor")


def churn(
    plan: ChaosPlan, *, seconds: float, kills: int = 1, pause_s: float = 0.0, changes: int = 4
) -> ScenarioOutcome:
    """Some nodes join, or one leaves or is killed, while two processes of clients write and
    read: for so long, and at least so many changes. The next change comes when all are ready. With
    a `pause_s`, nodes are also stopped for so long, and go on.

    More than one of `kills` at a time breaks the premises, and losses are to be expected.
    """
    rng = random.Random(f"{plan.seed} churn")
    with on_trial(plan, relayed=False) as (trial, stack):
        for name in "ab":
            order = trial.order(name, trial.fleet.members, 1 / 2)
            trial.traffic.append(stack.enter_context(ChaosTraffic(order)))
        end = time.monotonic() + seconds
        ready_s: dict[str, list[float]] = {}
        for kind in _kinds(trial.fleet, kills, pause_s > 0, rng):
            if time.monotonic() >= end and sum(map(len, ready_s.values())) >= changes:
                break
            time.sleep(rng.uniform(0.5, 1.5))  # of traffic while nothing changes
            who = _change(trial.fleet, kind, kills, pause_s, rng)
            try:
                took_s = trial.fleet.wait_settled(SETTLE_S)
            except SlowError as error:
                trial.outcome.breaches.append(f"{kind} of {who}: {error}")
                break
            ready_s.setdefault(kind, []).append(took_s)
            trial.tell(f"{kind:5} {who}: all ready after {took_s:.1f} s")
        for kind, waits in ready_s.items():
            trial.outcome.figures[f"changes_{kind}"] = len(waits)
            trial.outcome.figures[f"{kind}_ready_max_s"] = round(max(waits), 3)
        return hold_failures(trial.finish(copies=kills == 1))


def _kinds(fleet: Fleet, kills: int, pauses: bool, rng: random.Random) -> Iterator[str]:
    """Changes without end, while there are neither too few nodes nor too many."""
    most = len(fleet.members) + MORE
    fewest = FEWEST if kills == 1 else fleet.network.write_quorum
    while True:
        for kind in rng.sample(["join", "leave", "kill", *["pause"] * pauses], 3 + pauses):
            lost = {"leave": 1, "kill": kills}.get(kind, 0)
            while lost and len(fleet.members) - lost < fewest:
                yield "join"
            if kind != "join" or len(fleet.members) < most:
                yield kind


def _change(fleet: Fleet, kind: str, kills: int, pause_s: float, rng: random.Random) -> str:
    """Carry out one change of the membership; says whose."""
    if kind == "join":
        # Newcomers take nothing from anybody until they have it: several may come at once.
        return ", ".join(member.name for member in fleet.join(rng.randint(1, MOST_JOINING)))
    members = rng.sample(fleet.members, kills if kind == "kill" else 1)
    for member in members:
        if kind == "pause":
            fleet.pause(member)
            time.sleep(pause_s)
            fleet.resume(member)
        else:
            (fleet.leave if kind == "leave" else fleet.kill)(member)
    return ", ".join(member.name for member in members)


def partition(plan: ChaosPlan, *, seconds: float, cut: Cut) -> ScenarioOutcome:
    """The network is cut in two, with clients that write and read on either side, and healed."""
    rng = random.Random(f"{plan.seed} partition")
    with on_trial(plan, relayed=True) as (trial, stack):
        fleet, outcome = trial.fleet, trial.outcome
        assert fleet.relay is not None
        minority = rng.sample(fleet.members, plan.nodes // 2)
        sides = [[member for member in fleet.members if member not in minority], minority]
        ends: list[list[str]] = []
        for name, members in zip(SIDES, sides, strict=True):
            order = trial.order(name, members, 1 / 2)
            trial.traffic.append(stack.enter_context(ChaosTraffic(order)))
            ends.append([*(member.end for member in members), order.source])
        here, there = ends
        go_on(trial, 2.0, "before the cut")
        cut_ns = time.monotonic_ns()
        fleet.relay.set_between(here, there, Conditions(cut=cut))
        trial.tell(f"cut ({cut}): {len(sides[0])} + {len(sides[1])} nodes")
        alone_ns = go_on(trial, seconds, "cut", lambda: fleet.settled(sides))
        if alone_ns is not None:
            outcome.figures["cut_to_both_sides_ready_s"] = round((alone_ns - cut_ns) / 1e9, 3)
        heal_ns = time.monotonic_ns()
        fleet.relay.heal()
        trial.tell("healed")
        try:
            fleet.wait_settled(HEAL_S)
            together_s = (time.monotonic_ns() - heal_ns) / 1e9
            outcome.figures["heal_to_all_ready_s"] = round(together_s, 3)
            trial.tell(f"one network, all ready, {together_s:.1f} s after the heal")
        except SlowError as error:
            outcome.breaches.append(f"after the heal: {error}")
        window = FaultWindow(
            begin_ns=cut_ns,
            end_ns=time.monotonic_ns() + round(COMPARED_S * 1e9),
            sides=tuple(each.clients for each in trial.traffic),
            apart_ns=None if alone_ns is None else (alone_ns, heal_ns),
        )
        trial.windows.append(window)
        go_on(trial, COMPARED_S + 3.0, "after the heal")
        return trial.finish()


def crowd(plan: ChaosPlan, *, nodes: int) -> ScenarioOutcome:
    """So many node processes begin at once; how long until all are ready?"""
    outcome = ScenarioOutcome()
    rng = random.Random(plan.seed)
    begin = time.monotonic()
    with Fleet(network=subject.NetworkSettings(), loop=plan.loop, relayed=False, rng=rng) as fleet:
        joined = fleet.join(nodes)
        outcome.figures["all_joined_s"] = round(time.monotonic() - begin, 3)
        plan.say(f"{time.monotonic() - begin:7.1f} s  {nodes} nodes are in the network")
        try:
            fleet.wait_settled(SETTLE_S)
        except SlowError as error:
            outcome.breaches.append(str(error))
        outcome.figures["all_ready_s"] = round(time.monotonic() - begin, 3)
        plan.say(f"{time.monotonic() - begin:7.1f} s  all are ready")
        latency = summarize([member.join_s for member in joined])
        outcome.figures["join_p50_s"] = round(latency.p50_s, 3)
        outcome.figures["join_max_s"] = round(latency.max_s, 3)
    return outcome
