"""Losses that come together make one change of the membership.

Theory of operation. Each change costs a comparison of records with all neighbours. Where a rack or
a data centre goes, its nodes are found silent within a second or so, not at the same moment. So who
is found silent waits while others are still suspect, BATCH_NS at most, and all go at once. Nobody
waits where a node is lost alone. Reads ask the suspects last meanwhile.

Source: the idea of Suresh et al., "Stable and Consistent Membership at Scale with Rapid", USENIX
ATC 2018, section 4.2: no view is changed while somebody is between suspected and certain.

Rule: keeps who is to go; forgets nobody itself.
"""

from collections.abc import Callable, Sized

from p2pcore.contact import Contact
from p2pcore.effects import Instant
from p2pcore.ids import NodeId

__all__ = ["BATCH_NS", "Losses"]

BATCH_NS = 1_000_000_000  # as far as first pings of nodes that go at the same moment are apart
LOOK_NS = 50_000_000  # between looks whether others are still suspect


class Losses:
    """The losses of one node that are not a change yet.

    Args:
        suspects: who has not answered in its time and is not lost yet.
    """

    def __init__(self, suspects: Callable[[], Sized]) -> None:
        self._suspects = suspects
        self._contacts: dict[NodeId, Contact] = {}
        self._due_ns = 0
        self.wake_at_ns: int | None = None  # when `due` may have somebody, in monotonic ns

    def __contains__(self, node_id: NodeId) -> bool:
        return node_id in self._contacts

    def add(self, contact: Contact, now: Instant) -> None:
        """This one is lost."""
        if not self._contacts:
            self._due_ns = now.mono_ns + BATCH_NS
            self.wake_at_ns = now.mono_ns
        self._contacts[contact.node_id] = contact

    def remove(self, node_id: NodeId) -> None:
        """This one is there again."""
        self._contacts.pop(node_id, None)

    def due(self, now: Instant) -> list[Contact]:
        """Who is to go now: all, or none yet."""
        if self.wake_at_ns is None or now.mono_ns < self.wake_at_ns:
            return []
        if self._contacts and now.mono_ns < self._due_ns and self._suspects():
            self.wake_at_ns = min(self._due_ns, now.mono_ns + LOOK_NS)
            return []
        self.wake_at_ns = None
        contacts, self._contacts = self._contacts, {}
        return list(contacts.values())
