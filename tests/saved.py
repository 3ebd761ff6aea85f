"""What a disk of the tests gives back of what was written to it."""

from functools import partial
from typing import TYPE_CHECKING

from p2pcore.effects import Instant, Persist
from p2pcore.storage.store import Saved, seal_of

if TYPE_CHECKING:
    from tests.net import Peer

__all__ = ["Rotten", "bring_back", "read_back", "saved"]


class Rotten(Persist, frozen=True, gc=False):
    """What was written, and is not on the disk as it was."""


def saved(written: list[Persist]) -> list[Saved]:
    """The last of each key, in the order in which keys came."""
    last = {each.key: each for each in written}
    return [_saved(each) for each in last.values() if each.version is not None]


def bring_back(peer: "Peer", now: Instant) -> None:
    """What is on the disk of a node is in it, but for the values."""
    journal, found = peer.machine.journal, saved(peer.disk)
    notes = [each for each in found if len(each.key) != 32]
    rows = [
        (each.row, each.key, each.version, each.expires_ms, _size(each.value), each.name or b"")
        for each in found
        if len(each.key) == 32
    ]
    assert journal.take_back(rows) == []
    journal.restore(notes, now)
    journal.taken_back(max((each.row for each in found), default=0))
    journal.open(now)


def _size(value: bytes | None) -> int:
    return -1 if value is None else len(value)


def read_back(peer: "Peer") -> None:
    """What a node wants to have read from its disk is there: what is sound of it."""
    wanted, peer.unread = peer.unread, []
    rows = {each.number: _saved(each) for each in peer.disk if each.version is not None}
    for each in wanted:
        row, found = each.row, rows.get(each.row)
        sound = found if found is not None and found.is_sound else None
        peer.tell(partial(peer.machine.journal.recalls.recalled, row, sound))


def _saved(w: Persist) -> Saved:
    assert w.version is not None
    told = w.key, w.version, w.value, w.expires_ms
    seal = seal_of(*told, w.name) ^ isinstance(w, Rotten)
    return Saved(*told, seal, w.name, w.number)
