"""Who was lost a while ago: where it was a replica, another one has taken its place that may not
have been given its range yet.

Theory of operation. Nodes copy again what was lost after a while only (`copy_after_s`); until then
who takes a lost node's place keeps what it is sent and counts for nothing. So reads ask it last: a
replica that would be none if the lost were still there. For clients, what is absent is also kept to
be put back into its regions, when it is heard of again.

Rule: remembers and orders; whether somebody is there, others find out.
"""

from p2pcore.contact import Contact
from p2pcore.effects import Instant
from p2pcore.ids import NodeId

__all__ = ["Absent"]

KEPT_NS = 60_000_000_000  # by then records are copied again, where `copy_after_s` is as usual
MAX_KEPT = 64  # the latest


class Absent:
    """The contacts that one machine has lost of late."""

    __slots__ = ("contacts",)

    def __init__(self) -> None:
        self.contacts: dict[NodeId, tuple[Contact, int]] = {}
        """And when each was lost; longest ago first."""

    def add(self, contact: Contact, now: Instant) -> None:
        """This one is lost."""
        self.contacts.pop(contact.node_id, None)
        self.contacts[contact.node_id] = contact, now.mono_ns
        if len(self.contacts) > MAX_KEPT:
            del self.contacts[next(iter(self.contacts))]

    def remove(self, node_id: NodeId) -> bool:
        """This one is there, or will not come back. Returns whether it was absent."""
        return self.contacts.pop(node_id, None) is not None

    def ready_first(
        self, replicas: list[Contact], point: int, count: int, now: Instant
    ) -> list[Contact]:
        """Replicas of a point, `count` of which there are: in the same order, but that those that
        have the place of somebody who is absent come last."""
        gone = [c for c, since_ns in self.contacts.values() if now.mono_ns - since_ns < KEPT_NS]
        if not gone:
            self.contacts.clear()
            return replicas
        there = {contact.node_id: None for contact in replicas}
        all_there_were = replicas + [contact for contact in gone if contact.node_id not in there]
        all_there_were.sort(key=lambda contact: contact.point ^ point)
        places = {contact.node_id: None for contact in all_there_were[:count]}
        return sorted(replicas, key=lambda contact: contact.node_id not in places)
