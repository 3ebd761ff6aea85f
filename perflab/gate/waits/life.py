"""A life of two small networks on sockets, base's and head's, that are asked in alternating blocks.

Theory of operation. Each side is eight nodes in one process and a client in another one (layout A).
All four processes keep to one processor, and have the same hash seed, node ids and records. A block
is some ten milliseconds of a fixed, low rate; latency is counted from the moment an operation was
due. A pair is the same block of the schedule for both sides, one right after the other: they meet
the same spell of the machine. A coin says who begins.

A neighbour that takes the processor is seen without looking at any latency: what a process waited
for the processor beyond what our other processes have used of it, was taken by others.

Rule: starts, asks and reads clocks; what figures follow from that is in `figures.py`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random

from benchmarks.common import subject
from benchmarks.common.children import ChildError
from perflab.canary.plan import CanaryPlan, operations
from perflab.canary.sides import ServedSide, SideGoneError

__all__ = ["BLOCK_S", "NODES", "BlockPair", "WaitBlock", "WaitError", "live"]

NODES = 8
RATE_PER_S = 600.0  # a third of what one processor can do, so that operations seldom meet
BLOCK_S = 0.05  # thirty operations; a pair of blocks takes 0.12 s
RECORDS = 200
VALUE_BYTES = 1024
WARM_UP_PAIRS = 8  # half a second of each side: connections, estimates, the interpreter's caches
LONGEST_S = 600.0  # of what a plan may last; lives are ended by their pairs
SEEDS = 2**32
SIDES = ("base", "head")


class WaitError(RuntimeError):
    """A side that cannot be measured; `side` is its place, the message its own words."""

    def __init__(self, side: int, words: str) -> None:
        super().__init__(words)
        self.side = side


@dataclass(frozen=True, slots=True)
class WaitBlock:
    """What one side's operations took, in microseconds; those that failed, their whole deadline."""

    stores_us: tuple[int, ...]
    retrieves_us: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BlockPair:
    """The same block of the schedule, once for each side."""

    base: WaitBlock
    head: WaitBlock
    taken: float
    """The share of the time that others had the processor, in the worse of the two blocks: at
    least so much."""


def live(cores: Sequence[str], coin: Random, seconds: float) -> list[BlockPair]:
    """Pairs of one life of both sides, which have that many seconds.

    Args:
        cores: the directories with base's and head's p2pcore.
        coin: decides the seed, the processor, and who begins.

    Raises:
        WaitError: a side does not start, dies, or loses a record.
    """
    plan = CanaryPlan(
        rate=RATE_PER_S,
        slot_s=BLOCK_S,
        seconds=LONGEST_S,
        records=RECORDS,
        value_bytes=VALUE_BYTES,
        seed=coin.randrange(SEEDS),
    )
    place = coin.choice(_processors())
    sides: list[_Side] = []
    with ExitStack() as stack:
        for side in coin.sample((0, 1), 2):
            sides.append(_Side(side, cores[side], plan, place))
            sides[-1].open(stack)
        sides.sort(key=lambda each: each.number)
        pairs: list[BlockPair] = []
        end_s, block = time.monotonic() + seconds, 0
        while time.monotonic() < end_s or len(pairs) <= WARM_UP_PAIRS:
            blocks = {side: sides[side].block(block) for side in coin.sample((0, 1), 2)}
            (base, taken), (head, also) = blocks[0], blocks[1]
            pairs.append(BlockPair(base, head, max(taken, also)))
            block += 1
    return pairs[WARM_UP_PAIRS:]


class _Side:
    """One of the two."""

    def __init__(self, number: int, core: str, plan: CanaryPlan, processor: int | None) -> None:
        self.number, self._plan, self._processor = number, plan, processor
        self._served = ServedSide(
            SIDES[number],
            core,
            plan,
            run="waits",
            nodes=NODES,
            loop=subject.default_loop(),
            switches={},
        )
        self._pids: list[int] = []

    def open(self, stack: ExitStack) -> None:
        """Start it, on its processor, with all records."""
        try:
            served = stack.enter_context(self._served)
            self._pids = [*served.pids, served.client.child.pid]
            if self._processor is not None:
                for pid in self._pids:
                    os.sched_setaffinity(pid, {self._processor})
            served.client.fill()
            served.freeze()
        except (ChildError, SideGoneError) as error:
            raise WaitError(self.number, str(error)) from error

    def block(self, number: int) -> tuple[WaitBlock, float]:
        """A block, and the share of its time that others had the processor at least."""
        before, begin_s = [_scheduled(pid) for pid in self._pids], time.monotonic()
        try:
            told = self._served.client.slot(number)
        except ChildError as error:
            raise WaitError(self.number, str(error)) from error
        after, passed_s = [_scheduled(pid) for pid in self._pids], time.monotonic() - begin_s
        if told["broken"]:
            raise WaitError(self.number, f"a promise is broken: {told['broken'][0]}")
        deadline_us = round(self._plan.timeout_s * 1e6)
        kinds: dict[bool, list[int]] = {True: [], False: []}
        for asked, us in zip(operations(self._plan, number), told["latencies_us"], strict=True):
            kinds[asked.write].append(us if us >= 0 else deadline_us)
        spent = [(b[0] - a[0], b[1] - a[1]) for a, b in zip(before, after, strict=True)]
        return WaitBlock(tuple(kinds[True]), tuple(kinds[False])), taken_by_others(spent, passed_s)


def taken_by_others(spent: Sequence[tuple[float, float]], passed_s: float) -> float:
    """The least share of a time that others had the processor on which these processes are, by what
    each has used of it and waited for it (seconds)."""
    used_s = sum(used for used, _ in spent)
    beyond_s = max((waited - (used_s - used) for used, waited in spent), default=0.0)
    return max(0.0, beyond_s) / passed_s


def _scheduled(pid: int) -> tuple[float, float]:
    """Seconds that a process (its main thread) has run, and waited for a processor; zeros where the
    system does not tell."""
    try:
        ran, waited, *_ = Path(f"/proc/{pid}/schedstat").read_bytes().split()
    except (OSError, ValueError):
        return 0.0, 0.0
    return int(ran) / 1e9, int(waited) / 1e9


def _processors() -> list[int | None]:
    return list(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [None]
