"""The core, broken on purpose where only narrow windows show it: see `broken.py`, which lists them.

Each is a patch of one or two methods of the live core.
"""

from typing import Any

from p2pcore.effects import Done, Instant
from p2pcore.errors import P2PError, UnreachableError
from p2pcore.overlay.bootstrap import Bootstrap
from p2pcore.replication.coordinating import Coordinating
from p2pcore.replication.handover import Handover, Over, _Part
from p2pcore.replication.ownership import Ownership
from p2pcore.replication.pull import Pull
from p2pcore.replication.sync import Sync, _Session
from p2pcore.session.link import Link
from p2pcore.storage.memory import MemoryStore, Record
from p2pcore.versions import wall_ms_of
from p2pcore.wire.messages import Role, StoreItem

Patch = tuple[object, str, object]


def gone_before_hand_over() -> list[Patch]:
    """Who leaves goes as soon as it has said so."""

    def leave(self: Handover, now: Instant, deadline_ns: int, gone: Over) -> None:
        gone(now)

    return [(Handover, "leave", leave)]


def given_up_when_sent() -> list[Patch]:
    """What was sent to a replica that lacked it counts as confirmed."""
    send = _Part.send

    def send_and_forget(self: _Part, items: list[StoreItem], now: Instant) -> None:
        send(self, items, now)
        if not self._step.ended and items:
            self.lacking.clear()
            self._step.part_over(self, now)

    return [(_Part, "send", send_and_forget)]


def second_loss_forgotten() -> list[Patch]:
    """Who is lost amid the repair of another loss, and was to give what is repaired, counts as
    repaired with it."""
    change, synced, over = Sync.membership_changed, Ownership.synced, _Session.over

    def changed(self: Sync, now: Instant, *, returned: bool, planned: bool = False) -> None:
        if not (self._missed and self._ownership.missed and self._session is not None):
            change(self, now, returned=returned, planned=planned)

    def synced_all(self: Ownership, epoch: int) -> None:
        self._lost.clear()
        synced(self, epoch)

    def over_anyway(
        self: _Session, pull: Pull, problem: str | None, now: Instant, **_: bool
    ) -> None:
        over(self, pull, None, now)

    return [
        (Sync, "membership_changed", changed),
        (Ownership, "synced", synced_all),
        (_Session, "over", over_anyway),
    ]


def client_gives_up() -> list[Patch]:
    """A client that was in the network once never looks for its way in again."""
    ensure = Bootstrap.ensure

    def once(self: Bootstrap, now: Instant, linked: Any) -> None:
        links = self._links
        lost = links.counters.links_opened and not links.linked_nodes()
        if links.role is Role.CLIENT and lost:
            linked(UnreachableError("there is no way back"), now)
        else:
            ensure(self, now, linked)

    return [(Bootstrap, "ensure", once)]


def end_by_the_clock_of_its_node() -> list[Patch]:
    """A record ends so long after its write as it was to, by the clock of who stores it."""
    keep = MemoryStore.put

    def put(self: MemoryStore, key: Any, record: Record, wall_ms: int) -> Any:
        ahead_ms = wall_ms - wall_ms_of(record.version)
        if record.lasts_ms and abs(ahead_ms) > 1000:
            ends_ms = max(1, record.expires_ms + ahead_ms)
            record = Record(record.version, record.value, ends_ms, record.name)
        return keep(self, key, record, wall_ms)

    return [(MemoryStore, "put", put)]


def place_not_given_back() -> list[Patch]:
    """An operation for a peer that fails counts as in flight for ever."""
    begin = Coordinating._over

    def begun(self: Coordinating, op: str, link: Link, answer: Any, began: Instant) -> Done:
        over = begin(self, op, link, answer, began)

        def end(result: object, now: Instant) -> None:
            if isinstance(result, P2PError):
                answer(result)
            else:
                over(result, now)

        return end

    return [(Coordinating, "_over", begun)]
