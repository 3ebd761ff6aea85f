"""Reads every record again after a run: is what was acknowledged still there?

Of each record the write with the newest version that any client was acknowledged has to come back,
or one that failed and may have happened after all. Anything older, or nothing, is a loss. That is
short for the history checker's job (`chaos`), which also knows what may be read meanwhile.

Rule: reads; it repairs nothing, though the core may when it is read from.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.common import subject
from benchmarks.common.load.values import StampedValues, key_of
from benchmarks.common.loops import running_loop
from benchmarks.common.records import LoopKind
from perflab.load.client import LoadClient
from perflab.load.operation_log import DELETED

__all__ = ["ReadBack", "read_back"]

IN_FLIGHT = 32
TRIES = 5  # a network that was just overloaded or healed needs a moment
PAUSE_S = 1.0


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
    newest: dict[int, tuple[str, int]] = {}
    unsure: dict[int, set[int]] = {}
    for each in clients:
        own, failed = each.acknowledged()
        for record, write in own.items():
            newest[record] = max(write, newest.get(record, write))
        for record, writes in failed.items():
            unsure.setdefault(record, set()).update(writes)
    lost: list[int] = []
    unread: dict[str, int] = {}
    waiting = sorted(newest, reverse=True)

    async def read(client: subject.SubjectClient, record: int) -> None:
        value = await subject.retrieve_if_there(client, key_of(record))
        found = DELETED if value is None else values.check(record, value)
        if found != newest[record][1] and found not in unsure.get(record, ()):
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
