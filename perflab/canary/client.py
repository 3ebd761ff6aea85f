"""A process that does the slots of one side, when it is asked, and checks what comes back.

Each value names its record and its write. A read has to return the write that was acknowledged
last, or one that failed since (it may have got through). Anything else is a broken promise, and
told in words: the record was lost, is stale, or is damaged.

Records carry a time to live, so that a run leaves nothing behind in a network that goes on, however
it ends.

Rule: one question, one slot; which side is asked when, and what follows, is the parent's.
"""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.common import subject
from benchmarks.common.children import Child, serve_parent
from benchmarks.common.load.open_loop import NEVER, open_loop
from benchmarks.common.load.values import StampedValues
from benchmarks.common.records import LoopKind
from benchmarks.common.workload import WrongValueError, closed_loop
from perflab.canary.plan import CanaryPlan, operations

__all__ = ["ClientOrder", "SlotClient", "run_child"]

KEY_VARIABLE = "P2PCORE_CANARY_NETWORK_KEY"
IN_FLIGHT = 16  # while records are filled and read back
MOST_IN_FLIGHT = 4096
TTL_S = 3600.0  # beyond the end of a run
SETTLE_S = 0.003  # for what nodes still do after the answer: the third replica's reply and the like
CHUNK = 1000  # records per question: a child has 30 s for each
FILLED = 0  # the number of the first write; that of a slot is one more than the slot's


@dataclass(frozen=True, kw_only=True)
class ClientOrder:
    """What a process is to do. `run` is in each key: a run meets no records of another."""

    plan: CanaryPlan
    run: str
    network: subject.NetworkSettings
    bootstrap: list[str]
    loop: LoopKind
    switches: dict[str, Any]


class SlotClient:
    """The parent's side."""

    def __init__(self, order: ClientOrder, core_dir: str, hash_seed: int) -> None:
        self._records = order.plan.records
        # Arguments can be read by every user of the machine, environments only by this one.
        table = asdict(order) | {"network": asdict(order.network) | {"key": ""}}
        self.child = Child(
            "perflab.canary.client",
            [json.dumps(table)],
            core_dir,
            {KEY_VARIABLE: order.network.key, "PYTHONHASHSEED": str(hash_seed)},
        )

    def fill(self) -> None:
        """Store each record once; ChildError if one cannot be."""
        for first in range(0, self._records, CHUNK):
            self.child.ask({"do": "fill", "first": first, "last": self._last(first)})

    def slot(self, number: int) -> dict[str, Any]:
        """Do a slot: its `seconds`, `latencies_us` (-1: failed), `errors`, `broken`, `cpu_s`."""
        return self.child.ask({"do": "slot", "number": number})

    def read_back(self) -> tuple[list[str], int]:
        """Read each record once more: what is broken, and how many could not be read at all."""
        broken, unread = [], 0
        for first in range(0, self._records, CHUNK):
            found = self.child.ask({"do": "read back", "first": first, "last": self._last(first)})
            broken += found["broken"]
            unread += found["unread"]
        return broken, unread

    def mark(self, name: str) -> None:
        """Leave a mark in this network."""
        self.child.ask({"do": "mark", "name": name})

    def knows(self, name: str) -> bool:
        """Whether somebody has left this mark in the network."""
        known: bool = self.child.ask({"ask": "knows", "name": name})["known"]
        return known

    def _last(self, first: int) -> int:
        return min(first + CHUNK, self._records)


