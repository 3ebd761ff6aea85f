"""What a node keeps on disk: its directory, locked; its records, brought back, written and read.

Theory of operation. `DiskRecords` takes the lock and opens the file; `bring_back` reads in a thread
what is known of all records but their values, and hands it to the node before that joins: nobody
else is at it then. From then on a `Writer` writes what the node's journal wants, a `Reader` reads
the values that it wants back, and their word comes in the loop. A file that is damaged is set aside
under a name of its own, and the node begins empty: the others have its records.

Rule: carries out and reports; what follows from a disk's trouble is decided in the core.
"""

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from p2pcore.aio.database import (
    FILE,
    BrokenDiskError,
    DamagedError,
    Database,
    ForeignError,
    FullDiskError,
)
from p2pcore.aio.files import PLACE, DirectoryLock, place_of
from p2pcore.aio.reader import Found, Reader
from p2pcore.aio.system import now
from p2pcore.aio.writer import Writer
from p2pcore.effects import Persist, Recall
from p2pcore.errors import ConfigError
from p2pcore.replication.journal import Journal

__all__ = ["DiskRecords"]

log = logging.getLogger("p2pcore")

SUFFIXES = ("", "-wal", "-shm")

Reported = Callable[[], None]


class DiskRecords:
    """The records of one node in its directory, as long as it runs.

    Args:
        directory: its data directory.
        journal: of the node; None: records stay in memory, and only the lock is held.
        synced: a change counts when it is synced; else when the system has it.
        max_bytes: what records may take on disk.
        reported: called in the loop whenever the journal was told something.

    Raises:
        ConfigError: another node uses the directory, or its records can't be used.
    """

    def __init__(
        self,
        directory: Path,
        journal: Journal | None,
        *,
        synced: bool,
        reported: Reported,
        max_bytes: int = 1 << 62,
    ) -> None:
        self._lock = DirectoryLock(directory)
        self._path = directory / FILE
        self._journal = journal
        self._synced = synced
        self._max_bytes = max_bytes
        self._reported = reported
        self._loop = asyncio.get_running_loop()
        self._database: Database | None = None
        self._writer: Writer | None = None
        self._reader: Reader | None = None
        self._examination: threading.Thread | None = None
        self.on_failed: Callable[[str], None] = log.error
        """Called in the loop when the disk has failed."""
        try:
            if journal is not None:
                self._database = self._open(self._path, synced)
        except BaseException:
            self._lock.release()
            raise

    def _open(self, path: Path, synced: bool) -> Database:
        fresh = not path.exists() or not path.stat().st_size
        try:
            database = Database(path, synced=synced)
        except DamagedError as error:
            self._set_aside(path, error)
            return self._open(path, synced)
        except (ForeignError, BrokenDiskError, FullDiskError) as error:
            raise ConfigError(f"data_dir: {path} can't be used: {error}") from error
        try:
            if fresh:
                database.note(PLACE, place_of(path))
            elif database.state(PLACE) not in (None, place_of(path)):
                database.close()
                raise ConfigError(_copied(path))
        except DamagedError as error:
            database.close()
            self._set_aside(path, error)
            return self._open(path, synced)
        except (BrokenDiskError, FullDiskError) as error:
            database.close()
            raise ConfigError(f"data_dir: {path} can't be used: {error}") from error
        return database

    def _set_aside(self, path: Path, error: Exception) -> None:
        """Keep a damaged file under another name, and begin without it."""
        if self._journal is not None:
            self._journal.notes.in_doubt = True
        aside = f"{path}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
        for suffix in SUFFIXES:
            with contextlib.suppress(FileNotFoundError):
                os.rename(f"{path}{suffix}", f"{aside}{suffix}")
        log.error("%s is damaged (%s): kept as %s; the others have its records", path, error, aside)

    # Before the node joins

    async def bring_back(self) -> None:
        """Hand over what is on disk, and begin to write.

        Raises:
            ConfigError: it is too old, or too much.
        """
        journal, database = self._journal, self._database
        if journal is None or database is None:
            return
        try:
            await self._loop.run_in_executor(None, self._take_back, database, journal)
        except DamagedError as error:
            database.close()
            self._set_aside(database.path, error)
            self._database = database = self._open(database.path, self._synced)
            journal.begin_empty()
        except (BrokenDiskError, FullDiskError) as error:
            raise ConfigError(f"data_dir: {database.path} can't be read: {error}") from error
        except ConfigError as error:
            raise ConfigError(f"data_dir: {database.path}: {error}") from None
        try:
            journal.open(now())
        except ConfigError as error:
            raise ConfigError(f"data_dir: {database.path}: {error}") from None
        self._writer = Writer(database, self._told, self._max_bytes)
        self._reader = Reader(database.path, self._found)

    def _take_back(self, database: Database, journal: Journal) -> None:
        """In a thread, before anybody else is at the journal."""
        for complaint in (*database.complaints("meta"), *database.complaints("state")):
            raise DamagedError(complaint)
        gone: list[int] = []
        for rows, notes, damaged in database.heads():
            gone += journal.take_back(rows)
            gone += damaged
            journal.restore(notes, now())
            journal.damaged += damaged
        database.forget(gone)
        journal.taken_back(database.last_row())
        if journal.damaged:
            for complaint in database.complaints():
                raise DamagedError(complaint)
            log.error(
                "%d records in %s were damaged and are left out; the others have them",
                len(journal.damaged),
                database.path,
            )

    def tell_commits(self, tell: Callable[[float], object]) -> None:
        """Tell from now on, in the writer's thread, how many seconds each group took."""
        if self._writer is not None:
            commit = self._writer.write_group

            def timed(group: list[Persist]) -> None:
                began_s = time.perf_counter()
                commit(group)
                tell(time.perf_counter() - began_s)

            self._writer.write_group = timed

    def write(self, wanted: Persist | Recall) -> None:
        """Have a change written, or a row read; the journal is told when it is."""
        assert self._writer is not None, "records are brought back before anything is changed"
        if isinstance(wanted, Persist):
            self._writer.write(wanted)
        else:
            assert self._reader is not None
            self._reader.read(wanted.row)

    # While it runs

    def _told(self, what: str, number: int, reason: str) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed
            self._loop.call_soon_threadsafe(self._tell, what, number, reason)

    def _tell(self, what: str, number: int, reason: str) -> None:
        journal = self._journal
        assert journal is not None
        if what == "persisted":
            journal.persisted(number, now())
        elif what == "refused":
            journal.refused(number, reason, now())
        else:
            journal.failed(reason, now())
            self.on_failed(reason)
        self._reported()

    def _found(self, found: Found) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed
            self._loop.call_soon_threadsafe(self._tell_found, found)

    def _tell_found(self, found: Found) -> None:
        assert self._journal is not None
        recalls = self._journal.recalls
        for row, saved in found:
            if not recalls.recalled(row, saved, now()):
                log.error("a record in %s was damaged; the others have it", self._path)
                self._suspect()
        self._reported()

    def _suspect(self) -> None:
        """Where a record is damaged, the tree that it stands in may be: have SQLite look at all of
        the file."""
        if self._examination is None or not self._examination.is_alive():
            name = "p2pcore examination"
            self._examination = threading.Thread(target=self._examine, name=name, daemon=True)
            self._examination.start()

    def _examine(self) -> None:
        assert self._writer is not None
        try:
            with contextlib.closing(Database(self._path, read_only=True)) as database:
                complaints = database.complaints()
        except (DamagedError, BrokenDiskError) as error:
            complaints = [str(error)]
        if complaints:
            self._writer.condemn(DamagedError(complaints[0]))

    def finish(self) -> None:
        """Write what waits, close the file and give the directory back. Blocks until the disk has
        done it; may be repeated, in any thread."""
        if self._reader is not None:
            self._reader.close()
        if self._examination is not None:
            self._examination.join()
        if self._writer is not None:
            self._writer.close()
            damage, self._writer.damage = self._writer.damage, None
            if damage is not None:
                self._set_aside(self._path, damage)  # the next start would find the same
        elif self._database is not None:
            self._database.close()
        self._lock.release()


def _copied(path: Path) -> str:
    return (
        f"data_dir: {path} is a copy of another file: two nodes with one identity would lose each "
        "other's records. If the original is gone for good, move the copied records away, and the "
        "node gets them from the others; for another node, delete the directory"
    )
