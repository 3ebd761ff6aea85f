"""Names of listed records: what makes one true, and which ones a node tells of.

Theory of operation. A record that is stored with `listed=True` has its name beside its value,
wherever that is kept and sent; else its key, a hash, is all that nodes know. The name is of the
record's newest version: a delete, or a store that is not listed, ends it. A node keeps the keys of
listed records in their order and tells their names in pages (`ListNames`), of which each takes a
bounded time and a bounded answer, however many records there are and however few begin with what is
asked for. `scan.py` puts the pages of several nodes together.

Rule: a name whose hash is not the key goes nowhere from here.
"""

from hashlib import sha256

from msgspec.structs import replace

from p2pcore.effects import Instant
from p2pcore.replication.ownership import Ownership
from p2pcore.session.link import Link
from p2pcore.session.links import Links
from p2pcore.storage.store import RecordStore
from p2pcore.wire.limits import MAX_BATCH_ITEMS, MAX_NAMES_BYTES
from p2pcore.wire.messages import ListNames, NamesListed, NotReady

__all__ = ["NameServer", "is_false_name"]

LOOKS = 512  # listed records looked at for one page: 0.5 ms


def is_false_name(key: bytes, name: bytes) -> bool:
    """True if this can't be the name of the record of that key."""
    return sha256(name).digest() != key


class NameServer:
    """Answers `ListNames`; registers its handler with the links. Any member may ask."""

    def __init__(self, links: Links, store: RecordStore, ownership: Ownership) -> None:
        self._links = links
        self._store = store
        self._ownership = ownership
        links.handlers[ListNames] = self._on_list_names

    def _on_list_names(self, link: Link, request: ListNames, now: Instant) -> None:
        ownership = self._ownership
        if ownership.settled or (ownership.joined and ownership.missed):
            page = self._page(request, now.wall_ms)
            self._links.reply(link, replace(page, partial=True) if ownership.missed else page)
        else:
            self._links.counters.not_ready += 1
            self._links.reply(link, NotReady(request.id, now.delay))

    def _page(self, request: ListNames, wall_ms: int) -> NamesListed:
        """The next names from what is held, whether or not it is this node's to keep: others may
        not have it yet, and who asks knows whom it asks for what."""
        limit, room = min(request.limit, MAX_BATCH_ITEMS), MAX_NAMES_BYTES
        names: list[bytes] = []
        reached = request.after
        keys = self._store.named_after(request.after, LOOKS)
        for key in keys:
            record = self._store.held(key)
            if key > request.last or record is None or record.name is None:
                break
            if not 0 < record.expires_ms <= wall_ms and record.name.startswith(request.prefix):
                if len(names) == limit or len(record.name) > room:
                    return NamesListed(request.id, names, reached)
                names.append(record.name)
                room -= len(record.name)
            reached = key
        else:
            if len(keys) == LOOKS:
                return NamesListed(request.id, names, reached)
        return NamesListed(request.id, names, request.last)
