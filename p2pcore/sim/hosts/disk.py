"""The disk of one simulated machine: what was written, what was synced, and what goes wrong.

Theory of operation. As on real disks, what is written waits, and is there for good when a sync is
over: the changes that wait are one group, whose sync takes time, and meanwhile the next group
gathers. When the process dies or the power goes, what was not synced is lost, but for its
beginning, by chance; and the change after that may be *torn*: there, but not as it was written. A
disk that is full refuses groups with values; one that is broken fails, and stays so; one that rots
changes what was kept. What is read back comes `read_us` later, if it is there as it was written.

Rule: keeps what it is given, sealed as on a real disk; knows nothing of records.
"""

from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from p2pcore.effects import Persist, Recall
from p2pcore.errors import ConfigError
from p2pcore.ids import Key
from p2pcore.sim.engine import Engine
from p2pcore.sim.streams import Stream
from p2pcore.storage.store import Saved, seal_of

__all__ = ["Disk", "DiskProfile"]

Said = Callable[[str, int, str], None]
Found = Callable[[int, Saved | None], None]


@dataclass(frozen=True, kw_only=True)
class DiskProfile:
    """How fast a disk is.

    Raises:
        ConfigError: it is less than nothing.
    """

    sync_us: int = 2_000
    """What a sync takes, however much is synced: 100 to 5,000 on virtual disks (November 2026)."""

    change_us: int = 3
    """What each change takes beside that."""

    read_us: int = 100
    """What it takes to read a record back, beside what is being synced."""

    def __post_init__(self) -> None:
        if self.sync_us < 0 or self.change_us < 0:
            times = f"{self.sync_us!r} and {self.change_us!r}"
            raise ConfigError(f"sync_us and change_us must be 0 or more, not {times}")
        if self.read_us < 0:
            raise ConfigError(f"read_us must be 0 or more, not {self.read_us!r}")


class Disk:
    """One disk. It outlives the processes of its machine.

    Args:
        engine: tells the time.
        rng: what is left to chance.
        profile: how fast it is.
    """

    def __init__(self, engine: Engine, rng: Stream, profile: DiskProfile) -> None:
        self._engine = engine
        self._rng = rng
        self._profile = profile
        self._kept: dict[Key, Saved] = {}  # for good
        self._torn: list[Saved] = []
        self._waiting: list[Persist] = []
        self._group: list[Persist] = []  # that is being synced
        self._sync = 0  # counts syncs, and what ends them: an old one's end is no business of ours
        self._said: Said = _nobody
        self._found: Found = _no_reader
        self._life = 0  # counts processes: what an old one wanted to read is no business of ours
        self._slowness = 1
        self.full = False
        """There is no room for values."""
        self.broken = False
        """Each sync fails."""

    def open(self, said: Said, found: Found | None = None) -> list[Saved]:
        """A process begins to use it. Returns what is there, in the order in which it came.

        Args:
            said: told "persisted", "refused" or "failed"; up to which number; why.
            found: told a row, and what is there; None: nothing that is as it was written.
        """
        self._forget()
        self._said, self._found = said, found or _no_reader
        everything, self._torn = [*self._kept.values(), *self._torn], []
        return everything

    def write(self, change: Persist) -> None:
        """Have this written, after what came before."""
        self._waiting.append(change)
        if not self._group:
            self._begin()

    def read(self, wanted: Recall) -> None:
        """Have this read back."""
        due_ns = self._engine.now_ns + 1000 * self._profile.read_us * self._slowness
        self._engine.at(due_ns, self._read, wanted, self._life)

    def _read(self, wanted: Recall, life: int, _: None = None) -> None:
        if life == self._life:
            kept = self._kept.get(wanted.key)
            there = kept is not None and kept.row == wanted.row and kept.is_sound
            self._found(wanted.row, kept if there else None)

    def version(self, key: Key) -> bytes:
        """The version that is there for good; empty: none."""
        kept = self._kept.get(key)
        return kept.version if kept is not None else b""

    def finish(self) -> None:
        """The process ends in good order: what waits is written."""
        if not (self.broken or self.full):
            self._keep(self._group + self._waiting)
        self._forget()

    def cut(self) -> None:
        """The process is gone. Of what was not synced, a beginning may be there, and a torn end."""
        lost = self._group + self._waiting
        if lost and not (self.broken or self.full):
            count = self._rng.below(len(lost) + 1)
            self._keep(lost[:count])
            if count < len(lost) and lost[count].version is not None and self._rng.below(2):
                torn = _sealed(lost[count])
                value = torn.value[: len(torn.value) // 2] if torn.value else b"torn"
                self._torn.append(replace(torn, value=value))
        self._forget()

    def wipe(self) -> None:
        """Nothing is there any more."""
        self._kept.clear()
        self._torn.clear()

    def rot(self, count: int) -> None:
        """So many records that have a value are not what was written."""
        keys = [key for key, kept in self._kept.items() if kept.value]
        for key in self._rng.sample(keys, min(count, len(keys))):
            kept = self._kept[key]
            assert kept.value is not None
            place = self._rng.below(len(kept.value))
            flipped = bytearray(kept.value)
            flipped[place] ^= 1 << self._rng.below(8)
            self._kept[key] = replace(kept, value=bytes(flipped))

    # Syncing

    def _begin(self) -> None:
        self._group = self._next_group()
        del self._waiting[: len(self._group)]
        if self._group:
            self._plan_end()

    def _plan_end(self) -> None:
        self._sync += 1
        profile = self._profile
        cost_us = profile.sync_us * self._slowness + profile.change_us * len(self._group)
        self._engine.at(self._engine.now_ns + 1000 * cost_us, self._synced, self._sync)

    @property
    def slowness(self) -> int:
        """A sync takes so many times as long; one that is under way begins anew when it changes."""
        return self._slowness

    @slowness.setter
    def slowness(self, slowness: int) -> None:
        self._slowness = slowness
        if self._group:
            self._plan_end()

    def _next_group(self) -> list[Persist]:
        """All that waits; on a full disk, all of one kind."""
        waiting = self._waiting
        if not self.full:
            return waiting[:]
        kinds = [change.value is None for change in waiting]
        return waiting[: (kinds.index(not kinds[0]) if len(set(kinds)) == 2 else len(kinds))]

    def _synced(self, sync: int, _: None = None, __: None = None) -> None:
        if sync != self._sync or not self._group:
            return
        group, self._group = self._group, []
        number = group[-1].number
        if self.broken:
            self._forget()
            self._said("failed", number, "a sync has failed")
        elif self.full and any(change.value is not None for change in group):
            self._said("refused", number, "no space left")
        else:
            self._keep(group)
            self._said("persisted", number, "")
        if self._waiting and not self._group:
            self._begin()

    def _keep(self, changes: list[Persist]) -> None:
        for change in changes:
            self._kept.pop(change.key, None)  # what is newer comes last
            if change.version is not None:
                self._kept[change.key] = _sealed(change)

    def _forget(self) -> None:
        self._sync += 1
        self._life += 1
        self._group, self._waiting = [], []


def _sealed(change: Persist) -> Saved:
    assert change.version is not None
    told = change.key, change.version, change.value, change.expires_ms
    return Saved(*told, seal_of(*told, change.name), change.name, change.number)


def _nobody(what: str, number: int, why: str) -> None:
    """Stands for a process that is not there."""


def _no_reader(row: int, found: Saved | None) -> None:
    """The same, where something is read."""
