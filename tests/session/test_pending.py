"""Answers that nobody waits for, and questions that are over: what counts as an accident."""

import pytest

from p2pcore.effects import Instant, LinkId
from p2pcore.session.timeouts import LEAST_NS
from p2pcore.wire import messages as m
from tests.session.harness import CONTACT, PEER, Harness


def test_an_answer_that_nobody_needs_is_no_accident_and_the_next_one_is() -> None:
    harness = Harness()
    harness.greeted(1)
    for number in (50, 51):
        harness.links.tell([CONTACT], m.Ping(number), harness.now, answered=True)
    harness.drain()
    for number in (50, 51):
        harness.receive(1, m.Stored(number))
    assert harness.links.counters.late_replies == 0
    harness.receive(1, m.Stored(52))
    assert harness.links.counters.late_replies == 1


def test_a_sign_of_life_is_a_reply_and_no_use_of_the_link() -> None:
    harness = Harness()
    harness.greeted(1)
    call = harness.ask(CONTACT)
    link = harness.links.by_id[LinkId(1)]
    used_ns = link.used_ns
    harness.now = Instant(harness.now.mono_ns + 5, harness.now.wall_ms)
    harness.receive(1, m.Pong(call.id))
    assert (call.told, link.used_ns) == ([(PEER, m.Pong(call.id))], used_ns)


@pytest.mark.parametrize(("linked_ns", "timeouts"), [(LEAST_NS - 1, 0), (LEAST_NS, 1)])
def test_whoever_was_linked_for_the_least_time_is_late(linked_ns: int, timeouts: int) -> None:
    harness = Harness()
    harness.greeted(1)
    call = harness.ask(CONTACT, due_ns=harness.now.mono_ns + linked_ns)
    harness.drain()
    harness.sweep(linked_ns)
    assert call.told == ["expired"]
    assert harness.links.counters.timeouts == timeouts
