"""Who waits for room goes on in order, newest first when that takes long, or is told in time."""

import pytest

from p2pcore.effects import Instant
from p2pcore.errors import BusyError
from p2pcore.ids import NodeId
from p2pcore.routing.waiting import BATCH, CRITICAL, NORMAL, Waiting
from p2pcore.session.link import Counters

S = 1_000_000_000


class Caller:
    """An operation that waits."""

    may_choose = False

    def __init__(self, priority: int = NORMAL) -> None:
        self.priority = priority
        self.over = False
        self.result: object = None

    def begin(self, now: Instant) -> None:
        self.result, self.over = "begun", True

    def refuse(self, error: BusyError, now: Instant) -> None:
        self.result, self.over = error, True


def instant(seconds: float) -> Instant:
    return Instant(round(seconds * S), 0)


class Rooms:
    """One node, with or without room."""

    def __init__(self) -> None:
        self.room = 0
        self.silent = False

    def has_room(self, node_id: NodeId) -> bool:
        return self.room > 0

    def blocked(self, *_: object, **__: object) -> None:
        self.room -= 1

    def is_silent(self, *_: object) -> bool:
        return self.silent


NODE = NodeId(bytes(32))


def line_of(*callers: Caller, since: float = 1, gap_s: float = 0.0) -> tuple[Rooms, Waiting]:
    rooms = Rooms()
    waiting = Waiting(rooms, Counters())
    for number, caller in enumerate(callers):
        now = instant(since + gap_s * number)
        waiting.add(caller, [], 1, NODE, now.mono_ns + S, now)
    return rooms, waiting


def begun(*callers: Caller) -> list[bool]:
    return [caller.result == "begun" for caller in callers]


def test_first_come_first_served_until_that_takes_too_long() -> None:
    callers = [Caller() for _ in range(3)]
    rooms, waiting = line_of(*callers)
    rooms.room = 1
    waiting.go_on(NODE, instant(1.2))
    assert begun(*callers) == [True, False, False]
    rooms.room = 1
    waiting.go_on(NODE, instant(1.3))
    assert begun(*callers) == [True, False, True], "the newest has the most of its time left"


def test_the_critical_go_first_and_batches_last() -> None:
    callers = [Caller(BATCH), Caller(NORMAL), Caller(CRITICAL)]
    rooms, waiting = line_of(*callers)
    for expected in ([False, False, True], [False, True, True], [True, True, True]):
        rooms.room = 1
        waiting.go_on(NODE, instant(1.01))
        assert begun(*callers) == expected


def test_who_waits_in_vain_is_told_so_and_newcomers_sooner() -> None:
    callers = [Caller() for _ in range(3)]
    _, waiting = line_of(*callers, gap_s=0.06)
    assert waiting.wake_at_ns == instant(1.12 + 0.1).mono_ns, "a line of 0.1 s is no burst"
    waiting.handle_timer(instant(1.3))
    assert isinstance(callers[2].result, BusyError)
    assert callers[2].result.retry_after_s == pytest.approx(0.18)
    assert callers[0].result is None
    waiting.handle_timer(instant(1.5))
    assert isinstance(callers[0].result, BusyError)


def test_nobody_is_refused_for_a_node_that_is_silent() -> None:
    caller = Caller()
    rooms, waiting = line_of(caller)
    rooms.silent = True
    waiting.handle_timer(instant(3))
    assert caller.result is None
    rooms.room = 1
    waiting.go_on(NODE, instant(3))
    assert begun(caller) == [True]


def test_who_has_gone_leaves_the_line() -> None:
    callers = [Caller(), Caller()]
    rooms, waiting = line_of(*callers)
    callers[0].over = True
    rooms.room = 1
    waiting.go_on(NODE, instant(1.01))
    assert begun(*callers) == [False, True]
    waiting.handle_timer(instant(9))
    assert callers[0].result is None
