"""What a node answers when its peers compare their records with its own.

Only nodes are answered. No answer takes long, however many records there are: what a `Survey` needs
is kept up to date slot by slot, and keys are listed in pages.

Rule: answers from what is held, whatever node asks for it; whether a record counts is
`Ownership`'s business.
"""

from collections.abc import Callable

from p2pcore.contact import point_of
from p2pcore.effects import Instant
from p2pcore.ids import Key
from p2pcore.replication.custody import NONE, shares_of
from p2pcore.replication.ownership import Ownership, Standing
from p2pcore.replication.reconciliation_server import ReconciliationServer
from p2pcore.session.link import Link
from p2pcore.session.links import Links
from p2pcore.session.manners import for_nodes
from p2pcore.storage.memory import slot_of
from p2pcore.storage.store import RecordStore
from p2pcore.wire.limits import MAX_BATCH_ITEMS
from p2pcore.wire.messages import (
    Confirm,
    Confirmed,
    Entry,
    Listed,
    ListKeys,
    Reply,
    Survey,
    Surveyed,
)

__all__ = ["SyncServer"]


class SyncServer:
    """The answering side of syncs and hand-overs; registers its handlers with the links.

    Args:
        promise: sends an answer by which others count on what is held here.
    """

    def __init__(
        self,
        links: Links,
        store: RecordStore,
        ownership: Ownership,
        promise: Callable[[Link, Reply], None],
    ) -> None:
        self._links = links
        self._promise = promise
        self._store = store
        self._ownership = ownership
        self.reconciliations = ReconciliationServer(links, store, ownership)
        links.handlers |= {
            Survey: for_nodes(links, self._on_survey),
            ListKeys: for_nodes(links, self._on_list_keys),
            Confirm: for_nodes(links, self._on_confirm),
        }

    def _on_survey(self, link: Link, request: Survey, now: Instant) -> None:
        """Which slots are the asker's is judged by the members that it knows, not by ours: it may
        know of a loss, or of a newcomer, before we do."""
        self._ownership.met(ready=request.ready)
        if request.salt:
            self._links.reply(link, self.reconciliations.answer(link.peer_id, request))
            return
        slots = self._slots_near(point_of(link.peer_id), request.members) if self._store else []
        self._links.reply(link, Surveyed(request.id, self._ownership.joined, slots))

    def _slots_near(self, asker: int, members: list[bytes]) -> list[tuple[int, int]]:
        """(slot, digest) of those that may be the asker's, being one of these members."""
        others = [point_of(member) for member in members]
        shares = shares_of(asker, others, self._ownership.replicas)
        return [(slot, digest) for slot, digest in self._store.slots() if shares[slot] != NONE]

    def _on_list_keys(self, link: Link, request: ListKeys, now: Instant) -> None:
        slots = dict.fromkeys(sorted(request.slots))
        if len(slots) < len(request.slots):
            text = f"{len(request.slots)} slots are named, of which {len(slots)} are different"
            self._links.accuse(link, text, now)
            return
        first = slot_of(request.after) if request.after else 0
        entries: list[Entry] = []
        for slot in slots:
            if slot < first:
                continue
            room = MAX_BATCH_ITEMS - len(entries)
            for key in self._store.keys(slot, request.after, room + 1):
                record = self._store.held(key)
                if len(entries) == MAX_BATCH_ITEMS:
                    self._links.reply(link, Listed(request.id, entries, True))
                    return
                if record is not None:
                    lasts_ms = 0 if record.value is None else record.expires_ms
                    entries.append(Entry(key, record.version, lasts_ms))
        self._links.reply(link, Listed(request.id, entries, False))

    def _on_confirm(self, link: Link, request: Confirm, now: Instant) -> None:
        lacking, unready = [], []
        for place, entry in enumerate(request.entries):
            key = Key(entry.key)
            if self._store.lacks(key, entry.version, entry.lasts_ms, now.wall_ms):
                lacking.append(place)
            if self._ownership.standing(point_of(entry.key)) is not Standing.READY:
                unready.append(place)
        self._promise(link, Confirmed(request.id, lacking, unready))
