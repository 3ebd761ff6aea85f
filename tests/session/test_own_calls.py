"""Questions of a machine to itself: each is answered once, to the call that asked, or to nobody."""

import pytest

from p2pcore.contact import Contact
from p2pcore.wire import messages as m
from tests.session.harness import ME, Harness

OURSELVES = Contact.of(ME, "10.0.0.1:1")


@pytest.fixture
def late() -> Harness:
    """Its handler of pings answers nothing by itself."""
    harness = Harness()
    harness.links.handlers[m.Ping] = lambda link, ping, now: None
    return harness


def test_an_answer_in_a_later_turn_comes_to_the_call_once(late: Harness) -> None:
    call = late.ask(OURSELVES)
    assert call.told == []
    late.links.reply(late.links.own.link, m.Pong(call.id))
    assert call.told == []
    late.links.own.settle(late.now)
    assert call.told == [(ME, m.Pong(call.id))]
    late.links.own.settle(late.now)
    late.links.own.answer_late(m.Pong(call.id), late.now)
    assert len(call.told) == 1


def test_a_reply_of_a_later_turn_comes_to_the_call(late: Harness) -> None:
    call = late.ask(OURSELVES)
    late.links.reply_late(late.links.own.link, m.Pong(call.id), late.now)
    assert call.told == [(ME, m.Pong(call.id))]


def test_nobody_waits_for_the_answer_to_what_was_told() -> None:
    """It would be taken for that to the next question."""
    harness = Harness()
    harness.links.tell([OURSELVES], m.Ping(99), harness.now)
    assert harness.links.own.reply is None
    harness.links.handlers[m.Ping] = lambda link, ping, now: None
    call = harness.ask(OURSELVES)
    assert call.told == []


def test_a_late_answer_to_a_call_that_is_over_is_dropped(late: Harness) -> None:
    call = late.ask(OURSELVES)
    late.links.drop(call)
    late.links.own.answer_late(m.Pong(call.id), late.now)
    assert call.told == []
