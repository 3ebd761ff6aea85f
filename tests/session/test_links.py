"""Links: greetings, questions and their answers, and how links end."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcore.contact import Contact
from p2pcore.effects import Close, Connect, Instant, LinkId, Notice, Send
from p2pcore.errors import (
    AuthenticationError,
    BrokenError,
    IncompatibleError,
    RefusedError,
    UnreachableError,
)
from p2pcore.session.links import GREETING_NS, SWEEP_NS
from p2pcore.wire import messages as m
from tests.session.harness import (
    CLIENT_READY,
    CONTACT,
    ME,
    NODE_READY,
    OTHER,
    PEER,
    SETTINGS,
    Asked,
    Harness,
)
from tests.wire.strategies import by_type


@pytest.fixture
def harness() -> Harness:
    return Harness()


def test_both_sides_greet_and_a_link_counts_from_the_greeting(harness: Harness) -> None:
    ready = m.Ready(1, 1, m.Role.NODE, "10.0.0.1:1", SETTINGS)
    assert harness.connected(1) == [Send((LinkId(1),), ready)]
    assert harness.told == []
    assert not harness.links.is_linked(PEER)
    assert harness.receive(1, NODE_READY) == []
    assert harness.told == ["link"]
    assert harness.links.linked_nodes() == [CONTACT]


def test_a_client_is_no_node_and_learns_the_settings() -> None:
    harness = Harness(m.Role.CLIENT)
    harness.greeted(1, ready=CLIENT_READY)
    assert harness.links.linked_nodes() == []
    assert harness.links.settings is None
    harness.greeted(2)
    assert harness.links.settings == SETTINGS


@pytest.mark.parametrize("kind", [*by_type, m.Unknown], ids=lambda kind: kind.__name__)
@settings(max_examples=5)
@given(data=st.data())
def test_the_first_frame_must_be_ready(kind: Any, data: st.DataObject) -> None:
    if kind in (m.Ready, m.Goodbye):
        return
    harness = Harness()
    harness.connected(1)
    message: Any = m.Unknown(1, 99) if kind is m.Unknown else data.draw(by_type[kind])
    assert harness.goodbye(harness.receive(1, message)) is m.Reason.MISBEHAVED
    assert harness.receive(1, NODE_READY) == [], "nothing is heard after the goodbye"
    assert harness.links.counters.misbehaved == 1


def test_what_is_not_allowed_later(harness: Harness) -> None:
    harness.greeted(1)
    assert harness.goodbye(harness.receive(1, NODE_READY)) is m.Reason.MISBEHAVED
    harness.greeted(2)
    assert harness.goodbye(harness.receive(2, m.Malformed("no message"))) is m.Reason.MISBEHAVED
    harness.greeted(3)
    fetch = m.Fetch(1, bytes(32))
    assert harness.goodbye(harness.receive(3, fetch)) is m.Reason.MISBEHAVED, (
        "nobody serves that here"
    )
    assert harness.told == ["link", ("lost", False)] * 3


def test_requests_are_answered_and_unknown_ones_refused(harness: Harness) -> None:
    harness.greeted(1)
    assert harness.receive(1, m.Ping(7)) == [Send((LinkId(1),), m.Pong(7))]
    (send,) = harness.receive(1, m.Unknown(8, 99))
    assert isinstance(send, Send)
    assert isinstance(send.message, m.Failed)
    assert (send.message.id, send.message.reason) == (8, m.Reason.UNKNOWN_MESSAGE)


@pytest.mark.parametrize(
    ("ready", "reason"),
    [
        (m.Ready(1, 1, m.Role.NODE, "a:1", m.Settings(5, 2, 2)), m.Reason.INCOMPATIBLE),
        (m.Ready(2, 3, m.Role.NODE, "a:1", SETTINGS), m.Reason.INCOMPATIBLE),
        (m.Ready(2, 3, m.Role.CLIENT), m.Reason.INCOMPATIBLE),
    ],
)
def test_who_does_not_fit_is_refused(harness: Harness, ready: m.Ready, reason: m.Reason) -> None:
    harness.connected(1, incoming=False)
    assert harness.goodbye(harness.receive(1, ready)) is reason
    assert harness.told == [("unreachable", "10.0.0.2:1", PEER, IncompatibleError)]


def test_ourselves_is_refused(harness: Harness) -> None:
    assert harness.goodbye(harness.connected(1, ME, incoming=False)) is m.Reason.SELF
    assert harness.goodbye(harness.connected(2, ME)) is m.Reason.SELF
    assert not harness.links.by_id


def test_too_many_links_are_refused() -> None:
    harness = Harness(max_links=2)
    harness.connected(1, incoming=False)  # those that we open do not count
    harness.connected(2, OTHER)
    harness.connected(3, OTHER)
    assert harness.goodbye(harness.connected(4, OTHER)) is m.Reason.TOO_MANY_CONNECTIONS
    harness.connected(5, incoming=False)
    assert list(harness.links.by_id) == [1, 2, 3, 5]
    harness.links.disconnected(LinkId(2), None, harness.now)
    harness.drain()
    harness.connected(6)
    assert 6 in harness.links.by_id, "there is room again"


def test_who_does_not_greet_in_time_is_turned_away(harness: Harness) -> None:
    harness.connected(1)
    harness.sweep(GREETING_NS // 2)
    harness.connected(2, OTHER)
    harness.greeted(3, OTHER)
    assert harness.sweep(GREETING_NS // 2 - 1) == []
    assert harness.links.wake_at_ns is not None
    assert harness.goodbye(harness.sweep(SWEEP_NS)) is m.Reason.IDLE
    assert harness.goodbye(harness.sweep(GREETING_NS // 2)) is m.Reason.IDLE
    assert list(harness.links.by_id) == [3]
    assert harness.links.wake_at_ns is None, "nothing is left to watch"


def test_one_question_to_many_is_one_message(harness: Harness) -> None:
    harness.greeted(1)
    harness.greeted(2, OTHER)
    call = harness.ask(CONTACT, Contact.of(OTHER, "a:1"))
    assert harness.drain() == [Send((LinkId(1), LinkId(2)), m.Ping(call.id))]
    harness.receive(2, m.Pong(call.id))
    harness.receive(1, m.Pong(call.id))
    assert call.told == [(OTHER, m.Pong(call.id)), (PEER, m.Pong(call.id))]


def test_a_question_waits_for_its_link(harness: Harness) -> None:
    first, second = harness.ask(CONTACT), harness.ask(CONTACT)
    assert harness.drain() == [Connect(CONTACT.address, PEER)], "one link is enough"
    harness.connected(1, incoming=False)
    assert harness.receive(1, NODE_READY) == [
        Send((LinkId(1),), m.Ping(first.id)),
        Send((LinkId(1),), m.Ping(second.id)),
    ]


def test_a_link_that_comes_the_other_way_serves_as_well(harness: Harness) -> None:
    call = harness.ask(CONTACT)
    harness.drain()
    harness.connected(1)
    assert harness.receive(1, NODE_READY) == [Send((LinkId(1),), m.Ping(call.id))]


def test_a_question_that_was_dropped_is_not_sent(harness: Harness) -> None:
    call = harness.ask(CONTACT)
    harness.links.drop(call)
    harness.drain()
    harness.connected(1)
    assert harness.receive(1, NODE_READY) == []


def test_a_dial_that_fails_fails_its_questions_and_may_be_repeated(harness: Harness) -> None:
    call = harness.ask(CONTACT)
    harness.drain()
    harness.links.connect_failed(CONTACT.address, PEER, UnreachableError("no"), harness.now)
    assert call.told == [(PEER, UnreachableError)]
    assert harness.told == [("unreachable", CONTACT.address, PEER, UnreachableError)]
    harness.ask(CONTACT)
    assert harness.drain() == [Connect(CONTACT.address, PEER)]


def test_a_link_that_ends_before_its_greeting_fails_its_questions(harness: Harness) -> None:
    call = harness.ask(CONTACT)
    harness.connected(1, incoming=False)
    harness.links.disconnected(LinkId(1), None, harness.now)
    assert call.told == [(PEER, UnreachableError)], "TLS has not said that it refuses us"
    harness.ask(CONTACT)
    assert Connect(CONTACT.address, PEER) in harness.drain()


def test_what_tls_has_said_of_the_end_before_a_greeting_counts(harness: Harness) -> None:
    call = harness.ask(CONTACT)
    harness.connected(1, incoming=False)
    harness.links.disconnected(LinkId(1), AuthenticationError("unknown ca"), harness.now)
    assert call.told == [(PEER, AuthenticationError)]


def test_a_peer_that_greets_as_a_client_where_a_node_was_expected_fails_questions(
    harness: Harness,
) -> None:
    """Else nothing would ever be sent to that node again: the dial would count as under way."""
    call = harness.ask(CONTACT)
    harness.connected(1, incoming=False)
    harness.receive(1, CLIENT_READY)
    assert call.told == [(PEER, BrokenError)]
    harness.ask(CONTACT)
    assert Connect(CONTACT.address, PEER) in harness.drain()


def test_replies_that_nobody_waits_for_are_counted(harness: Harness) -> None:
    harness.greeted(1)
    harness.greeted(2, OTHER)
    call = harness.ask(CONTACT)
    harness.receive(2, m.Pong(call.id))
    assert call.told == [], "another node answers"
    harness.receive(1, m.Pong(call.id))
    harness.receive(1, m.Pong(call.id))
    harness.receive(1, m.Pong(10**9))
    assert len(call.told) == 1
    assert harness.links.counters.late_replies == 3


def test_a_reply_that_is_not_needed_any_more_is_no_accident(harness: Harness) -> None:
    """The third of three, where two make the quorum."""
    harness.greeted(1)
    harness.greeted(2, OTHER)
    for _ in range(3):
        call = harness.ask(CONTACT, Contact.of(OTHER, "10.0.0.3:1"))
        harness.receive(1, m.Pong(call.id))
        harness.links.enough(call)
        harness.links.enough(call)  # of a call that is over already, there is nothing to come
        harness.receive(2, m.Pong(call.id))
    harness.links.tell([CONTACT], m.Ping(0), harness.now, answered=True)
    harness.receive(1, m.Pong(0))
    assert harness.links.counters.late_replies == 0
    harness.receive(2, m.Pong(call.id))
    assert harness.links.counters.late_replies == 1


def test_a_reply_that_was_given_up_is_late(harness: Harness) -> None:
    harness.greeted(1)
    harness.now = Instant(harness.now.mono_ns + 10**9, harness.now.wall_ms)
    call = harness.ask(CONTACT, due_ns=harness.now.mono_ns + 1)
    harness.sweep(10**9)
    assert call.told == ["expired"]
    harness.links.enough(call)
    harness.receive(1, m.Pong(call.id))
    counters = harness.links.counters
    assert (counters.timeouts, counters.late_replies) == (1, 1)


def test_neither_a_pause_nor_a_dial_is_a_time_out(harness: Harness) -> None:
    pause = Asked(harness.links, harness.now.mono_ns + 1)
    harness.links.watch(pause, harness.now)
    dial = harness.ask(CONTACT, due_ns=harness.now.mono_ns + 1)
    harness.sweep(10**9)
    assert pause.told == dial.told == ["expired"]
    assert list(harness.links.slow) == [PEER], "it is asked last all the same"
    assert harness.links.counters.timeouts == 0


def test_what_a_broken_link_owes_is_not_waited_for(harness: Harness) -> None:
    harness.greeted(1)
    call = harness.ask(CONTACT)
    harness.links.enough(call)
    harness.links.disconnected(LinkId(1), None, harness.now)
    harness.greeted(2)
    harness.receive(2, m.Pong(10**9))
    assert harness.links.counters.late_replies == 1


def test_what_waits_for_a_link_is_asked_once(harness: Harness) -> None:
    """Though it was put again meanwhile."""
    call = harness.ask(CONTACT)
    harness.links.ask(call, [CONTACT], m.Ping(call.id), harness.now)
    harness.drain()
    harness.connected(1)
    assert harness.receive(1, NODE_READY) == [Send((LinkId(1),), m.Ping(call.id))]


@pytest.mark.parametrize(
    ("reason", "planned"),
    [(m.Reason.SHUTDOWN, True), (m.Reason.BUSY, False), (m.Reason.MISBEHAVED, False)],
)
def test_a_goodbye_fails_the_questions_at_once(
    harness: Harness, reason: m.Reason, planned: bool
) -> None:
    harness.greeted(1)
    call = harness.ask(CONTACT)
    harness.drain()
    (close,) = harness.receive(1, m.Goodbye(reason, "because"))
    assert isinstance(close, Close)
    assert call.told == [(PEER, UnreachableError if planned else RefusedError)]
    assert harness.told == ["link", ("lost", planned)]


def test_a_goodbye_before_the_greeting_can_be_read_in_the_log(harness: Harness) -> None:
    harness.connected(1, incoming=False)
    close, notice = harness.receive(1, m.Goodbye(m.Reason.INCOMPATIBLE, "other settings"))
    assert isinstance(close, Close)
    assert isinstance(notice, Notice)
    assert "other settings" in notice.text
    assert harness.told == [("unreachable", "10.0.0.2:1", PEER, IncompatibleError)]


def test_the_second_link_to_a_node_takes_over(harness: Harness) -> None:
    harness.greeted(1)
    harness.greeted(2)
    harness.links.disconnected(LinkId(1), None, harness.now)
    assert harness.links.is_linked(PEER)
    call = harness.ask(CONTACT)
    assert harness.drain() == [Send((LinkId(2),), m.Ping(call.id))]
    harness.links.disconnected(LinkId(2), None, harness.now)
    assert not harness.links.is_linked(PEER)
    assert call.told == [(PEER, UnreachableError)]


def test_calls_expire_at_the_sweep(harness: Harness) -> None:
    harness.greeted(1)
    call = harness.ask(CONTACT, due_ns=harness.now.mono_ns + 1)
    later = harness.ask(CONTACT, due_ns=harness.now.mono_ns + 10 * SWEEP_NS)
    harness.drain()
    harness.sweep(SWEEP_NS - 1)
    assert call.told == []
    harness.sweep(1)
    assert (call.told, later.told) == (["expired"], [])
    harness.links.drop(call)
    harness.links.drop(later)
    harness.sweep(SWEEP_NS)
    assert harness.links.wake_at_ns is None


def test_calls_expire_in_slices(harness: Harness) -> None:
    """A node may coordinate thousands of operations that wait for one that does not answer."""
    harness.greeted(1)
    calls = [harness.ask(CONTACT, due_ns=harness.now.mono_ns + 1) for _ in range(100)]
    turns: list[int] = []
    while not all(call.told for call in calls):
        told = sum(len(call.told) for call in calls)
        harness.sweep(0 if turns else SWEEP_NS)
        turns.append(sum(len(call.told) for call in calls) - told)
        for call in calls:
            if call.told:
                harness.links.drop(call)
    assert turns == [32, 32, 32, 4]


def test_a_call_that_was_asked_anew_meanwhile_does_not_expire(harness: Harness) -> None:
    calls = [harness.ask(CONTACT, due_ns=harness.now.mono_ns + 1) for _ in range(33)]
    harness.sweep(SWEEP_NS)
    calls[32].due_ns = harness.now.mono_ns + 10**9
    harness.sweep(0)
    assert [len(call.told) for call in calls] == [1] * 32 + [0]


def test_we_answer_ourselves_without_a_link(harness: Harness) -> None:
    call = harness.ask(Contact.of(ME, "10.0.0.1:1"))
    assert harness.drain() == []
    assert call.told == [(ME, m.Pong(call.id))]


def test_giving_up_closes_the_link_and_fails_its_questions(harness: Harness) -> None:
    harness.greeted(1)
    call = harness.ask(CONTACT)
    harness.drain()
    harness.links.give_up(PEER, "silent", harness.now)
    harness.links.give_up(OTHER, "unknown", harness.now)
    assert harness.drain() == [Close(LinkId(1), "silent")]
    assert harness.links.counters.links_broken == 1
    assert call.told == [(PEER, UnreachableError)]
    assert harness.told == ["link", ("lost", False)]


def test_goodbye_leaves_nothing(harness: Harness) -> None:
    harness.greeted(1)
    harness.connected(2, OTHER)
    harness.ask(CONTACT)
    harness.drain()
    harness.links.goodbye("we leave")
    send, *closes = harness.drain()
    assert send == Send((LinkId(1), LinkId(2)), m.Goodbye(m.Reason.SHUTDOWN, "we leave"))
    assert closes == [Close(LinkId(1), "we leave"), Close(LinkId(2), "we leave")]
    assert not harness.links.by_id
    assert not harness.links.calls
    assert not harness.links.linked_nodes()
    assert harness.receive(1, m.Ping(1)) == []
    harness.links.disconnected(LinkId(1), None, harness.now)
    harness.sweep(GREETING_NS)
    assert harness.told == ["link"]
