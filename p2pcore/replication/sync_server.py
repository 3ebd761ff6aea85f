"""What a node answers when its peers compare their records with its own.

Rule: answers from what is held, whoever asks for it; `ownership.py` says which records count.
"""

from p2pcore.contact import point_of
from p2pcore.effects import Instant
from p2pcore.ids import ID_BITS, Key
from p2pcore.replication.ownership import Ownership, Standing
from p2pcore.session.link import Link
from p2pcore.session.links import Links
from p2pcore.storage.memory import MemoryStore, slot_of
from p2pcore.wire.limits import MAX_BATCH_ITEMS, SLOT_BITS
from p2pcore.wire.messages import Confirm, Confirmed, Entry, Listed, ListKeys, Survey, Surveyed

__all__ = ["SyncServer"]


class SyncServer:
    """The answering side of syncs and hand-overs; registers its handlers with the links."""

    def __init__(self, links: Links, store: MemoryStore, ownership: Ownership) -> None:
        self._links = links
        self._store = store
        self._ownership = ownership
        links.handlers |= {
            Survey: self._on_survey,
            ListKeys: self._on_list_keys,
            Confirm: self._on_confirm,
        }

    def _on_survey(self, link: Link, request: Survey, now: Instant) -> None:
        """Which slots are the asker's is judged by the members that it knows, not by ours: it may
        know of a loss, or of a newcomer, before we do."""
        self._ownership.met(ready=request.ready)
        slots = self._slots_near(point_of(link.peer_id), request.members) if self._store else []
        self._links.reply(link, Surveyed(request.id, self._ownership.joined, slots))

    def _slots_near(self, asker: int, members: list[bytes]) -> list[tuple[int, int]]:
        """(slot, digest) of those that may be the asker's, being one of these members."""
        shift = ID_BITS - SLOT_BITS
        asker >>= shift
        others = [point_of(member) >> shift for member in members]
        replicas = self._ownership.replicas
        slots = []
        for slot, digest in self._store.slots():
            distance = asker ^ slot
            if len([1 for other in others if other ^ slot < distance]) < replicas:
                slots.append((slot, digest))
        return slots

    def _on_list_keys(self, link: Link, request: ListKeys, now: Instant) -> None:
        first = slot_of(request.after) if request.after else 0
        entries: list[Entry] = []
        for slot in sorted(request.slots):
            if slot < first:
                continue
            for key in self._store.keys(slot):
                record = self._store.held(key)
                if key > request.after and record is not None:
                    if len(entries) == MAX_BATCH_ITEMS:
                        self._links.reply(link, Listed(request.id, entries, True))
                        return
                    entries.append(Entry(key, record.version, record.lasts_ms))
        self._links.reply(link, Listed(request.id, entries, False))

    def _on_confirm(self, link: Link, request: Confirm, now: Instant) -> None:
        lacking, unready = [], []
        for place, entry in enumerate(request.entries):
            key = Key(entry.key)
            if self._store.lacks(key, entry.version, entry.lasts_ms, now.wall_ms):
                lacking.append(place)
            if self._ownership.standing(point_of(entry.key)) is not Standing.READY:
                unready.append(place)
        self._links.reply(link, Confirmed(request.id, lacking, unready))
