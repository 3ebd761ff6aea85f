"""What clients get beside one that wants more than its share, or some that keep to no rule.

Three nodes have a fortieth of a processor each, so that generators are not what is waited for:
values are dear for nodes, and what is refused costs a client next to nothing. Ten clients begin
operations when they are due, whatever became of those before, and give each half a second.

- *greedy*: each asks for a tenth of 70 % of the capacity; then one of them for a hundred times
  that. It keeps to all rules.
- *rude*: each asks for a tenth of the capacity, its fair share; then two of them for so much that
  all together ask for five times the capacity. These have no windows and no budget for retries,
  and begin anew at once what has failed, until its time is over.

The same in virtual time is `benchmarks/common/simulated/neighbours.py`.

Rule: acts and measures; prints through `say` only, and does not exit.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Literal

from benchmarks.common import subject
from benchmarks.common.children import Child, WithChild, serve_parent
from benchmarks.common.load.open_loop import Arrivals, open_loop
from benchmarks.common.load.values import StampedValues, key_of
from benchmarks.common.records import LoopKind, nearest_rank
from benchmarks.common.workload import closed_loop
from perflab.chaos.trial import ChaosPlan, ScenarioOutcome
from perflab.processes.fleet import Fleet
from perflab.processes.shares import hold

__all__ = ["KEPT", "Kind", "run_child", "share_with"]

Kind = Literal["greedy", "rude"]

NODES = 3
SHARE = 0.025  # of a processor, for each node
CLIENTS = 10
RUDE = 2  # of them
GREEDY = 100  # times its part
TIMES = 5  # the capacity, of all together where some are rude
BASE = 0.7  # of the capacity, of all where one is greedy
BEYOND_PER_S = 1000.0  # what is asked for to see how much is done: three times as much
LEAST_PER_S = 20.0  # of which each client asks for a tenth
RECORDS = 200
VALUE_BYTES = 65536
STORES = 0.05
TIMEOUT_S = 0.5
FILL_TIMEOUT_S = 10.0
JOINED_S = 60.0
FILL_IN_FLIGHT = 16
SETTLE_S = 2.0  # before anything is counted
MAX_IN_FLIGHT = 8192
SERVED_S = 600.0
MOST_LAG_MS = 20.0  # P99 of the others' generator, which their latencies include
KEPT: dict[Kind, float] = {"greedy": 0.95, "rude": 0.8}
"""The part of what they are served alone that the others are to keep."""


@dataclass(frozen=True, kw_only=True)
class ClientsOrder:
    """Some clients in one process. Rude ones have no windows and no budget for retries."""

    network: subject.NetworkSettings
    bootstrap: list[str]
    loop: LoopKind
    seed: str
    clients: int
    rude: bool


class _Clients(WithChild):
    """The parent's side: clients in a process, from entering to leaving."""

    def __init__(self, order: ClientsOrder) -> None:
        self._child = Child(
            "perflab.chaos.neighbours", [json.dumps(asdict(order))], subject.core_dir()
        )

    def fill(self) -> None:
        """Store every record."""
        self._child.ask({"do": "fill"})

    def begin(self, per_s: float, seconds: float) -> None:
        """Begin so many operations per second, all of them together, for so long."""
        self._child.ask({"do": "begin", "per_s": per_s, "seconds": seconds})

    def served(self) -> _Served:
        """What came of it, when the last has ended."""
        return _Served(**self._child.ask({"ask": "served"}, within_s=SERVED_S))


@dataclass(frozen=True, kw_only=True)
class _Served:
    """What clients have asked for after SETTLE_S, what of it was answered in its time and rightly,
    and the P99 of that; and how late operations were begun (P99)."""

    seconds: float
    asked: int
    good: int
    good_ms_p99: float
    lag_ms_p99: float

    @property
    def part(self) -> float:
        return self.good / self.asked

    @property
    def good_per_s(self) -> float:
        return self.good / self.seconds


def share_with(plan: ChaosPlan, kinds: Sequence[Kind], *, seconds: float) -> ScenarioOutcome:
    """Play these one after the other on the same nodes; what is counted takes so many seconds."""
    rng = random.Random(f"{plan.seed} neighbours")
    network = subject.NetworkSettings.of(NODES)
    with (
        Fleet(network=network, loop=plan.loop, relayed=False, rng=rng) as fleet,
        ExitStack() as stack,
    ):
        fleet.join(NODES)
        fleet.wait_settled(JOINED_S)
        neighbours = _Neighbours(plan, fleet, seconds)
        neighbours.measure_capacity(stack)
        for kind in kinds:
            neighbours.play(kind)
        return neighbours.outcome


