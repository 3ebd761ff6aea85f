"""How long requests have waited, as a process can tell by its own turns and by what it put off."""

import asyncio
import time

import pytest

from p2pcore import AdaptiveCoordinator, CoordinatorConfig
from p2pcore.aio.turn import ASLEEP_NS, Backlog, Turns
from p2pcore.effects import delay_of
from tests.aio.support import ONE

MS = 1_000_000


def work(least_ns: int) -> None:
    until_ns = time.monotonic_ns() + least_ns
    while time.monotonic_ns() < until_ns:
        pass


async def test_what_is_read_late_in_a_turn_has_waited_since_its_beginning() -> None:
    turns = Turns(asyncio.get_running_loop())
    assert turns.instant().delay == 0
    work(2 * MS)
    assert turns.instant().delay >= delay_of(2 * MS) > 0


async def test_what_comes_after_a_long_turn_came_during_it() -> None:
    turns = Turns(asyncio.get_running_loop())
    turns.instant()
    work(8 * MS)
    begun_ns = time.monotonic_ns()
    await asyncio.sleep(0)
    delay = turns.instant().delay
    # Half of the turn before; a process that was stopped in between was asleep for all it knows.
    assert delay >= delay_of(4 * MS) or time.monotonic_ns() - begun_ns >= ASLEEP_NS


async def test_after_a_sleep_nothing_has_waited() -> None:
    turns = Turns(asyncio.get_running_loop())
    turns.instant()
    work(2 * MS)
    await asyncio.sleep(0.01)
    assert turns.instant().delay == 0


async def test_the_end_of_a_turn_is_told_once_in_the_next() -> None:
    told: list[int] = []
    turns = Turns(asyncio.get_running_loop(), lambda: told.append(turns.began_ns))
    turns.instant()
    turns.instant()
    assert told == []
    await asyncio.sleep(0)
    assert told == [0]


async def test_a_node_is_asked_for_its_deadline_when_a_turn_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with AdaptiveCoordinator(CoordinatorConfig(**ONE)) as node:
        host, ask, asked = node._host, node._node.next_deadline, []
        assert host is not None
        monkeypatch.setattr(node._node, "next_deadline", lambda: asked.append(1) or ask())
        host.intake.turns.instant()
        host.pump()
        host.pump()
        assert asked == []
        await asyncio.sleep(0)
        before = len(asked)
        assert before
        host.pump()  # in a turn in which nothing is read
        assert len(asked) == before + 1


async def test_what_was_there_before_has_waited_since_then() -> None:
    turns = Turns(asyncio.get_running_loop())
    turns.instant()
    since_ns = time.monotonic_ns() - 100 * MS
    assert turns.instant(since_ns).delay >= delay_of(100 * MS)


def test_bytes_wait_since_they_were_read_or_since_nobody_read() -> None:
    backlog = Backlog()
    assert backlog.took(5 * MS) == 0
    assert backlog.since_ns == 5 * MS
    backlog.held(300, 7 * MS)  # came behind 100 that wait already
    assert backlog.next(400) == 5 * MS
    assert backlog.next(300) == 7 * MS
    backlog.stopped_ns = 8 * MS
    assert backlog.took(20 * MS) == 8 * MS
    assert backlog.since_ns == 8 * MS
    backlog.stopped_ns = 21 * MS
    backlog.held(100, 30 * MS)
    assert backlog.next(100) == 21 * MS
