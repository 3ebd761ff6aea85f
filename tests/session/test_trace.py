"""A trace marks what an operation asks, and keeps what came until it was over."""

from random import Random
from typing import Any

import pytest

from p2pcore.config import CoordinatorConfig
from p2pcore.effects import Connect, Effect, Instant, LinkId, Send
from p2pcore.errors import UnreachableError, UsageError
from p2pcore.node import Node
from p2pcore.session.trace import Trace, TracedReply
from p2pcore.wire import messages as m
from tests.session.desk import CLIENT_READY, CONTACT, ME, OTHER, PEER, Desk

BOTH = (LinkId(1), LinkId(2))
KEY = bytes(32)


class Followed:
    """A client with links to two nodes, and an operation that asks both."""

    def __init__(self) -> None:
        self.desk = Desk(m.Role.CLIENT)
        self.desk.greeted(1)
        self.desk.greeted(2, OTHER)
        self.trace = Trace()
        self.in_flight = True
        self.effects: list[Effect] = [Send(BOTH, m.Fetch(9, KEY)), Connect("10.0.0.9:1", None)]
        self.trace.follow(self.desk.board, self.effects, lambda: self.in_flight)

    @property
    def marks(self) -> tuple[int, int]:
        return self.effects[0].message.id, self.effects[2].message.id  # type: ignore[union-attr]

    def told(self, number: int, mark: int, *, read_ns: int, turn_ns: int, at_ns: int) -> None:
        self.desk.now = Instant(at_ns, 0)
        self.desk.receive(number, m.Marked(self.marks[mark], read_ns, turn_ns))


@pytest.fixture
def followed() -> Followed:
    return Followed()


def test_a_request_goes_between_two_marks(followed: Followed) -> None:
    ahead, behind = followed.marks
    assert ahead != behind
    assert followed.effects == [
        Send(BOTH, m.Mark(ahead)),
        Send(BOTH, m.Fetch(9, KEY)),
        Send(BOTH, m.Mark(behind)),
        Connect("10.0.0.9:1", None),
    ]


def test_readings_of_two_nodes_are_kept_apart(followed: Followed) -> None:
    followed.told(1, 0, read_ns=1000, turn_ns=1400, at_ns=50)
    followed.told(2, 0, read_ns=7, turn_ns=8, at_ns=60)
    followed.told(2, 1, read_ns=7, turn_ns=19, at_ns=60)
    followed.told(1, 1, read_ns=1000, turn_ns=1900, at_ns=70)
    second, first = followed.trace.replies
    assert first == TracedReply(PEER, CONTACT.address, 70, 1000, 1400, 1900, final=False)
    assert (second.node_id, second.read_ns, second.turn_ns, second.done_ns) == (OTHER, 7, 8, 19)


def test_a_request_in_several_reads_counts_from_the_last(followed: Followed) -> None:
    followed.told(1, 0, read_ns=1000, turn_ns=1001, at_ns=50)
    followed.told(1, 1, read_ns=3000, turn_ns=3020, at_ns=50)
    (found,) = followed.trace.replies
    assert (found.read_ns, found.turn_ns, found.done_ns) == (3000, 3000, 3020)


def test_the_reply_that_ends_the_operation_is_the_last(followed: Followed) -> None:
    followed.told(1, 0, read_ns=1, turn_ns=2, at_ns=50)
    followed.in_flight = False  # the node's reply has come, and was enough
    followed.told(1, 1, read_ns=1, turn_ns=3, at_ns=50)
    followed.told(2, 0, read_ns=1, turn_ns=2, at_ns=51)
    followed.told(2, 1, read_ns=1, turn_ns=3, at_ns=51)
    assert [(each.node_id, each.final) for each in followed.trace.replies] == [(PEER, True)]


def test_who_knows_no_marks_is_left_out(followed: Followed) -> None:
    followed.desk.receive(1, m.Failed(followed.marks[0], m.Reason.UNKNOWN_MESSAGE))
    followed.desk.receive(1, m.Failed(followed.marks[1], m.Reason.UNKNOWN_MESSAGE))
    assert followed.trace.replies == []
    assert followed.desk.board.counters.late_replies == 0


def test_nothing_is_left_when_it_is_over(followed: Followed) -> None:
    board = followed.desk.board
    assert len(board.calls) == 2
    followed.desk.sweep(10**12)
    board.disconnected(LinkId(2), UnreachableError("gone"), followed.desk.now)
    assert (board.counters.timeouts, board.slow) == (0, {})
    followed.trace.close()
    assert not board.calls
    followed.told(1, 0, read_ns=1, turn_ns=2, at_ns=50)
    assert board.counters.late_replies == 1


def test_a_trace_is_used_once(followed: Followed) -> None:
    with pytest.raises(UsageError, match="one operation"):
        followed.trace.follow(followed.desk.board, [], bool)


def test_traces_need_no_operation_to_be_closed() -> None:
    trace: Any = Trace()
    trace.close()
    assert (trace.replies, trace.written_ns) == ([], None)


def test_a_node_reads_the_clock_of_its_edge() -> None:
    node, link, now = Node(CoordinatorConfig(), ME, Random), LinkId(1), Instant(70, 0)
    node.connected(link, PEER, "10.0.0.2:1", incoming=True, now=now)
    node.receive(link, CLIENT_READY, now)
    node.drain()
    node.receive(link, m.Mark(5), now)
    assert node.drain() == [Send((link,), m.Marked(5, 70, 70))]  # in virtual time
    node.read_clock = lambda: 95
    node.receive(link, m.Mark(6), now)
    assert node.drain() == [Send((link,), m.Marked(6, 70, 95))]
