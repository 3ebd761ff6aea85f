"""The switchboard: greetings, questions and their answers, and how links end."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pcore.effects import Close, Connect, LinkId, Notice, Send
from p2pcore.errors import (
    AuthenticationError,
    BrokenError,
    IncompatibleError,
    RefusedError,
    UnreachableError,
)
from p2pcore.overlay.table import Contact
from p2pcore.session.switchboard import GREETING_NS, SWEEP_NS
from p2pcore.wire import messages as m
from tests.session.desk import CLIENT_READY, CONTACT, ME, NODE_READY, OTHER, PEER, SETTINGS, Desk
from tests.wire.strategies import by_type


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_both_sides_greet_and_a_link_counts_from_the_greeting(desk: Desk) -> None:
    ready = m.Ready(1, 1, m.Role.NODE, "10.0.0.1:1", SETTINGS)
    assert desk.connected(1) == [Send((LinkId(1),), ready)]
    assert desk.told == []
    assert not desk.board.is_linked(PEER)
    assert desk.receive(1, NODE_READY) == []
    assert desk.told == ["link"]
    assert desk.board.linked_nodes() == [CONTACT]


def test_a_client_is_no_node_and_learns_the_settings() -> None:
    desk = Desk(m.Role.CLIENT)
    desk.greeted(1, ready=CLIENT_READY)
    assert desk.board.linked_nodes() == []
    assert desk.board.settings is None
    desk.greeted(2)
    assert desk.board.settings == SETTINGS


@pytest.mark.parametrize("kind", [*by_type, m.Unknown], ids=lambda kind: kind.__name__)
@settings(max_examples=5)
@given(data=st.data())
def test_the_first_frame_must_be_ready(kind: type, data: st.DataObject) -> None:
    if kind in (m.Ready, m.Goodbye):
        return
    desk = Desk()
    desk.connected(1)
    message = m.Unknown(1, 99) if kind is m.Unknown else data.draw(by_type[kind])
    assert desk.goodbye(desk.receive(1, message)) is m.Reason.MISBEHAVED
    assert desk.receive(1, NODE_READY) == [], "nothing is heard after the goodbye"
    assert desk.board.counters.misbehaved == 1


def test_what_is_not_allowed_later(desk: Desk) -> None:
    desk.greeted(1)
    assert desk.goodbye(desk.receive(1, NODE_READY)) is m.Reason.MISBEHAVED
    desk.greeted(2)
    assert desk.goodbye(desk.receive(2, m.Malformed("no message"))) is m.Reason.MISBEHAVED
    desk.greeted(3)
    fetch = m.Fetch(1, bytes(32))
    assert desk.goodbye(desk.receive(3, fetch)) is m.Reason.MISBEHAVED, "nobody serves that here"
    assert desk.told == ["link", ("lost", False)] * 3


def test_requests_are_answered_and_unknown_ones_refused(desk: Desk) -> None:
    desk.greeted(1)
    assert desk.receive(1, m.Ping(7)) == [Send((LinkId(1),), m.Pong(7))]
    (send,) = desk.receive(1, m.Unknown(8, 99))
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
def test_who_does_not_fit_is_refused(desk: Desk, ready: m.Ready, reason: m.Reason) -> None:
    desk.connected(1, incoming=False)
    assert desk.goodbye(desk.receive(1, ready)) is reason
    assert desk.told == [("unreachable", "10.0.0.2:1", PEER, IncompatibleError)]


def test_ourselves_is_refused(desk: Desk) -> None:
    assert desk.goodbye(desk.connected(1, ME, incoming=False)) is m.Reason.SELF
    assert desk.goodbye(desk.connected(2, ME)) is m.Reason.SELF
    assert not desk.board.links


def test_too_many_links_are_refused() -> None:
    desk = Desk(max_links=2)
    desk.connected(1, incoming=False)  # those that we open do not count
    desk.connected(2, OTHER)
    desk.connected(3, OTHER)
    assert desk.goodbye(desk.connected(4, OTHER)) is m.Reason.TOO_MANY_CONNECTIONS
    desk.connected(5, incoming=False)
    assert list(desk.board.links) == [1, 2, 3, 5]
    desk.board.disconnected(LinkId(2), None, desk.now)
    desk.drain()
    desk.connected(6)
    assert 6 in desk.board.links, "there is room again"


def test_who_does_not_greet_in_time_is_turned_away(desk: Desk) -> None:
    desk.connected(1)
    desk.sweep(GREETING_NS // 2)
    desk.connected(2, OTHER)
    desk.greeted(3, OTHER)
    assert desk.sweep(GREETING_NS // 2 - 1) == []
    assert desk.board.wake_at_ns is not None
    assert desk.goodbye(desk.sweep(SWEEP_NS)) is m.Reason.IDLE
    assert desk.goodbye(desk.sweep(GREETING_NS // 2)) is m.Reason.IDLE
    assert list(desk.board.links) == [3]
    assert desk.board.wake_at_ns is None, "nothing is left to watch"


def test_one_question_to_many_is_one_message(desk: Desk) -> None:
    desk.greeted(1)
    desk.greeted(2, OTHER)
    call = desk.ask(CONTACT, Contact.of(OTHER, "a:1"))
    assert desk.drain() == [Send((LinkId(1), LinkId(2)), m.Ping(call.id))]
    desk.receive(2, m.Pong(call.id))
    desk.receive(1, m.Pong(call.id))
    assert call.told == [(OTHER, m.Pong(call.id)), (PEER, m.Pong(call.id))]


def test_a_question_waits_for_its_link(desk: Desk) -> None:
    first, second = desk.ask(CONTACT), desk.ask(CONTACT)
    assert desk.drain() == [Connect(CONTACT.address, PEER)], "one link is enough"
    desk.connected(1, incoming=False)
    assert desk.receive(1, NODE_READY) == [
        Send((LinkId(1),), m.Ping(first.id)),
        Send((LinkId(1),), m.Ping(second.id)),
    ]


def test_a_link_that_comes_the_other_way_serves_as_well(desk: Desk) -> None:
    call = desk.ask(CONTACT)
    desk.drain()
    desk.connected(1)
    assert desk.receive(1, NODE_READY) == [Send((LinkId(1),), m.Ping(call.id))]


def test_a_question_that_was_dropped_is_not_sent(desk: Desk) -> None:
    call = desk.ask(CONTACT)
    desk.board.drop(call)
    desk.drain()
    desk.connected(1)
    assert desk.receive(1, NODE_READY) == []


def test_a_dial_that_fails_fails_its_questions_and_may_be_repeated(desk: Desk) -> None:
    call = desk.ask(CONTACT)
    desk.drain()
    desk.board.connect_failed(CONTACT.address, PEER, UnreachableError("no"), desk.now)
    assert call.told == [(PEER, UnreachableError)]
    assert desk.told == [("unreachable", CONTACT.address, PEER, UnreachableError)]
    desk.ask(CONTACT)
    assert desk.drain() == [Connect(CONTACT.address, PEER)]


def test_a_link_that_ends_before_its_greeting_fails_its_questions(desk: Desk) -> None:
    call = desk.ask(CONTACT)
    desk.connected(1, incoming=False)
    desk.board.disconnected(LinkId(1), None, desk.now)
    assert call.told == [(PEER, AuthenticationError)]
    desk.ask(CONTACT)
    assert Connect(CONTACT.address, PEER) in desk.drain()


def test_a_peer_that_greets_as_a_client_where_a_node_was_expected_fails_questions(
    desk: Desk,
) -> None:
    """Else nothing would ever be sent to that node again: the dial would count as under way."""
    call = desk.ask(CONTACT)
    desk.connected(1, incoming=False)
    desk.receive(1, CLIENT_READY)
    assert call.told == [(PEER, BrokenError)]
    desk.ask(CONTACT)
    assert Connect(CONTACT.address, PEER) in desk.drain()


def test_replies_that_nobody_waits_for_are_counted(desk: Desk) -> None:
    desk.greeted(1)
    desk.greeted(2, OTHER)
    call = desk.ask(CONTACT)
    desk.receive(2, m.Pong(call.id))
    assert call.told == [], "another node answers"
    desk.receive(1, m.Pong(call.id))
    desk.receive(1, m.Pong(call.id))
    desk.receive(1, m.Pong(10**9))
    assert len(call.told) == 1
    assert desk.board.counters.late_replies == 3


@pytest.mark.parametrize(
    ("reason", "planned"),
    [(m.Reason.SHUTDOWN, True), (m.Reason.BUSY, False), (m.Reason.MISBEHAVED, False)],
)
def test_a_goodbye_fails_the_questions_at_once(desk: Desk, reason: m.Reason, planned: bool) -> None:
    desk.greeted(1)
    call = desk.ask(CONTACT)
    desk.drain()
    (close,) = desk.receive(1, m.Goodbye(reason, "because"))
    assert isinstance(close, Close)
    assert call.told == [(PEER, UnreachableError if planned else RefusedError)]
    assert desk.told == ["link", ("lost", planned)]


def test_a_goodbye_before_the_greeting_can_be_read_in_the_log(desk: Desk) -> None:
    desk.connected(1, incoming=False)
    close, notice = desk.receive(1, m.Goodbye(m.Reason.INCOMPATIBLE, "other settings"))
    assert isinstance(close, Close)
    assert isinstance(notice, Notice)
    assert "other settings" in notice.text
    assert desk.told == [("unreachable", "10.0.0.2:1", PEER, IncompatibleError)]


def test_the_second_link_to_a_node_takes_over(desk: Desk) -> None:
    desk.greeted(1)
    desk.greeted(2)
    desk.board.disconnected(LinkId(1), None, desk.now)
    assert desk.board.is_linked(PEER)
    call = desk.ask(CONTACT)
    assert desk.drain() == [Send((LinkId(2),), m.Ping(call.id))]
    desk.board.disconnected(LinkId(2), None, desk.now)
    assert not desk.board.is_linked(PEER)
    assert call.told == [(PEER, UnreachableError)]


def test_calls_expire_at_the_sweep(desk: Desk) -> None:
    desk.greeted(1)
    call = desk.ask(CONTACT, due_ns=desk.now.mono_ns + 1)
    later = desk.ask(CONTACT, due_ns=desk.now.mono_ns + 10 * SWEEP_NS)
    desk.drain()
    desk.sweep(SWEEP_NS - 1)
    assert call.told == []
    desk.sweep(1)
    assert (call.told, later.told) == (["expired"], [])
    desk.board.drop(call)
    desk.board.drop(later)
    desk.sweep(SWEEP_NS)
    assert desk.board.wake_at_ns is None


def test_we_answer_ourselves_without_a_link(desk: Desk) -> None:
    call = desk.ask(Contact.of(ME, "10.0.0.1:1"))
    assert desk.drain() == []
    assert call.told == [(ME, m.Pong(call.id))]


def test_giving_up_closes_the_link_and_fails_its_questions(desk: Desk) -> None:
    desk.greeted(1)
    call = desk.ask(CONTACT)
    desk.drain()
    desk.board.give_up(PEER, "silent", desk.now)
    desk.board.give_up(OTHER, "unknown", desk.now)
    assert desk.drain() == [Close(LinkId(1), "silent")]
    assert call.told == [(PEER, UnreachableError)]
    assert desk.told == ["link", ("lost", False)]


def test_goodbye_leaves_nothing(desk: Desk) -> None:
    desk.greeted(1)
    desk.connected(2, OTHER)
    desk.ask(CONTACT)
    desk.drain()
    desk.board.goodbye("we leave")
    send, *closes = desk.drain()
    assert send == Send((LinkId(1), LinkId(2)), m.Goodbye(m.Reason.SHUTDOWN, "we leave"))
    assert closes == [Close(LinkId(1), "we leave"), Close(LinkId(2), "we leave")]
    assert not desk.board.links
    assert not desk.board.calls
    assert not desk.board.linked_nodes()
    assert desk.receive(1, m.Ping(1)) == []
    desk.board.disconnected(LinkId(1), None, desk.now)
    desk.sweep(GREETING_NS)
    assert desk.told == ["link"]