class _SlotService:
    """The child's side."""

    def __init__(self, order: ClientOrder) -> None:
        self._order, self._plan = order, order.plan
        self._values = StampedValues([order.plan.value_bytes])
        self._newest: dict[int, int] = {}
        self._unsure: dict[int, set[int]] = {}
        self._broken: list[str] = []
        self._stack = AsyncExitStack()

    async def start(self) -> dict[str, Any]:
        order = self._order
        opening = subject.make_client(
            order.network,
            order.bootstrap,
            **{"timeout_s": order.plan.timeout_s} | order.switches,
        )
        self._client: Any = await self._stack.enter_async_context(opening)
        return {"identity": asdict(subject.identity(order.loop))}

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        match question:
            case {"do": "slot", "number": number}:
                return await self._slot(number)
            case {"do": "fill", "first": first, "last": last}:
                await self._fill(first, last)
                return {}
            case {"do": "read back", "first": first, "last": last}:
                return await self._read_back(first, last)
            case {"do": "mark", "name": name}:
                await self._client.store(_key(name, 0), b"canary", ttl_s=TTL_S)
                return {}
            case {"ask": "knows", "name": name}:
                found = await subject.retrieve_if_there(self._client, _key(name, 0))
                return {"known": found is not None}
        raise ValueError(f"a canary's client cannot answer {question}")

    async def stop(self) -> None:
        await self._stack.aclose()

    async def _slot(self, number: int) -> dict[str, Any]:
        wanted = operations(self._plan, number)

        async def operate(place: int) -> None:
            _, write, record = wanted[place]
            await (self._write(record, number + 1) if write else self._read(record))

        self._broken = []
        done = await open_loop(
            operate,
            due_ns=[each.due_ns for each in wanted],
            max_in_flight=MOST_IN_FLIGHT,
        )
        await asyncio.sleep(SETTLE_S)
        latencies = [
            -1 if ended == NEVER else (ended - due) // 1000
            for due, ended in zip(done.due_ns, done.answered_ns, strict=True)
        ]
        return {
            "seconds": done.elapsed_s,
            "latencies_us": latencies,
            "errors": done.errors,
            "broken": self._broken,
            "cpu_s": done.cpu_s,
        }

    async def _write(self, record: int, write: int) -> None:
        value = self._values.value(record, write)
        ttl_s = TTL_S + self._plan.seconds
        unsure = self._unsure.setdefault(record, set())
        unsure.add(write)
        await self._client.store(_key(self._order.run, record), value, ttl_s=ttl_s)
        unsure.discard(write)
        self._newest[record] = write

    async def _read(self, record: int) -> None:
        value = await subject.retrieve_if_there(self._client, _key(self._order.run, record))
        said = self._fault(record, value)
        if said:
            self._broken.append(said)

    def _fault(self, record: int, value: bytes | None) -> str:
        """What is wrong with what was read; "" if nothing is."""
        newest = self._newest.get(record)
        if value is None:
            return "" if newest is None else f"record {record}, write {newest}, is lost"
        try:
            write = self._values.check(record, value)
        except WrongValueError as error:
            return f"damaged: {error}"
        if newest is None or write == newest or write in self._unsure.get(record, ()):
            return ""
        return f"record {record} is stale: write {write} came back, {newest} was acknowledged"

    async def _fill(self, first: int, last: int) -> None:
        outcome = await closed_loop(
            lambda number: self._write(first + number, FILLED),
            operations=last - first,
            in_flight=IN_FLIGHT,
        )
        if outcome.errors:
            raise RuntimeError(f"records {first} to {last - 1} gave {outcome.errors}")

    async def _read_back(self, first: int, last: int) -> dict[str, Any]:
        self._broken = []
        outcome = await closed_loop(
            lambda number: self._read(first + number), operations=last - first, in_flight=IN_FLIGHT
        )
        return {"broken": self._broken, "unread": sum(outcome.errors.values())}


def _key(run: str, record: int) -> str:
    return f"canary-{run}-{record}"


def run_child(arguments: list[str]) -> None:
    """The process of a SlotClient; its order is one JSON object."""
    table = json.loads(arguments[0])
    network = subject.NetworkSettings(**table["network"] | {"key": os.environ.pop(KEY_VARIABLE)})
    plan = CanaryPlan(**table["plan"])
    order = ClientOrder(**table | {"network": network, "plan": plan})
    serve_parent(_SlotService(order), order.loop)
