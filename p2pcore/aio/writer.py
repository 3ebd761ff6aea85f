"""The thread that writes records to disk, in groups.

Theory of operation. The loop hands changes over and goes on. The thread takes all that waits, up to
GROUP_CHANGES or GROUP_BYTES, commits it as one transaction, and has the loop told up to which
number all is on disk; what comes meanwhile is the next group. So one change alone waits for one
sync, and with many in flight many share it; there is no timer.

Some of the disk is kept as *ballast*, a file of no use. When there is no room for a group, it is
refused, and the ballast given back: from then on values are refused unseen, and deletes have room.
When there is room for the ballast again, it is made anew, and all is as before.

Beyond `max_bytes` it is the same but for the ballast: values are refused until deletes have made
room.

When there is nothing to write, the log is brought into the file, and free pages are given back.

Rule: one writing connection, in one thread. A commit that failed otherwise than for want of room is
never tried again.
"""

import contextlib
import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from p2pcore.aio.database import BrokenDiskError, DamagedError, Database, FullDiskError
from p2pcore.effects import Persist

__all__ = ["BALLAST_BYTES", "Told", "Writer"]

log = logging.getLogger("p2pcore")

GROUP_CHANGES = 1024
GROUP_BYTES = 4 << 20
WAL_BYTES = 8 << 20  # in the log, before it is brought into the file amid the work: 20 ms
UNBOUNDED = 1 << 40  # so much is not looked at: the disk is full before
CHANGE_BYTES = 200  # of a record on disk beside its value, rounded up
IDLE_S = 2.0  # without work, before it is
BALLAST_FILE = "ballast"
BALLAST_BYTES = 16 << 20  # more than a group, with its pages in log and file, and many deletes

Told = Callable[[str, int, str], None]
"""Called in the writer's thread: "persisted", "refused" or "failed"; up to which number; why."""


