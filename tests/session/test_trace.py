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
from tests.session.harness import CLIENT_READY, CONTACT, ME, OTHER, PEER, Harness

BOTH = (LinkId(1), LinkId(2))
KEY = bytes(32)


class Followed:
    """A client with links to two nodes, and an operation that asks both."""

    def __init__(self) -> None:
        self.harness = Harness(m.Role.CLIENT)
        self.harness.greeted(1)
        self.harness.greeted(2, OTHER)
        self.trace = Trace()
        self.in_flight = True
        self.effects: list[Effect] = [Send(BOTH, m.Fetch(9, KEY)), Connect("10.0.0.9:1", None)]
        self.trace.follow(self.harness.links, self.effects, lambda: self.in_flight)

    @property
    def mark(self) -> int:
        return self.effects[2].message.id  # type: ignore[union-attr]

    def told(self, number: int, read_ns: int, turn_ns: int, done_ns: int, *, at_ns: int) -> None:
        self.harness.now = Instant(at_ns, 0)
        self.harness.receive(number, m.Marked(self.mark, read_ns, turn_ns, done_ns))


@pytest.fixture
def followed() -> Followed:
    return Followed()


def test_a_request_goes_between_two_marks(followed: Followed) -> None:
    assert followed.mark
    assert followed.effects == [
        Send(BOTH, m.Mark(0)),
        Send(BOTH, m.Fetch(9, KEY)),
        Send(BOTH, m.Mark(followed.mark)),
        Connect("10.0.0.9:1", None),
    ]


def test_readings_of_two_nodes_are_kept_apart(followed: Followed) -> None:
    followed.told(2, 7, 8, 19, at_ns=60)
    followed.told(1, 1000, 1400, 1900, at_ns=70)
    assert followed.trace.replies == [
        TracedReply(OTHER, CONTACT.address, 60, 7, 8, 19, final=False),
        TracedReply(PEER, CONTACT.address, 70, 1000, 1400, 1900, final=False),
    ]


def test_a_request_in_several_reads_counts_from_the_last(followed: Followed) -> None:
    followed.told(1, 3000, 1001, 3020, at_ns=50)
    (found,) = followed.trace.replies
    assert (found.read_ns, found.turn_ns, found.done_ns) == (3000, 3000, 3020)


def test_the_reply_that_ends_the_operation_is_the_last(followed: Followed) -> None:
    followed.in_flight = False  # the node's reply has come, and was enough
    followed.told(1, 1, 2, 3, at_ns=50)
    followed.told(2, 1, 2, 3, at_ns=51)
    assert [(each.node_id, each.final) for each in followed.trace.replies] == [(PEER, True)]


def test_who_knows_no_marks_is_left_out(followed: Followed) -> None:
    followed.harness.receive(1, m.Failed(0, m.Reason.UNKNOWN_MESSAGE))
    followed.harness.receive(1, m.Failed(followed.mark, m.Reason.UNKNOWN_MESSAGE))
    assert followed.trace.replies == []
    assert followed.in_flight


def test_nothing_is_left_when_it_is_over(followed: Followed) -> None:
    links = followed.harness.links
    assert len(links.calls) == 1
    followed.harness.sweep(10**12)
    links.disconnected(LinkId(2), UnreachableError("gone"), followed.harness.now)
    assert (links.counters.timeouts, links.slow) == (0, {})
    followed.trace.close()
    assert not links.calls
    followed.told(1, 1, 2, 3, at_ns=50)
    assert links.counters.late_replies == 1
    assert followed.trace.replies == []


def test_a_trace_is_used_once(followed: Followed) -> None:
    with pytest.raises(UsageError, match="one operation"):
        followed.trace.follow(followed.harness.links, [], bool)


def test_traces_need_no_operation_to_be_closed() -> None:
    trace: Any = Trace()
    trace.close()
    assert (trace.replies, trace.written_ns) == ([], None)


def test_a_node_reads_the_clock_of_its_edge() -> None:
    node, link, now = Node(CoordinatorConfig(), ME, Random), LinkId(1), Instant(70, 0)
    node.connected(link, PEER, "10.0.0.2:1", incoming=True, now=now)
    node.receive(link, CLIENT_READY, now)
    node.drain()
    node.receive(link, m.Mark(), now)
    assert node.drain() == []
    node.receive(link, m.Mark(5), now)
    assert node.drain() == [Send((link,), m.Marked(5, 70, 70, 70))]  # in virtual time
    clock = iter((95, 99))
    node.read_clock = lambda: next(clock)
    node.receive(link, m.Mark(), now)
    node.receive(link, m.Mark(6), now)
    assert node.drain() == [Send((link,), m.Marked(6, 70, 95, 99))]
