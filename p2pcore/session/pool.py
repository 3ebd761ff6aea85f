"""Which links to nodes are kept open, on which of them a node is asked, and how one is given up.

Theory of operation. Every link to a node that has greeted us is here. Those that we have opened
count: when there are more than `size`, the least valuable idle ones are *retired*. Value is, first,
whether the node is one of the favoured (a node favours those nearest to it, with which it shares
its records), then when it was last of use to us. A link on which somebody waits for an answer is
not given up, so the size is exceeded while more than that are in use at once. Links that others
have opened are theirs to give up, and `max_connections` bounds them.

Retiring loses nothing. Who has opened the link says `Goodbye(SURPLUS)`, asks nothing more on it and
goes on answering. The other side asks nothing more on it either, and closes it when what is in
flight on it is answered: what it had asked before it heard the goodbye is served. (GOAWAY of HTTP/2
does the same: RFC 9113, section 6.8.) Neither side takes that for a loss: the node stays known, and
is dialled when it is needed again.

When two nodes dial each other at the same time, the link that the smaller id has dialled stays, and
the other is retired by the one that has dialled it. Of two links dialled by the same side, the
earlier one stays. So both sides know which it is without asking.

A node that is linked dials nobody a second time, unless both did at once. So who dials us though we
have had a link for CROSSED_NS has lost that one: it has restarted after a loss of power, or given
it up, and nothing that said so came through. The old link is given up for the new one, which its
peer has proven to be of the same node.

Rule: knows links and who waits on them; sends and closes nothing.
"""

from collections.abc import Callable, Container

from p2pcore.effects import Instant, LinkId
from p2pcore.ids import NodeId
from p2pcore.session.link import Call, Link

__all__ = ["CROSSED_NS", "RETIRE_NS", "Pool"]

RETIRE_NS = 5_000_000_000  # for what is in flight on a link that is given up; ten rounds
CROSSED_NS = 10_000_000_000  # two dials at once have ended by then: 5 s each for TLS and greeting


class Pool:
    """The links of one machine to nodes.

    Args:
        self_id: our own id.
        size: outgoing links beyond this are given up as soon as they are idle.
        calls: the questions in flight, by id; their owner keeps them.
    """

    def __init__(self, self_id: NodeId, size: int, calls: dict[int, Call]) -> None:
        self.size = size
        self.by_node: dict[NodeId, Link] = {}  # the link on which each node is asked
        self.retiring: dict[LinkId, Link] = {}  # oldest first
        self.favoured: Callable[[], Container[NodeId]] = tuple
        self._self_id = self_id
        self._calls = calls
        self._spare: dict[NodeId, Link] = {}  # second links to a node, until one is retired
        self._outgoing: dict[LinkId, Link] = {}  # those that count

    @property
    def unsettled(self) -> bool:
        """True if there are links to be given up, or closed."""
        return bool(self.retiring) or len(self._outgoing) > self.size

    def add(self, link: Link, now: Instant) -> Link | None:
        """A node has greeted us. Returns the link that is one too many to that node, if it is for
        us to retire it."""
        link.used_ns = link.since_ns = now.mono_ns
        if not link.incoming:
            self._outgoing[link.id] = link
        current = self.by_node.setdefault(link.peer_id, link)
        if current is link:
            return None
        self._spare[link.peer_id] = link
        worse = max(current, link, key=self._dialler)
        return None if worse.incoming else worse

    def is_outlived_by(self, link: Link, now: Instant) -> bool:
        """True if this second link to a node shows that the first is dead."""
        current = self.by_node[link.peer_id]
        return link.incoming and now.mono_ns - current.since_ns > CROSSED_NS

    def remove(self, link: Link) -> bool:
        """A link has ended. Returns whether the node was asked on it."""
        self._outgoing.pop(link.id, None)
        self.retiring.pop(link.id, None)
        if self._spare.get(link.peer_id) is link:
            del self._spare[link.peer_id]
        if self.by_node.get(link.peer_id) is not link:
            return False
        spare = self._spare.pop(link.peer_id, None)
        if spare is None:
            del self.by_node[link.peer_id]
        else:
            self.by_node[link.peer_id] = spare
        return True

    def heard_since(self, node_id: NodeId, mono_ns: int) -> bool:
        """True if this node has said anything since then, on the link on which it is asked."""
        link = self.by_node.get(node_id)
        return link is not None and link.heard_ns > mono_ns

    def retire(self, link: Link, now: Instant, *, by_peer: bool) -> None:
        """Ask nothing more on this link. `by_peer`: the other side has said so, and we close it."""
        if not link.retiring:
            asked = self.remove(link)
            link.retiring = True
            link.end_by_ns = now.mono_ns + RETIRE_NS
            calls = self._calls.items() if asked else ()
            link.unanswered = [n for n, call in calls if link.peer_id in call.outstanding]
            self.retiring[link.id] = link
        link.ours_to_close |= by_peer

    def surplus(self) -> list[Link]:
        """The links to retire now: idle ones beyond the size, the least valuable first."""
        excess = len(self._outgoing) - self.size
        if excess <= 0:
            return []
        busy = {node_id: None for call in self._calls.values() for node_id in call.outstanding}
        idle = [
            link
            for link in self._outgoing.values()
            if link.peer_id not in busy and not link.coordinating
        ]
        favoured = self.favoured()
        idle.sort(key=lambda link: (link.peer_id in favoured, link.used_ns))
        return idle[:excess]

    def to_close(self, now: Instant) -> list[Link]:
        """Retired links on which nothing is in flight any more, or for too long."""
        return [
            link
            for link in self.retiring.values()
            if (now.mono_ns >= link.end_by_ns or (link.ours_to_close and not self.waiting(link)))
            and not link.coordinating
        ]

    def waiting(self, link: Link) -> list[Call]:
        """The calls that were still unanswered when this link was retired, and still are."""
        calls = (self._calls.get(call_id) for call_id in link.unanswered)
        return [call for call in calls if call is not None and link.peer_id in call.outstanding]

    def clear(self) -> None:
        """Every link is closed."""
        for links in (self.by_node, self.retiring, self._spare, self._outgoing):
            links.clear()

    def _dialler(self, link: Link) -> tuple[NodeId, LinkId]:
        return (link.peer_id if link.incoming else self._self_id), link.id
