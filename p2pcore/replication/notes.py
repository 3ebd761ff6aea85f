"""What a node writes beside its records: how far its clock is, and who its neighbours are.

Theory of operation. The clock of the versions that are made here is on disk ahead of itself: a
version is made only below what was written (`LEASE_MS`), and after a restart they begin there. So
no version is made twice, whatever the time of day was set to meanwhile. The same number says when
this node was last here: one that was away for longer than deletions are remembered would bring
records back.

Who the neighbours are is written as well. When all come back after a cut of the power, nobody
counts and nobody can tell; so each waits for all but W - 1 of those that it knew (`sync.py`).

A record that rots on disk comes from the others again. A note is here only, and without it a node
would not know that it has to wait: so there are two of each, the second under a key of its own, and
what either says is taken. Where both are gone with others, it waits for whoever is there; not where
N is 1, for nobody has what it lacks.

Rule: notes are written and come back as records do, under keys that no record has.
"""

from collections.abc import Callable, Iterable

from p2pcore.effects import Instant
from p2pcore.errors import ConfigError
from p2pcore.ids import Key
from p2pcore.replication.ownership import Ownership
from p2pcore.storage.memory import Record
from p2pcore.storage.store import Saved
from p2pcore.versions import HybridClock, version_at, wall_ms_of

__all__ = ["AGAIN", "CLOCK_KEY", "LEASE_MS", "MEMBERS_KEY", "Notes"]

CLOCK_KEY = Key(b"clock")
"""Under which the clock is written; keys of records have 32 bytes."""

MEMBERS_KEY = Key(b"members")
"""Under which it is written who our neighbours are."""

AGAIN = b" again"  # behind the keys of the second ones
ID_BYTES = 32
SOMEBODY = (bytes(ID_BYTES),) * 64  # more than W - 1, whom nobody meets
LEASE_MS = 10_000  # how far the clock on disk is ahead; well below `max_clock_offset_s`


class Notes:
    """The notes of one node.

    Args:
        clock: makes versions; the notes see to it that it never goes back.
        ownership: learns who was here.
        grace_ms: how long deletions are remembered.
        write: writes a record in the place of a row, and returns its own.
    """

    def __init__(
        self,
        clock: HybridClock,
        ownership: Ownership,
        grace_ms: int,
        write: Callable[[Key, Record, int], int],
    ) -> None:
        self._clock = clock
        self._ownership = ownership
        self._grace_ms = grace_ms
        self._write = write
        self._rows: dict[Key, int] = {}
        self._members: dict[bytes, None] = {}
        self.in_doubt = False
        """Whether something of what was on disk is lost, and so perhaps who the neighbours were."""
        self._lease_ms = 0  # up to here the clock on disk is good
        self.here_ms = 0
        """When this node was last here before it was restarted, in wall-clock time; 0: unknown."""

    def restore(self, saved: Saved) -> bool:
        """Take this back; returns whether it is a note at all."""
        kind = saved.key.removesuffix(AGAIN)
        if kind == CLOCK_KEY:
            self._lease_ms = max(self._lease_ms, wall_ms_of(saved.version))
        elif kind == MEMBERS_KEY:
            self._members |= _ids_of(saved.value or b"")
        else:
            return False
        self._rows[Key(saved.key)] = saved.row
        return True

    def open(self, now: Instant) -> None:
        """All is back: begin.

        Raises:
            ConfigError: it is so old that deleted records would come back.
        """
        away_ms = now.wall_ms - self._lease_ms
        if self._lease_ms and away_ms > self._grace_ms + LEASE_MS:
            raise ConfigError(
                f"the records were last in use {away_ms // 1000} s ago, and deletions are "
                f"remembered for {self._grace_ms // 1000} s: deleted records would come back. "
                "Move the records away, and the node gets them from the others; or, if the whole "
                "network was down, raise tombstone_grace_s beyond that time for this start"
            )
        self.here_ms = max(0, self._lease_ms - LEASE_MS)
        known = MEMBERS_KEY in self._rows or MEMBERS_KEY + AGAIN in self._rows
        shared = self._ownership.replicas > 1
        in_doubt = shared and self.in_doubt and not (known or self._members)
        self._ownership.awaited = SOMEBODY if in_doubt else tuple(self._members)
        if not known:
            self._write_twice(MEMBERS_KEY)
        self._clock.observe(version_at(self._lease_ms))
        self.extend_lease(now)

    def begin_empty(self) -> None:
        """The disk has none of them any more."""
        self._rows.clear()
        self.in_doubt = True

    def extend_lease(self, now: Instant) -> None:
        """Keep the clock on disk ahead of the time. To be called twice within LEASE_MS."""
        reached_ms = max(now.wall_ms, wall_ms_of(self._clock.last))
        if reached_ms + LEASE_MS // 2 >= self._lease_ms:
            self._lease_ms = reached_ms + LEASE_MS
            self._write_twice(CLOCK_KEY)

    def note_members(self, members: Iterable[bytes], *, all_synced: bool) -> None:
        """Write who our neighbours are: after a cut of the power they may have what we lack. One
        that is lost stays among them until what it held was synced."""
        now = dict.fromkeys(members)
        if not all_synced:
            now = self._members | now
        if now.keys() != self._members.keys():
            self._members = now
            self._write_twice(MEMBERS_KEY)

    def _write_twice(self, key: Key) -> None:
        self.write_again(key)
        self.write_again(Key(key + AGAIN))

    def write_again(self, key: Key) -> bool:
        """Write a note as it is now; returns whether this is one at all."""
        kind = key.removesuffix(AGAIN)
        if kind not in (CLOCK_KEY, MEMBERS_KEY):
            return False
        value = b"".join(self._members) if kind == MEMBERS_KEY else None
        record = Record(version_at(self._lease_ms), value, 0)
        self._rows[key] = self._write(key, record, self._rows.get(key, 0))
        return True


def _ids_of(joined: bytes) -> dict[bytes, None]:
    return dict.fromkeys(joined[n : n + ID_BYTES] for n in range(0, len(joined), ID_BYTES))
