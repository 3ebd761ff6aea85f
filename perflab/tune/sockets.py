"""Configurations measured on a real network of three nodes: one after the other, in turn.

Nodes in one process, the client in this one, sixteen operations in flight, one of ten a store. The
figures depend on the machine and on who else uses it: they are compared within a turn only, and it
takes more of them than the simulator does.

Rule: one network at a time; a wrong answer is a failure.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from random import Random
from time import perf_counter
from typing import Any

from benchmarks.common import subject
from benchmarks.common.children import Child, stop_all
from benchmarks.common.loops import running_loop
from benchmarks.common.records import summarize
from benchmarks.common.workload import Values, WorkloadOutcome, closed_loop
from perflab.tune.situations import Measured, Side

__all__ = ["on_sockets"]

NODES = 3
KEYS, SIZE_BYTES = 200, 1024
WARM_UP, OPERATIONS, IN_FLIGHT = 500, 3000, 16
STORES = 0.1


def on_sockets(sides: Sequence[Side], seeds: Sequence[int]) -> list[list[Measured]]:
    """A `Bench`: for each seed, all configurations in an order that chance decides."""
    found: list[list[Measured]] = [[{} for _ in seeds] for _ in sides]
    for place, seed in enumerate(seeds):
        order = list(range(len(sides)))
        Random(f"{seed} order").shuffle(order)
        for number in order:
            found[number][place] = _measured(sides[number], seed)
    return found


def _measured(side: Side, seed: int) -> Measured:
    loop = subject.default_loop()
    network = subject.NetworkSettings.of(NODES)
    order = {
        "network": asdict(network), "count": NODES, "bootstrap": [], "loop": loop,
        "settings": dict(side["nodes"]),
    }  # fmt: skip
    with ExitStack() as stack:
        runner = stack.enter_context(running_loop(loop))
        child = Child("benchmarks.common.swarm", [json.dumps(order)], subject.core_dir())
        stack.callback(stop_all, [child])
        addresses = child.wait_ready()["addresses"]
        opening = subject.make_client(network, addresses, **side["clients"])
        client = runner.run(opening.__aenter__())
        stack.callback(lambda: runner.run(opening.__aexit__(None, None, None)))
        operations = _Operations(client, seed)
        runner.run(operations.begin())
        runner.run(operations.work(WARM_UP))
        before = child.ask({"ask": "usage"})
        outcome = runner.run(operations.work(OPERATIONS))
        after = child.ask({"ask": "usage"})
    return _figures(operations, outcome, before, after)


def _figures(
    operations: _Operations,
    outcome: WorkloadOutcome,
    before: dict[str, Any],
    after: dict[str, Any],
) -> Measured:
    reads, stores = summarize(operations.taken_s["read"]), summarize(operations.taken_s["store"])
    messages = sum(after[name] - before[name] for name in ("messages_in", "messages_out"))
    cpu_s = after["cpu_s"] - before["cpu_s"] + outcome.cpu_s
    return {
        "sockets.read_s_p50": reads.p50_s,
        "sockets.read_s_p99": reads.p99_s,
        "sockets.store_s_p99": stores.p99_s,
        "sockets.cpu_s_per_operation": cpu_s / OPERATIONS,
        "sockets.messages_per_operation": messages / OPERATIONS,
        "sockets.resident_bytes": after["resident_bytes"],
        "sockets.failed": sum(outcome.errors.values()),
    }


class _Operations:
    """A mix of reads and stores; the value of a key never changes, so every read is checked."""

    def __init__(self, client: subject.SubjectClient, seed: int) -> None:
        self._client, self._values = client, Values(SIZE_BYTES, seed)
        self._rng = Random(f"{seed} sockets")
        self.taken_s: dict[str, list[float]] = {}

    async def begin(self) -> None:
        stored = await closed_loop(self._store, operations=KEYS, in_flight=IN_FLIGHT)
        stored.require_clean()

    async def work(self, count: int) -> WorkloadOutcome:
        """So many; `taken_s` has their seconds by kind, in the order in which they ended."""
        drawn = [(self._rng.random() < STORES, self._rng.randrange(KEYS)) for _ in range(count)]
        self.taken_s = {"read": [], "store": []}

        async def one(number: int) -> object:
            store, key = drawn[number]
            begin = perf_counter()
            answer = await (self._store(key) if store else self._client.retrieve(f"k{key}"))
            self.taken_s["store" if store else "read"].append(perf_counter() - begin)
            return answer

        def check(number: int, answer: object) -> None:
            store, key = drawn[number]
            if not store:
                self._values.check(key, answer)

        return await closed_loop(one, operations=count, in_flight=IN_FLIGHT, check=check)

    async def _store(self, key: int) -> object:
        return await self._client.store(f"k{key}", self._values.value(key))
