"""What a link notes of the questions on it: those that are timed, and those that are counted."""

from typing import ClassVar

from p2pcore.effects import LinkId
from p2pcore.wire import messages as m
from tests.session.harness import CONTACT, Asked, Harness

DUE_NS = 10**18


class TimedCall(Asked):
    is_timed: ClassVar[bool] = True


def test_a_question_that_is_not_timed_and_not_counted_leaves_nothing_on_the_link() -> None:
    harness = Harness()
    harness.greeted(1)
    harness.ask(CONTACT)
    link = harness.links.by_id[LinkId(1)]
    assert (link.timed_id, link.timed_question) == (0, None)
    assert (link.load, link.slots) == (0, {})


def test_the_answer_to_one_question_is_timed_at_a_time() -> None:
    harness = Harness()
    harness.greeted(1)
    link = harness.links.by_id[LinkId(1)]
    first, second = (TimedCall(harness.links, DUE_NS) for _ in range(2))
    for call in (first, second):
        harness.links.ask(call, [CONTACT], m.Ping(call.id), harness.now)
    assert (link.timed_id, link.timed_ns) == (first.id, harness.now.mono_ns)
    assert link.timed_question == m.Ping(first.id)
    harness.drain()
    harness.receive(1, m.Pong(first.id))
    assert link.timed_id == 0, "there is room for another one"