class Writer:
    """Writes what it is handed, in order.

    Args:
        database: is this thread's from now on, also to be closed.
        told: what has become of it; not after `close`.
        max_bytes: what records may take on disk.
    """

    def __init__(self, database: Database, told: Told, max_bytes: int = 1 << 62) -> None:
        self._database = database
        self._max_bytes = max_bytes
        self._wal_bytes = min(WAL_BYTES, max_bytes // 8)
        database.limit_log(self._wal_bytes)
        self._over = False  # beyond `max_bytes`
        self._told = told
        self._ballast = database.path.with_name(BALLAST_FILE)
        self._waiting: deque[Persist] = deque()
        self._wakes = threading.Event()
        self._closing = False
        self._broken = False
        self._full = not self._take_ballast()
        self._dirty = True  # there may be something in the log
        self.groups = 0  # that were committed
        self.write_group: Callable[[list[Persist]], None] = lambda group: database.write(group)
        """Commits a group; whoever wants to know how long that takes puts something around it."""
        self.damage: DamagedError | None = None
        """What was found to be damaged of the file, which is of no use any more."""
        self._thread = threading.Thread(target=self._run, name="p2pcore writer", daemon=True)
        self._thread.start()

    def write(self, change: Persist) -> None:
        """Have this written, after all that was handed over before. For the loop's thread."""
        self._waiting.append(change)
        if not self._wakes.is_set():
            self._wakes.set()

    def condemn(self, damage: DamagedError) -> None:
        """The file is of no use any more: write nothing more to it. In any thread."""
        self.damage = damage
        self._wakes.set()

    def close(self) -> None:
        """Write what waits, and end. Takes as long as the disk does. May be repeated."""
        self._closing = True
        self._wakes.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    # In the thread

    def _run(self) -> None:
        try:
            while not self._closing or self._waiting:
                if not self._wakes.wait(IDLE_S if self._dirty else None):
                    self._tidy()
                    continue
                self._wakes.clear()
                if self.damage is not None and not self._broken:
                    self._break(str(self.damage), self.damage)
                while self._waiting and not self._broken:
                    self._write(self._group())
                if self._broken:
                    self._waiting.clear()
        except Exception as error:  # a bug must not look like a slow disk
            log.exception("the writer of %s ends", self._database.path)
            self._break(repr(error))
        finally:
            self._end()

    def _group(self) -> list[Persist]:
        """The next changes that are written together: where there is no ballast, of one kind."""
        group: list[Persist] = []
        size, waiting = 0, self._waiting
        apart = self._full or self._over
        most = min(GROUP_CHANGES, self._database.most_changes)
        while waiting and len(group) < most and size < GROUP_BYTES:
            if group and apart and (waiting[0].value is None) != (group[0].value is None):
                break
            change = waiting.popleft()
            size += len(change.value or b"")
            group.append(change)
        return group

    def _fits(self, group: list[Persist]) -> bool:
        """True if a group stays within `max_bytes`."""
        if self._max_bytes >= UNBOUNDED:
            return True
        size = sum(CHANGE_BYTES + len(change.value or b"") for change in group)
        self._over = self._database.used_bytes + size > self._max_bytes
        return not self._over

    def _write(self, group: list[Persist]) -> None:
        if self._full and group[0].value is not None and not self._take_ballast():
            self._refuse(group, f"less than {BALLAST_BYTES >> 20} MiB are free")
            return
        if not self._fits(group) and any(change.value is not None for change in group):
            used = self._database.used_bytes
            self._refuse(group, f"{used} of {self._max_bytes} bytes are in use (max_disk_bytes)")
            return
        try:
            self._commit(group)
        except FullDiskError as error:
            self._refuse(group, str(error))
        except (BrokenDiskError, DamagedError) as error:
            self._break(str(error), error)
        else:
            self._told("persisted", group[-1].number, "")

    def _refuse(self, group: list[Persist], reason: str) -> None:
        self._database.left_out(group)
        self._told("refused", group[-1].number, reason)

    def _commit(self, group: list[Persist]) -> None:
        self._dirty = True
        try:
            self.write_group(group)
        except FullDiskError:
            removals = all(change.value is None for change in group)
            if not self._give_ballast() or not removals:
                raise
            self.write_group(group)
        self.groups += 1
        if self._database.wal_bytes > self._wal_bytes:
            self._checkpoint()

    def _checkpoint(self) -> None:
        """Bring the log into the file; not on a full disk, where the file would take the room that
        the ballast has left for deletes."""
        if self._full and self._free_bytes() < self._database.wal_bytes + BALLAST_BYTES:
            return
        with contextlib.suppress(FullDiskError):
            self._database.checkpoint()

    def _free_bytes(self) -> int:
        space = os.statvfs(self._ballast.parent)
        return space.f_bavail * space.f_frsize

    def _break(self, reason: str, error: Exception | None = None) -> None:
        self._broken = True
        self.damage = error if isinstance(error, DamagedError) else None
        self._waiting.clear()
        self._told("failed", 0, reason)

    def _tidy(self) -> None:
        """There is nothing to write: leave things small."""
        try:
            self._checkpoint()
            self._dirty = not self._full and self._database.shrink()
        except FullDiskError:
            self._dirty = False
        except (BrokenDiskError, DamagedError) as error:
            self._dirty = False
            self._break(str(error), error)

    def _end(self) -> None:
        with contextlib.suppress(FullDiskError, BrokenDiskError, DamagedError):
            if not self._broken:
                self._database.checkpoint(truncate=True)
        self._database.close()

    # The ballast

    def _take_ballast(self) -> bool:
        """Keep some of the disk; returns whether there is that much."""
        self._full = True
        path: Path = self._ballast
        try:
            there = path.stat().st_size if path.exists() else 0
            if there < BALLAST_BYTES and self._free_bytes() < 2 * BALLAST_BYTES:
                return False
            with path.open("ab") as file:
                if there < BALLAST_BYTES:
                    os.posix_fallocate(file.fileno(), 0, BALLAST_BYTES)
        except OSError:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            return False
        self._full = False
        return True

    def _give_ballast(self) -> bool:
        """Give it back; returns whether there was any."""
        self._full = True
        try:
            self._ballast.unlink()
        except OSError:
            return False
        return True
