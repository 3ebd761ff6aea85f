"""The core, broken on purpose in twenty-four ways: what the checkers are there to catch.

Each is a patch of one or two methods of the live core, undone at the end of its `with` block.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from p2pcore.contact import Contact
from p2pcore.effects import Instant
from p2pcore.overlay.lookup import Lookup, _Progress
from p2pcore.overlay.lost import LostContacts
from p2pcore.overlay.table import ContactTable
from p2pcore.replication import batch_read, custody, reads, sketches
from p2pcore.replication.handover import Handover
from p2pcore.replication.journal import Journal
from p2pcore.replication.operations import WriteOperation
from p2pcore.replication.ownership import Ownership, Standing
from p2pcore.replication.replica import Replica
from p2pcore.session import links
from p2pcore.session.link import Call, Link
from p2pcore.session.links import Links
from p2pcore.session.pending import PendingCalls
from p2pcore.session.timeouts import Timeouts
from p2pcore.storage import memory
from p2pcore.storage.logged import LoggedStore
from p2pcore.storage.memory import MemoryStore, Record
from p2pcore.storage.store import Saved
from p2pcore.versions import HybridClock
from p2pcore.wire.messages import Confirmed
from tests.sim import broken_windows
from tests.sim.broken_windows import Patch


def acknowledge_before_w() -> list[Patch]:
    """One replica is enough."""
    return [(WriteOperation, "needed", property(lambda self: 1, _nothing))]


def no_read_repair() -> list[Patch]:
    """Replicas that answered with less than the newest do not get it."""
    return [(reads, "repair", _nothing), (batch_read, "repair", _nothing)]


def tombstone_lost() -> list[Patch]:
    """A deletion removes the record, and leaves nothing behind."""
    keep = MemoryStore.put

    def put(self: MemoryStore, key: Any, record: Record, wall_ms: int) -> Any:
        newer = keep(self, key, record, wall_ms)
        if newer is None and record.value is None and key in self._records:
            self._remove(key, self._records[key])
        return newer

    return [(MemoryStore, "put", put)]


def expiry_is_a_write() -> list[Patch]:
    """A record that has expired by one clock is a tombstone of its version, for good."""

    def lacks(self: MemoryStore, key: Any, version: bytes, lasts_ms: int, wall_ms: int) -> bool:
        return (self.version(key) or b"") < version

    return [
        (MemoryStore, "lacks", lacks),
        *(
            (module, "face_of", lambda record: record.version)
            for module in (memory, custody, sketches)
        ),
        (Replica, "_watch_clock", _nothing),
    ]


def stale_version_acknowledged() -> list[Patch]:
    """A replica that holds a newer version says that it has stored the older one."""
    keep = MemoryStore.put

    def put(self: MemoryStore, key: Any, record: Record, wall_ms: int) -> None:
        keep(self, key, record, wall_ms)

    return [(MemoryStore, "put", put)]


def ready_before_handoff() -> list[Patch]:
    """Whoever is close enough counts, whatever it has been given."""

    def judge(self: Ownership, point: int) -> Standing:
        near = self._table.rank_of_owner(point) < self.replicas and not self.leaving
        return Standing.READY if near else Standing.NOT_REPLICA

    return [(Ownership, "_judge", judge)]


def drop_before_confirmation() -> list[Patch]:
    """What is not a node's any more is gone at once."""
    gather = Handover._extras

    def extras(self: Handover, keys: list[Any]) -> list[Any]:
        for entry in gather(self, keys):
            self._store.drop(entry.key, entry.version)
        return []

    return [(Handover, "_extras", extras)]


def bucket_without_liveness_check() -> list[Patch]:
    """A newcomer takes the place of the stalest member of a full bucket, which nobody asks."""
    hear = ContactTable.heard_from

    def heard_from(self: ContactTable, contact: Contact) -> None:
        stalest = hear(self, contact)
        if stalest is not None:
            self.remove(stalest.node_id)

    return [(ContactTable, "heard_from", heard_from)]


def lookup_stops_early() -> list[Patch]:
    """The first answer is taken for the last."""

    def done(self: Lookup) -> bool:
        nearest = self._ranked[: self._width]
        return not nearest or any(e.progress is _Progress.ANSWERED for e in self._ranked)

    return [(Lookup, "done", property(done))]


def request_table_grows() -> list[Patch]:
    """A call that is over leaves something behind."""
    drop = Links.drop

    def leave_behind(self: Links, call: Call) -> None:
        drop(self, call)
        self.calls[-call.id] = Call(-call.id, 1 << 62)

    return [(Links, "drop", leave_behind)]