class _Neighbours:
    """Clients of a swarm, and what came of them."""

    def __init__(self, plan: ChaosPlan, fleet: Fleet, seconds: float) -> None:
        self.outcome = ScenarioOutcome()
        self._plan, self._fleet, self._seconds = plan, fleet, seconds
        self._begin = time.monotonic()
        self._capacity_per_s = 0.0

    def measure_capacity(self, stack: ExitStack) -> None:
        """Store the records, hold the nodes until `stack` is left, and ask for too much."""
        with self._clients("all", CLIENTS) as everybody:
            everybody.fill()
            for member in self._fleet.members:
                held = hold(member.child.pid, SHARE)
                stack.callback(held.end)
            self._tell(f"{NODES} nodes have {SHARE:g} of a processor each: {held.how}")
            everybody.begin(BEYOND_PER_S, SETTLE_S + self._seconds)
            served = everybody.served()
            self._capacity_per_s = served.good_per_s
        self.outcome.figures["capacity_per_s"] = round(self._capacity_per_s, 1)
        self._tell(
            f"asked for {BEYOND_PER_S:g}/s by all, they serve {served.good_per_s:.0f}/s in time, "
            f"P99 {served.good_ms_p99:.0f} ms"
        )
        if self._capacity_per_s < LEAST_PER_S:
            raise OSError(
                f"the nodes serve {self._capacity_per_s:.1f}/s, too few of the {LEAST_PER_S:g}/s "
                "that tell anything"
            )

    def play(self, kind: Kind) -> None:
        """Clients that ask for their part, among them the bad ones; then these ask for more."""
        rude = kind == "rude"
        bad, good = (RUDE, CLIENTS - RUDE) if rude else (1, CLIENTS - 1)
        each_per_s = (1 if rude else BASE) * self._capacity_per_s / CLIENTS
        more_per_s = TIMES * self._capacity_per_s - good * each_per_s
        if not rude:
            more_per_s = GREEDY * each_per_s
        with (
            self._clients(f"others than {kind}", good) as others,
            self._clients(kind, bad, rude=rude) as those,
        ):
            alone = self._beside(kind, others, good * each_per_s, those, bad * each_per_s)
            beside = self._beside(kind, others, good * each_per_s, those, more_per_s)
        if not alone.good:
            raise OSError(f"nothing of what {good} clients asked for was served in time")
        kept = beside.part / alone.part
        self.outcome.figures |= {
            f"{kind}_others_kept": round(kept, 4),
            f"{kind}_others_alone_p99_ms": round(alone.good_ms_p99, 1),
            f"{kind}_others_beside_p99_ms": round(beside.good_ms_p99, 1),
        }
        if kept < KEPT[kind]:
            self.outcome.missed.append(
                f"beside {kind} clients the others keep {kept:.1%}, the goal is {KEPT[kind]:.0%}"
            )

    def _beside(
        self, kind: Kind, others: _Clients, others_per_s: float, those: _Clients, per_s: float
    ) -> _Served:
        """What the others are served while those ask for so much."""
        those.begin(per_s, 2 * SETTLE_S + self._seconds)
        others.begin(others_per_s, SETTLE_S + self._seconds)
        served, theirs = others.served(), those.served()
        self._tell(
            f"{others_per_s:.0f}/s beside {kind} {per_s:.0f}/s: {served.part:.1%} are served in "
            f"time, P99 {served.good_ms_p99:.0f} ms; of the {kind} {theirs.good_per_s:.0f}/s"
        )
        if served.lag_ms_p99 > MOST_LAG_MS:
            raise OSError(f"the others' clients were late themselves, {served.lag_ms_p99:.0f} ms")
        return served

    def _clients(self, name: str, count: int, *, rude: bool = False) -> _Clients:
        order = ClientsOrder(
            network=self._fleet.network,
            bootstrap=self._fleet.addresses(),
            loop=self._plan.loop,
            seed=f"{self._plan.seed} {name}",
            clients=count,
            rude=rude,
        )
        return _Clients(order)

    def _tell(self, text: str) -> None:
        at_s = round(time.monotonic() - self._begin, 3)
        self.outcome.events.append((at_s, text))
        self._plan.say(f"{at_s:7.1f} s  {text}")


