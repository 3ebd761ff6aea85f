"""One iterative lookup: who are the nodes closest to a point?

Rule: knows neither time nor network. Its owner asks `next_to_ask`, sends, and reports what came
back; the lookup is over when the `width` closest contacts that it has heard of have all answered.

Source: Kademlia, section 2.3, with loose parallelism: a slow contact holds up one of three
questions, not the round.
"""

import enum

from p2pcore.ids import NodeId
from p2pcore.overlay.table import BUCKET_SIZE, Contact

__all__ = ["PARALLEL", "Lookup"]

PARALLEL = 3  # Kademlia's alpha


class _Progress(enum.Enum):
    HEARD = enum.auto()
    ASKED = enum.auto()
    ANSWERED = enum.auto()
    FAILED = enum.auto()


class _Entry:
    __slots__ = ("contact", "depth", "progress")

    def __init__(self, contact: Contact, depth: int) -> None:
        self.contact = contact
        self.depth = depth  # how many answers it took to hear of this contact
        self.progress = _Progress.HEARD


class Lookup:
    """The state of one lookup for `target`.

    Args:
        target: the point looked for.
        seeds: contacts to begin with.
        width: how many of the closest must have answered; BUCKET_SIZE where the result fills a
            table, the number of replicas where it places a record.
        owner: never asked and never part of the result.
    """

    def __init__(
        self, target: int, seeds: list[Contact], *, width: int = BUCKET_SIZE, owner: NodeId
    ) -> None:
        self.target = target
        self._width = width
        self._owner = owner
        self._entries: dict[NodeId, _Entry] = {}
        self._asked = 0
        self._hear(seeds, depth=0)

    def _hear(self, contacts: list[Contact], depth: int) -> None:
        for contact in contacts:
            if contact.node_id != self._owner and contact.node_id not in self._entries:
                self._entries[contact.node_id] = _Entry(contact, depth)

    def _nearest(self, count: int) -> list[_Entry]:
        alive = [e for e in self._entries.values() if e.progress is not _Progress.FAILED]
        alive.sort(key=lambda entry: entry.contact.point ^ self.target)
        return alive[:count]

    @property
    def hops(self) -> int:
        """The longest chain of dependent requests until the closest node was first heard of."""
        nearest = self._nearest(1)
        return nearest[0].depth if nearest else 0

    @property
    def done(self) -> bool:
        """Whether nothing is left to ask; then `closest` is the result (empty: all failed)."""
        return all(e.progress is _Progress.ANSWERED for e in self._nearest(self._width))

    def next_to_ask(self) -> list[Contact]:
        """Whom to ask now, marked as asked: as many as keep PARALLEL questions in flight."""
        chosen = []
        for entry in self._nearest(self._width):
            if self._asked >= PARALLEL:
                break
            if entry.progress is _Progress.HEARD:
                entry.progress = _Progress.ASKED
                self._asked += 1
                chosen.append(entry.contact)
        return chosen

    def answered(self, node_id: NodeId, contacts: list[Contact]) -> None:
        """One that was asked named these contacts."""
        entry = self._entries[node_id]
        if entry.progress is _Progress.ASKED:
            self._asked -= 1
            entry.progress = _Progress.ANSWERED
            self._hear(contacts, entry.depth + 1)

    def failed(self, node_id: NodeId) -> None:
        """One that was asked cannot be reached, or did not answer in time."""
        entry = self._entries[node_id]
        if entry.progress is _Progress.ASKED:
            self._asked -= 1
            entry.progress = _Progress.FAILED

    def closest(self, count: int = BUCKET_SIZE) -> list[Contact]:
        """The closest that are not known to be gone, nearest first."""
        return [entry.contact for entry in self._nearest(count)]

    def silent(self) -> list[Contact]:
        """Those that were asked and have not answered, in the order in which they were heard of."""
        entries = self._entries.values()
        return [entry.contact for entry in entries if entry.progress is _Progress.FAILED]
