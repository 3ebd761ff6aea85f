"""Lost contacts: who went without a goodbye is looked for, for a while.

Two sides of a network that was cut in two have forgotten each other when the cut is healed; the
book is what each remembers of the other. One answer is enough: it is linked, and both sides learn
of everybody else by looking around.

Rule: says whom to dial and when; does not dial.
"""

from collections.abc import Callable
from random import Random

from p2pcore.contact import Contact
from p2pcore.effects import Instant
from p2pcore.ids import NodeId

__all__ = ["MAX_LOST", "LostContacts"]

MAX_LOST = 64  # the latest; of a side that is that large, a few are enough to find all
FIRST_NS = 1_000_000_000  # between two looks for one contact; doubles up to the longest
LONGEST_NS = 60_000_000_000
KEPT_NS = 24 * 3_600_000_000_000  # as long as tombstones are, by default


class _Entry:
    __slots__ = ("contact", "due_ns", "lost_ns", "tries")

    def __init__(self, contact: Contact, lost_ns: int) -> None:
        self.contact = contact
        self.lost_ns = lost_ns
        self.due_ns = 0
        self.tries = 0


class LostContacts:
    """At most MAX_LOST contacts that stopped answering.

    Args:
        kept_ns: how long each is looked for.
    """

    def __init__(self, rng: Random, *, kept_ns: int = KEPT_NS) -> None:
        self._rng = rng
        self._kept_ns = kept_ns
        self._entries: dict[NodeId, _Entry] = {}  # longest lost first
        self.wake_at_ns: int | None = None  # when `due` has somebody, in monotonic ns

    def __contains__(self, node_id: NodeId) -> bool:
        return node_id in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, contact: Contact, now: Instant) -> None:
        """This contact does not answer any more."""
        if contact.node_id not in self._entries:
            if len(self._entries) >= MAX_LOST:
                del self._entries[next(iter(self._entries))]
            entry = self._entries[contact.node_id] = _Entry(contact, now.mono_ns)
            self._postpone(entry, now)
            self._arm()

    def remove(self, node_id: NodeId) -> None:
        """This contact is there again, or will not come back."""
        if self._entries.pop(node_id, None) is not None:
            self._arm()

    def expel(self, admits: Callable[[NodeId], bool]) -> None:
        """Look no more for those that are not admitted."""
        for node_id in [node_id for node_id in self._entries if not admits(node_id)]:
            self.remove(node_id)

    def due(self, now: Instant) -> list[Contact]:
        """Whom to look for now; each is due again later, until its time is over."""
        contacts = []
        for node_id, entry in list(self._entries.items()):
            if now.mono_ns - entry.lost_ns >= self._kept_ns:
                del self._entries[node_id]
            elif now.mono_ns >= entry.due_ns:
                contacts.append(entry.contact)
                self._postpone(entry, now)
        self._arm()
        return contacts

    def _arm(self) -> None:
        self.wake_at_ns = min((entry.due_ns for entry in self._entries.values()), default=None)

    def _postpone(self, entry: _Entry, now: Instant) -> None:
        delay_ns = min(LONGEST_NS, FIRST_NS << min(entry.tries, 10))
        entry.tries += 1
        entry.due_ns = now.mono_ns + round(delay_ns * self._rng.uniform(0.75, 1.25))
