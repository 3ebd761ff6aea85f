"""A network of real processes under traffic, watched: what all scenarios are made of.

Rule: starts, notes and judges what was seen; what is done to the network, scenarios say.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.common import subject
from benchmarks.common.disk import Keeping
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

__all__ = [
    "SETTLE_S",
    "ChaosPlan",
    "ChaosTrial",
    "ScenarioOutcome",
    "go_on",
    "hold_failures",
    "on_trial",
]

# From a change until all are ready: 1 to 3 s, and where a node was killed some 22 s, for it is
# waited for before its records are copied (`copy_after_s` of `CoordinatorConfig`, 20 s).
SETTLE_S = 90.0
# A node looks through what it holds every 30 s, give or take 25 %, and may have to do so twice.
COPIES_S = 120.0
MOST_FAILED = 0.05  # of all operations, while one node at a time is lost
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
    # Of the nodes: what is not in memory is in a directory for each, in this folder or a new one.
    keeping: Keeping = "memory"
    folder: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)  # of the nodes, added to ours


@dataclass(kw_only=True)
class ScenarioOutcome:
    """What a scenario has come to. `figures` by name, with the unit last; `events` in seconds from
    the beginning; `breaches` of the promise, and goals that were `missed`, in words."""

    figures: dict[str, float] = field(default_factory=dict)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    events: list[tuple[float, str]] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        """Whether the promise was."""
        return not self.breaches


class ChaosTrial:
    """A network under traffic, and the notes of what was done to it."""

    def __init__(self, plan: ChaosPlan, fleet: Fleet) -> None:
        self.plan = plan
        self.fleet = fleet
        self.outcome = ScenarioOutcome()
        self.windows: list[FaultWindow] = []
        self.traffic: list[ChaosTraffic] = []
        self._reads: list[ObservedOperation] = []
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
        seen = [*read_history(each.file for each in self.traffic), *self._reads]
        history = sorted(seen, key=lambda operation: operation.begin_ns)
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

    def read_all(self) -> None:
        """Have a client that was not there before read every key; it is judged with the rest."""
        keys = [f"key {number}" for number in range(self.plan.keys)]
        self._reads += [replace(each, last=False) for each in self._read_last(keys)]

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
def on_trial(
    plan: ChaosPlan, *, relayed: bool, network: subject.NetworkSettings | None = None
) -> Iterator[tuple[ChaosTrial, ExitStack]]:
    """A network that has settled, and a stack for the traffic."""
    rng = random.Random(f"{plan.seed} places")
    with (
        Fleet(
            network=network or subject.NetworkSettings(),
            loop=plan.loop,
            relayed=relayed,
            rng=rng,
            repair_bytes_per_s=plan.repair_bytes_per_s,
            keeping=plan.keeping,
            folder=plan.folder,
            environment=plan.environment,
        ) as fleet,
        ExitStack() as stack,
    ):
        trial = ChaosTrial(plan, fleet)
        fleet.join(plan.nodes)
        trial.tell(f"{plan.nodes} nodes, settled after {fleet.wait_settled(SETTLE_S):.1f} s")
        yield trial, stack


def go_on(
    trial: ChaosTrial, seconds: float, when: str, noticed: Callable[[], bool] | None = None
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


def hold_failures(outcome: ScenarioOutcome) -> ScenarioOutcome:
    """The same, with a breach if more operations failed than may while one node at a time is
    lost."""
    done, failed = outcome.figures["operations"], outcome.figures["operations_failed"]
    if failed > MOST_FAILED * done:
        outcome.breaches.append(f"{failed} of {done} operations failed; {MOST_FAILED:.0%} may")
    return outcome
