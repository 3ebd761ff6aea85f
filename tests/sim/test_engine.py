import pytest

from p2pcore.sim.engine import Engine, StillError
from p2pcore.sim.trace import CHUNK, EventTrace


def test_events_come_in_the_order_of_time_then_of_planning() -> None:
    engine = Engine()
    seen: list[object] = []
    for due_ns, name in ((5, "c"), (3, "a"), (5, "d"), (4, "b")):
        engine.at(due_ns, lambda name, _, __: seen.append((engine.now_ns, name)), name)
    engine.run_to(100)
    assert seen == [(3, "a"), (4, "b"), (5, "c"), (5, "d")]
    assert (engine.now_ns, engine.executed) == (100, 4)


def test_what_is_due_later_waits() -> None:
    engine = Engine(start_ns=10)
    seen: list[int] = []
    engine.at(20, lambda a, b, c: seen.extend((a, b, c)), 1, 2, 3)
    engine.run_to(19)
    assert not seen
    engine.run_to(20)
    assert seen == [1, 2, 3]


def test_it_stops_where_the_condition_holds() -> None:
    engine = Engine()
    seen: list[int] = []
    for due_ns in range(1, 6):
        engine.at(due_ns, lambda due_ns, _, __: seen.append(due_ns), due_ns)
    engine.run_until(lambda: len(seen) == 3, 100)
    assert (engine.now_ns, len(engine.events)) == (3, 2)
    engine.run_until(lambda: True, 100)
    assert engine.now_ns == 3
    with pytest.raises(StillError, match="nothing will happen"):
        engine.run_until(lambda: False, 100)


def test_it_stops_where_an_event_halts_it() -> None:
    engine = Engine()
    for due_ns in range(1, 6):
        engine.at(due_ns, lambda halt, _, __: setattr(engine, "halted", halt), due_ns == 4)
    engine.run_until_halted(100)
    assert engine.now_ns == 4
    engine.halted = False
    engine.at(50, lambda *_: None)
    with pytest.raises(StillError, match="in time"):
        engine.run_until_halted(20)
    assert engine.now_ns == 20


def test_an_error_leaves_the_count_right() -> None:
    engine = Engine()
    engine.at(1, lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        engine.run_to(5)
    assert engine.executed == 1


def test_a_trace_depends_on_every_entry_and_its_order() -> None:
    def digest(*entries: tuple[int, int, int]) -> str:
        trace = EventTrace()
        for entry in entries:
            trace.note(*entry)
        return trace.digest()

    one, other = (1, 2, 3), (4, 5, 6)
    assert len({digest(), digest(one), digest(other), digest(one, other), digest(other, one)}) == 5


def test_a_trace_can_be_read_at_any_time() -> None:
    asked, silent = EventTrace(), EventTrace()
    for number in range(2 * CHUNK + 7):
        for trace in (asked, silent):
            trace.note(number, 1, 2)
        if number % 1000 == 0:
            asked.digest()
    assert asked.digest() == silent.digest()
