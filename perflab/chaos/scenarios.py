"""What is done to a network of real processes while clients use it, and what must come of it.

Each scenario returns a `ScenarioOutcome`: the figures, what happened when, and every breach of the
promise
with the story of its key. What is waited for has a limit, and what does not come in time is a
breach as well: a network that does not come back has not kept its promise.

Rule: acts and measures; prints through `say` only, and does not exit.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.common import subject
from benchmarks.common.loops import running_loop
from benchmarks.common.records import LoopKind, summarize
from perflab.chaos.consistency import (
    ConsistencyReport,
    FaultWindow,
    ObservedOperation,
    check,
    read_history,
    story,
)
from perflab.chaos.traffic import ChaosTraffic, TrafficOrder, read_last
from perflab.processes.fleet import POLL_S, Fleet, FleetMember, SlowError
from perflab.processes.relay import Conditions, Cut

__all__ = ["ChaosPlan", "ScenarioOutcome", "churn", "crowd", "partition"]

SETTLE_S = 90.0  # from a change until all are ready; usually 1 to 3 s
# From a heal until all know each other: the lost are looked for every 1 to 60 s, give or take 25 %.
HEAL_S = 150.0
# A node looks through what it holds every 30 s, give or take 25 %, and may have to do so twice.
COPIES_S = 120.0
# Both sides have met; what each has acknowledged is compared in "a second or so" (architecture.md).
COMPARED_S = 2.0
MOST_FAILED = 0.05  # of all operations, while one node at a time is lost
MOST_JOINING = 3  # at once: as many as there are replicas, so that all of a key's may be new
MORE = 2  # nodes than in the beginning: then nobody joins until some are lost
FEWEST = 4  # nodes that are left: one of them may be lost, and every key has N=3 again
SIDES = ("major", "minor")
TELL_S = 10.0  # between lines while nothing happens
STORIES = 3  # breaches that are told at length

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class ChaosPlan:
    """What the scenarios have in common. `directory` takes the history files; `rate` is that of all
    operations of all clients together, per second."""

    directory: Path
    seed: int
    loop: LoopKind
    say: Say
    nodes: int = 5
    keys: int = 5000
    rate: float = 200.0
    value_bytes: int = 256
    # With the keys and values above, handing a share over takes seconds, under traffic: if nodes
    # counted before they have theirs, clients would notice.
    repair_bytes_per_s: int = 1 << 19


@dataclass(kw_only=True)
class ScenarioOutcome:
    """What a scenario has come to. `figures` by name, with the unit last; `events` in seconds from
    the beginning; `breaches` in words."""

    figures: dict[str, float] = field(default_factory=dict)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    events: list[tuple[float, str]] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        """Whether the promise was."""
        return not self.breaches


class _Trial:
    """A network under traffic, and the notes of what was done to it."""

    def __init__(self, plan: ChaosPlan, fleet: Fleet) -> None:
        self.plan = plan
        self.fleet = fleet
        self.outcome = ScenarioOutcome()
        self.windows: list[FaultWindow] = []
        self.traffic: list[ChaosTraffic] = []
        self._begin = time.monotonic()

    def tell(self, text: str) -> None:
        """One line of progress, kept with its time."""
        at_s = time.monotonic() - self._begin
        self.outcome.events.append((round(at_s, 3), text))
        counts = self.operations()
        ok = counts.pop("ok", 0)
        done = f"  [{ok} ok, {counts.total()} failed]" if self.traffic else ""
        self.plan.say(f"{at_s:7.1f} s  {text}{done}")

    def operations(self) -> Counter[str]:
        """What the clients have done so far."""
        return sum((Counter(each.counts()) for each in self.traffic), Counter[str]())

    def order(self, name: str, among: Sequence[FleetMember], share: float) -> TrafficOrder:
        """Clients that enter through some members; behind a relay, from an address of their own."""
        plan = self.plan
        return TrafficOrder(
            network=self.fleet.network,
            bootstrap=self.fleet.addresses(among)[:3],
            loop=plan.loop,
            source=self.fleet.new_end(),
            seed=plan.seed,
            name=name,
            file=str(plan.directory / f"history-{name}.jsonl"),
            keys=plan.keys,
            value_bytes=plan.value_bytes,
            rate=plan.rate * share,
            fill=not self.traffic,
        )

    def finish(self, *, copies: bool = True) -> ScenarioOutcome:
        """End the traffic, wait until all is in order, read everything, and judge. `copies`: wait
        until there are N of each record, which will never be if some are lost."""
        for each in self.traffic:
            each.finish()
        history = read_history(each.file for each in self.traffic)
        try:
            self.fleet.wait_settled(SETTLE_S)
            if copies:
                self._wait_copies(history)
        except SlowError as error:
            self.outcome.breaches.append(str(error))
        last = self._read_last(sorted({operation.key for operation in history}))
        self._judge([*history, *last])
        return self.outcome

    def _wait_copies(self, history: Sequence[ObservedOperation]) -> None:
        writes = [operation for operation in history if operation.kind != "retrieve"]
        sure = {write.key for write in writes if write.error is None}
        possible = {write.key for write in writes}
        copies = self.fleet.network.replication
        waited_s = self.fleet.wait_copies(copies * len(sure), copies * len(possible), COPIES_S)
        self.outcome.figures["copies_in_order_s"] = round(waited_s, 3)
        self.tell(f"{copies} copies of {len(sure)} records, and no more, after {waited_s:.1f} s")

    def _read_last(self, keys: list[str]) -> list[ObservedOperation]:
        """What a client that was not there before reads of every key."""
        network, entries = self.fleet.network, self.fleet.addresses()[:3]

        async def read() -> list[ObservedOperation]:
            async with subject.make_client(network, entries) as client:
                found = await read_last(client, keys, self.plan.value_bytes)
                self.outcome.figures["repairs_by_last_reads"] = subject.counters(client).get(
                    "repairs", 0
                )
                return found

        with running_loop(self.plan.loop, self.fleet.new_end() or None) as runner:
            return runner.run(read())

    def _judge(self, history: list[ObservedOperation]) -> None:
        report = check(history, self.windows)
        figures = self.outcome.figures
        figures |= {
            "operations": report.operations,
            "keys": report.keys,
            "writes_acknowledged": report.acknowledged["store"] + report.acknowledged["delete"],
            "reads_answered": report.acknowledged["retrieve"],
            "operations_failed": report.failed.total(),
            "reads_of_older_than_own_write": report.own,
        }
        self.outcome.counts = {
            "failed": dict(report.failed),
            "errors": dict(report.errors),
            "findings": _tally(report, excused=False),
            "findings_while_the_premises_did_not_hold": _tally(report, excused=True),
        }
        for kind in ("store", "retrieve"):
            took = [
                (o.end_ns - o.begin_ns) / 1e9 for o in history if o.kind == kind and not o.error
            ]
            if took:
                latency = summarize(took)
                figures[f"{kind}_p50_ms"] = round(latency.p50_s * 1e3, 3)
                figures[f"{kind}_p99_ms"] = round(latency.p99_s * 1e3, 3)
                figures[f"{kind}_max_ms"] = round(latency.max_s * 1e3, 3)
        for number, finding in enumerate(report.breaches):
            told = story(history, finding) if number < STORIES else []
            self.outcome.breaches.append("\n    ".join([finding.text, *told]))


def _tally(report: ConsistencyReport, *, excused: bool) -> dict[str, int]:
    return dict(Counter(f.breach for f in report.findings if f.excused is excused))


@contextmanager
def _trial(plan: ChaosPlan, *, relayed: bool) -> Iterator[tuple[_Trial, ExitStack]]:
    """A network that has settled, and a stack for the traffic."""
    rng = random.Random(f"{plan.seed} places")
    network = subject.NetworkSettings()
    with (
        Fleet(
            network=network,
            loop=plan.loop,
            relayed=relayed,
            rng=rng,
            repair_bytes_per_s=plan.repair_bytes_per_s,
        ) as fleet,
        ExitStack() as stack,
    ):
        trial = _Trial(plan, fleet)
        fleet.join(plan.nodes)
        trial.tell(f"{plan.nodes} nodes, settled after {fleet.wait_settled(SETTLE_S):.1f} s")
        yield trial, stack


def churn(
    plan: ChaosPlan, *, seconds: float, kills: int = 1, pause_s: float = 0.0, changes: int = 4
) -> ScenarioOutcome:
    """Some nodes join, or one leaves or is killed, while two processes of clients write and
    read: for so long, and at least so many changes. The next change comes when all are ready. With
    a `pause_s`, nodes are also stopped for so long, and go on.

    More than one of `kills` at a time breaks the premises, and losses are to be expected.
    """
    rng = random.Random(f"{plan.seed} churn")
    with _trial(plan, relayed=False) as (trial, stack):
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
        outcome = trial.finish(copies=kills == 1)
        done, failed = outcome.figures["operations"], outcome.figures["operations_failed"]
        if failed > MOST_FAILED * done:
            outcome.breaches.append(f"{failed} of {done} operations failed; {MOST_FAILED:.0%} may")
        return outcome


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
    with _trial(plan, relayed=True) as (trial, stack):
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
        _go_on(trial, 2.0, "before the cut")
        cut_ns = time.monotonic_ns()
        fleet.relay.set_between(here, there, Conditions(cut=cut))
        trial.tell(f"cut ({cut}): {len(sides[0])} + {len(sides[1])} nodes")
        alone_ns = _go_on(trial, seconds, "cut", lambda: fleet.settled(sides))
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
        _go_on(trial, COMPARED_S + 3.0, "after the heal")
        return trial.finish()


def _go_on(
    trial: _Trial, seconds: float, when: str, noticed: Callable[[], bool] | None = None
) -> int | None:
    """Let the traffic go on, with a line now and then; returns when something was `noticed` first,
    on the monotonic clock."""
    begin = time.monotonic()
    noticed_ns: int | None = None
    told = 0
    while (passed := time.monotonic() - begin) < seconds:
        if noticed is not None and noticed_ns is None and noticed():
            noticed_ns = time.monotonic_ns()
            trial.tell(f"each side is ready by itself, {passed:.1f} s after the cut")
        if passed >= TELL_S * (told + 1):
            told += 1
            trial.tell(when)
        time.sleep(min(POLL_S, seconds))
    return noticed_ns


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
