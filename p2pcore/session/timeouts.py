"""How long an answer is waited for before its node is taken for slow: longer where nodes are far
apart. Retrieves ask another replica much earlier (`routing/hedges.py`).

Theory of operation. A question to a node that is not linked waits for TCP, TLS and both greetings,
three round trips, and its answer takes a fourth. Between continents that is more than a second, and
in one data centre a millisecond; which it will be is not known beforehand. So how long links took
to open is averaged over all nodes, with how much it varies, as RFC 6298 does with round trips. A
link of our own opening has its own measure: three round trips are what the RFC waits for after one
measurement (R + 4 * R/2).

A node is never waited for less than LEAST_NS. So nothing changes where all are near each other, nor
does a dead node take more time there; and who is near is not given up for being busy.

Source: RFC 6298, section 2.

Rule: measures and estimates; knows neither questions nor answers.
"""

from collections.abc import Iterable, Mapping

from p2pcore.contact import Contact
from p2pcore.effects import Instant
from p2pcore.ids import NodeId
from p2pcore.session.link import Link

__all__ = ["LEAST_NS", "LONGEST_NS", "Timeouts"]

LEAST_NS = 400_000_000  # a loaded node answers in tens of ms, and a get must fail over
LONGEST_NS = 2_000_000_000  # four round trips of 0.5 s; two such steps fit into an operation's 5 s


class Timeouts:
    """What one machine has learned of the time that answers take.

    Args:
        self_id: its own id.
        by_node: the links on which nodes are asked; their owner keeps them.
    """

    def __init__(self, self_id: NodeId, by_node: Mapping[NodeId, Link]) -> None:
        self._self_id = self_id
        self._by_node = by_node
        self._dials: dict[str, int] = {}  # since when each address is being dialled
        self._mean_ns = self._deviation_ns = 0  # of the time until a first answer
        self._first_answer_ns = LEAST_NS  # how long it may take
        self._distant = False  # whether anything ever took longer than LEAST_NS

    def dialled(self, address: str, now: Instant) -> None:
        """A link is asked for."""
        self._dials.setdefault(address, now.mono_ns)

    def failed(self, address: str) -> None:
        """The link could not be opened."""
        self._dials.pop(address, None)

    def greeted(self, link: Link, now: Instant) -> None:
        """It is open, and the peer has greeted us."""
        began_ns = None if link.incoming else self._dials.pop(link.address, None)
        if began_ns is None:
            return
        link.opening_ns = now.mono_ns - began_ns
        sample_ns = link.opening_ns * 4 // 3  # the answer to a first question included
        if self._mean_ns:
            self._deviation_ns += (abs(sample_ns - self._mean_ns) - self._deviation_ns) // 4
            self._mean_ns += (sample_ns - self._mean_ns) // 8
        else:
            self._mean_ns, self._deviation_ns = sample_ns, sample_ns // 2
        self._first_answer_ns = self._mean_ns + 4 * self._deviation_ns
        self._distant |= sample_ns > LEAST_NS

    def of(self, contacts: Iterable[Contact], now: Instant) -> int:
        """How long to wait for the answers of these nodes, in ns, when they are asked now."""
        wait_ns = LEAST_NS
        if not self._distant:
            return wait_ns
        for contact in contacts:
            link = self._by_node.get(contact.node_id)
            if link is not None:
                wait_ns = max(wait_ns, link.opening_ns)
            elif contact.node_id != self._self_id:
                dialled_ns = self._dials.get(contact.address, now.mono_ns)
                wait_ns = max(wait_ns, dialled_ns + self._first_answer_ns - now.mono_ns)
        return min(wait_ns, LONGEST_NS)
