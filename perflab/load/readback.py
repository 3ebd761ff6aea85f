"""Reads every record again after a run: is what was acknowledged still there?

Of each record the write with the newest version that any client was acknowledged has to come back,
or one that failed and may have happened after all (`p2pcore/sim/promise.py`). What is not kept is
which writes were acknowledged before: `chaos` knows that, and so what may be read meanwhile.

Rule: reads; it repairs nothing, though the core may when it is read from.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.common import subject
from benchmarks.common.load.values import StampedValues, key_of
from benchmarks.common.loops import running_loop
from benchmarks.common.records import LoopKind
from p2pcore.sim.promise import judge_read
from perflab.load.client import LoadClient
from perflab.load.operation_log import DELETED

__all__ = ["ReadBack", "read_back"]

IN_FLIGHT = 32
TRIES = 5  # a network that was just overloaded or healed needs a moment
PAUSE_S = 1.0


class KnownWrite(NamedTuple):
    """A store or delete of a record; `version` is None if it was not acknowledged."""

    number: int
    version: str | None
    begin_ns: int = 0


@dataclass(frozen=True, kw_only=True)
class ReadBack:
    """Records with an acknowledged write, those lost, and those that could not be read at all."""

    acknowledged: int
    lost: list[int]
    unread: dict[str, int]


def read_back(
    clients: Iterable[LoadClient],
    network: subject.NetworkSettings,
    addresses: list[str],
    values: StampedValues,
    *,
    loop: LoopKind,
    source: str,
) -> ReadBack:
    """Ask the clients what was acknowledged, and read it with one that was not there before."""
    newest: dict[int, KnownWrite] = {}  # by record
    unsure: dict[int, list[KnownWrite]] = {}
    for each in clients:
        own, failed = each.acknowledged()
        for record, (version, number) in own.items():
            known = newest.get(record)
            if known is None or version > (known.version or ""):
                newest[record] = KnownWrite(number, version)
        for record, numbers in failed.items():
            unsure.setdefault(record, []).extend(KnownWrite(each, None) for each in numbers)
    lost: list[int] = []
    unread: dict[str, int] = {}
    waiting = sorted(newest, reverse=True)

    async def read(client: subject.SubjectClient, record: int) -> None:
        value = await subject.retrieve_if_there(client, key_of(record))
        found = None if value is None else values.check(record, value)
        known = [newest[record], *unsure.get(record, ())]
        writes = {write.number: write for write in known if write.number != DELETED}
        if found is not None:  # whatever is not known here was acknowledged before
            writes.setdefault(found, KnownWrite(found, ""))
        ends = [write for write in known if write.number == DELETED]
        if judge_read(found, writes, ends, newest[record].version, end_ns=0, last=True):
            lost.append(record)

    async def work(client: subject.SubjectClient) -> None:
        while waiting:
            record = waiting.pop()
            for left in reversed(range(TRIES)):
                try:
                    await read(client, record)
                    break
                except Exception as error:  # of any kind: told if it stays
                    if not left:
                        unread[type(error).__name__] = unread.get(type(error).__name__, 0) + 1
                    await asyncio.sleep(PAUSE_S)

    async def read_all() -> None:
        async with subject.make_client(network, addresses) as client, asyncio.TaskGroup() as group:
            for _ in range(IN_FLIGHT):
                group.create_task(work(client))

    with running_loop(loop, source or None) as runner:
        runner.run(read_all())
    return ReadBack(acknowledged=len(newest), lost=sorted(lost), unread=unread)
