"""One iterative lookup: who are the nodes closest to a point?

Rule: knows neither time nor network. Its owner asks `next_to_ask`, sends, and reports what came
back; the lookup is over when the `width` closest contacts that it has heard of have all answered.

Source: Kademlia, section 2.3, with loose parallelism: a slow contact holds up one of three
questions, not the round. One that is late is left out, until and unless it answers.
"""

import enum
from operator import attrgetter

from p2pcore.contact import Contact
from p2pcore.ids import NodeId
from p2pcore.overlay.table import BUCKET_SIZE

__all__ = ["PARALLEL", "Lookup"]

PARALLEL = 3  # Kademlia's alpha
MAX_ASKED = 256  # several times as many as any lookup needs: liars must not make one endless


class _Progress(enum.Enum):
    HEARD = enum.auto()
    ASKED = enum.auto()
    ANSWERED = enum.auto()
    LATE = enum.auto()
    FAILED = enum.auto()


_SILENT = (_Progress.LATE, _Progress.FAILED)
_distance = attrgetter("distance")


class _Entry:
    __slots__ = ("contact", "depth", "distance", "progress")

    def __init__(self, contact: Contact, distance: int, depth: int) -> None:
        self.contact = contact
        self.distance = distance
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
        self._ranked: list[_Entry] = []  # all that did not fail, nearest first
        self._asked = 0  # and not heard of since
        self._may_ask = MAX_ASKED
        self._hear(seeds, depth=0)

    def _hear(self, contacts: list[Contact], depth: int) -> None:
        if not self._may_ask:
            return  # those who have answered are the result
        heard = len(self._ranked)
        for contact in contacts:
            if contact.node_id != self._owner and contact.node_id not in self._entries:
                entry = _Entry(contact, contact.point ^ self.target, depth)
                self._entries[contact.node_id] = entry
                self._ranked.append(entry)
        if len(self._ranked) > heard:
            self._ranked.sort(key=_distance)

    @property
    def hops(self) -> int:
        """The longest chain of dependent requests until the closest node was first heard of."""
        return self._ranked[0].depth if self._ranked else 0

    @property
    def done(self) -> bool:
        """True if nothing is left to ask; then `closest` is the result (empty: all failed)."""
        if not self._may_ask:
            return not self._asked
        nearest = self._ranked[: self._width]
        return all(entry.progress is _Progress.ANSWERED for entry in nearest)

    def knows(self, node_id: bytes) -> bool:
        """True if this contact was heard of: nothing new can be heard of it."""
        return node_id in self._entries

    def next_to_ask(self) -> list[Contact]:
        """Whom to ask now, marked as asked: as many as keep PARALLEL questions in flight."""
        chosen = []
        for entry in self._ranked[: self._width]:
            if self._asked >= PARALLEL or not self._may_ask:
                break
            if entry.progress is _Progress.HEARD:
                entry.progress = _Progress.ASKED
                self._asked += 1
                self._may_ask -= 1
                chosen.append(entry.contact)
        if not self._may_ask:  # who was only heard of is no part of the result
            self._ranked = [e for e in self._ranked if e.progress is not _Progress.HEARD]
        return chosen

    def answered(self, node_id: NodeId, contacts: list[Contact]) -> None:
        """One that was asked named these contacts."""
        entry = self._entries[node_id]
        if entry.progress is _Progress.LATE:
            self._ranked.append(entry)
            self._ranked.sort(key=_distance)
        elif entry.progress is _Progress.ASKED:
            self._asked -= 1
        else:
            return
        entry.progress = _Progress.ANSWERED
        self._hear(contacts, entry.depth + 1)

    def late(self, node_id: NodeId) -> None:
        """One that was asked has not answered in time: it does not count unless it does."""
        self._leave_out(node_id, _Progress.LATE)

    def failed(self, node_id: NodeId) -> None:
        """One that was asked cannot be reached."""
        self._leave_out(node_id, _Progress.FAILED)

    def _leave_out(self, node_id: NodeId, progress: _Progress) -> None:
        entry = self._entries[node_id]
        if entry.progress is _Progress.ASKED:
            self._asked -= 1
            self._ranked.remove(entry)
            entry.progress = progress

    def closest(self, count: int = BUCKET_SIZE) -> list[Contact]:
        """The closest that are not known to be gone, nearest first."""
        return [entry.contact for entry in self._ranked[:count]]

    def silent(self) -> list[Contact]:
        """Those that were asked and have not answered, in the order in which they were heard of."""
        entries = self._entries.values()
        return [entry.contact for entry in entries if entry.progress in _SILENT]