def lost_contacts_stay_lost() -> list[Patch]:
    """Who is back is looked for all the same."""
    return [(LostContacts, "remove", _nothing)]


def reply_to_the_wrong_request() -> list[Patch]:
    """Any call that waits for this peer gets its reply."""
    match = PendingCalls.on_reply

    def on_reply(self: PendingCalls, link: Link, message: Any, now: Instant) -> None:
        for call in self.calls.values():
            if link.peer_id in call.outstanding:
                del call.outstanding[link.peer_id]
                call.replied(link.peer_id, message, now)
                return
        match(self, link, message, now)

    return [(PendingCalls, "on_reply", on_reply)]


def impatient() -> list[Patch]:
    """Replicas are waited for for as long as an answer takes on the way. (Lookups, which ask one at
    a time, have their time: or a network may not come up at all.) It is noticed within 1 ms."""
    patient = Timeouts.of

    def of(self: Timeouts, contacts: Iterable[Contact], now: Instant) -> int:
        asked = list(contacts)
        return 1 if len(asked) > 1 else patient(self, asked, now)

    return [(Timeouts, "of", of), (links, "SWEEP_NS", 1_000_000)]


def acknowledge_before_sync() -> list[Patch]:
    """A replica answers from memory, and syncs later."""
    return [(Journal, "reply", lambda self, link, reply: self._links.reply(link, reply))]


def hand_over_not_synced() -> list[Patch]:
    """A newcomer counts, and confirms, what its disk does not have yet."""
    hold = Journal.reply

    def reply(self: Journal, link: Link, reply: Any) -> None:
        if isinstance(reply, Confirmed):
            self._low = self._high = 0
        hold(self, link, reply)

    return [
        (Journal, "reply", reply),
        (Journal, "when_settled", lambda self, settled, now: settled(now)),
    ]


def clock_back_after_restart() -> list[Patch]:
    """Versions begin with the time of day, whatever was written of the clock."""

    def nothing(self: HybridClock, version: bytes) -> None:
        self._last = max(self._last, 0 if version[8:] == bytes(8) else int.from_bytes(version[:8]))

    return [(HybridClock, "observe", nothing)]


def checksum_unchecked() -> list[Patch]:
    """What a disk gives back is what was written."""
    return [(Saved, "is_sound", property(lambda self: True))]


def index_ahead_of_the_log() -> list[Patch]:
    """What is in memory counts as held, on disk or not: a retry is acknowledged at once."""
    return [(LoggedStore, "lacks", MemoryStore.lacks)]


BROKEN: dict[str, tuple[Callable[[], list[Patch]], str]] = {
    "acknowledge before W": (acknowledge_before_w, ""),
    "no read repair": (no_read_repair, "halfway"),
    "tombstone lost": (tombstone_lost, ""),
    "expiry is a write": (expiry_is_a_write, "clocks"),
    "stale version acknowledged": (stale_version_acknowledged, ""),
    "ready before hand-off": (ready_before_handoff, ""),
    "drop before confirmation": (drop_before_confirmation, ""),
    "bucket without liveness check": (bucket_without_liveness_check, "large"),
    "lookup that stops a round early": (lookup_stops_early, "large"),
    "request table that grows": (request_table_grows, ""),
    "lost contacts that grow": (lost_contacts_stay_lost, ""),
    "impatience": (impatient, "calm"),
    "reply matched to the wrong request": (reply_to_the_wrong_request, ""),
    "acknowledge before sync": (acknowledge_before_sync, "blackout"),
    "hand-over not synced": (hand_over_not_synced, "disks"),
    "clock back after restart": (clock_back_after_restart, "blackout"),
    "checksum unchecked": (checksum_unchecked, "disks"),
    "index ahead of the log": (index_ahead_of_the_log, "disks"),
    "gone before hand-over": (broken_windows.gone_before_hand_over, "farewell"),
    "given up when sent": (broken_windows.given_up_when_sent, "moments"),
    "second loss forgotten": (broken_windows.second_loss_forgotten, "second-loss"),
    "client gives up": (broken_windows.client_gives_up, "long-cut"),
    "end by the clock of its node": (broken_windows.end_by_the_clock_of_its_node, "jumps"),
    "place not given back": (broken_windows.place_not_given_back, "rush"),
}
"""Every way, with the scenario that is played; empty: the one that a sweep draws."""


@contextmanager
def broken(name: str) -> Iterator[str]:
    """Within it, the core is broken in this way. Gives the name of the scenario."""
    make, scenario = BROKEN[name]
    with ExitStack() as patches:  # where one can't be made, those before it are undone
        for each in make():
            patches.enter_context(patch.object(*each))
        yield scenario


def _nothing(*_: object) -> None:
    pass