class _Office:
    """The child's service."""

    def __init__(self, order: ClientsOrder) -> None:
        self._order = order
        self._rng = random.Random(order.seed)
        self._values = StampedValues([VALUE_BYTES])
        self._stack = AsyncExitStack()
        self._clients: list[subject.SubjectClient] = []
        self._going: asyncio.Task[Arrivals] | None = None
        self._begun = 0

    async def start(self) -> dict[str, Any]:
        order = self._order
        no_rules: dict[str, Any] = {"overload_control": False, "hedge_budget": 0}
        for _ in range(order.clients):
            client = subject.make_client(
                order.network,
                order.bootstrap,
                timeout_s=TIMEOUT_S,
                connect_timeout_s=FILL_TIMEOUT_S,
                max_in_flight=MAX_IN_FLIGHT,
                **no_rules if order.rude else {},
            )
            self._clients.append(await self._stack.enter_async_context(client))
        return {}

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        if question == {"do": "fill"}:
            await self._fill()
            return {}
        if question.get("do") == "begin":
            due_ns = list(self._due_ns(question["per_s"], question["seconds"]))
            self._going = asyncio.create_task(
                open_loop(self._operation, due_ns=due_ns, max_in_flight=MAX_IN_FLIGHT)
            )
            return {}
        if question == {"ask": "served"} and self._going is not None:
            return asdict(_served(await self._going))
        raise ValueError(f"clients cannot answer {question}")

    async def stop(self) -> None:
        if self._going is not None:
            self._going.cancel()
            await asyncio.gather(self._going, return_exceptions=True)
        await self._stack.aclose()

    async def _fill(self) -> None:
        order = self._order
        filling = subject.make_client(order.network, order.bootstrap, timeout_s=FILL_TIMEOUT_S)
        async with filling as client:
            filled = await closed_loop(
                lambda record: client.store(key_of(record), self._values.value(record, 0)),
                operations=RECORDS,
                in_flight=FILL_IN_FLIGHT,
            )
        if filled.errors:
            raise RuntimeError(f"records could not be stored: {dict(filled.errors)}")

    def _due_ns(self, per_s: float, seconds: float) -> Iterator[int]:
        """Moments of a Poisson process."""
        at_s = self._rng.expovariate(per_s)
        while at_s < seconds:
            yield round(at_s * 1e9)
            at_s += self._rng.expovariate(per_s)

    async def _operation(self, number: int) -> None:
        """One, by each client in turn; a rude one begins anew at once, as long as there is time."""
        client = self._clients[number % len(self._clients)]
        record, stores = self._rng.randrange(RECORDS), self._rng.random() < STORES
        end = time.monotonic() + TIMEOUT_S
        while True:
            try:
                await self._once(client, record, stores)
                return
            except Exception:  # of any kind: without rules, it begins anew
                if not self._order.rude or time.monotonic() >= end:
                    raise

    async def _once(self, client: subject.SubjectClient, record: int, stores: bool) -> None:
        if stores:
            self._begun += 1
            await client.store(key_of(record), self._values.value(record, self._begun))
        else:
            self._values.check(record, await client.retrieve(key_of(record)))


def _served(arrivals: Arrivals) -> _Served:
    from_ns = SETTLE_S * 1e9
    rows = list(zip(arrivals.due_ns, arrivals.answered_ns, strict=True))
    first = next(number for number, (due_ns, _) in enumerate(rows) if due_ns >= from_ns)
    counted = list(islice(rows, first, None))
    took_ns = sorted(ended - due for due, ended in counted if 0 <= ended - due <= TIMEOUT_S * 1e9)
    return _Served(
        seconds=(arrivals.due_ns[-1] - from_ns) / 1e9,
        asked=len(counted),
        good=len(took_ns),
        good_ms_p99=nearest_rank(took_ns, 990) / 1e6 if took_ns else 0.0,
        lag_ms_p99=1e3 * nearest_rank(sorted(arrivals.lags_s), 990),
    )


def run_child(arguments: list[str]) -> None:
    """A child process of clients; its order is one JSON object."""
    order = json.loads(arguments[0])
    order["network"] = subject.NetworkSettings(**order["network"])
    ordered = ClientsOrder(**order)
    serve_parent(_Office(ordered), ordered.loop)
