"""The records of one node in one SQLite file.

Theory of operation. Two tables that only grow at their end, `meta` (what a record is) and `data`
(its value), under one sequence number: keys are hashes, and a tree in their order would write a
random page for each (10 times the bytes at a million records; measured in decision 0016). What is
newer of a key is inserted, and the row before it deleted, in one transaction; which row that is,
whoever writes must say. SQLite writes to a log first, of which it checks every frame: after a kill
or a cut of the power, what was committed is there, and what was not is not.

One connection in one thread writes *and* checkpoints, and no other one writes while it does: SQLite
before 3.51.3 can damage a file when two connections do (the "WAL-reset bug"), and the one that
Python brings is often older.

Rule: knows bytes and files, not what they are for; raises what the disk says, in three kinds.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from operator import attrgetter
from pathlib import Path
from typing import Any

from p2pcore.aio.entries import KEY_BYTES, entry_of, rows_of, sound_row
from p2pcore.aio.schema import (
    CHANGE_COLUMNS,
    CHANGES,
    MIGRATIONS,
    SCHEMA_VERSION,
    SELECT_ENTRIES,
    SELECT_PAGE,
    insert_changes,
    migrated_entry,
    saved_by,
    select_of,
    sound_head,
)
from p2pcore.effects import Persist
from p2pcore.storage.store import Row, Saved

__all__ = [
    "FILE",
    "MIGRATIONS",
    "SCHEMA_VERSION",
    "BrokenDiskError",
    "DamagedError",
    "Database",
    "ForeignError",
    "FullDiskError",
]

FILE = "records.db"
OWNER_ONLY = 0o600
BUSY_S = 5.0  # another process that looks at the file may hold it for a moment
READ_ROWS = 1000  # at a time, when all is read
COPY_PAGES = 256  # of a copy, synced in one go
FREE_PAGES = 256  # given back to the file system in one go: some milliseconds


class FullDiskError(Exception):
    """There was no room; nothing of the group is there."""


class BrokenDiskError(Exception):
    """Writing or syncing failed: what is on disk is not known. Never to be tried again."""


class DamagedError(Exception):
    """The file is not what was written."""


class ForeignError(Exception):
    """The file can't be used: it is of a newer p2pcore, or of another directory."""


class Database:
    """An open file. All but the constructor is called by one thread at a time.

    Args:
        path: is made if it is not there.
        synced: every commit is on disk for good when it returns; else the system has it.
        read_only: nothing is changed, and the file must be there.

    Raises:
        DamagedError: it is no database, or one that is damaged.
        ForeignError: a newer p2pcore has made it.
        BrokenDiskError: it can't be opened.
    """

    def __init__(self, path: Path, *, synced: bool = True, read_only: bool = False) -> None:
        self.path = path
        self._left: dict[int, int] = {}
        """By the number of a change that was not written, the row which it should have replaced."""
        if not read_only:
            _make_private(path)
        uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        if read_only and not os.access(path.parent, os.W_OK) and not self.wal_bytes:
            uri += "&immutable=1"  # else SQLite makes files beside it, also to read
        try:
            self._connection = sqlite3.connect(
                uri, uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_S
            )
        except sqlite3.Error as error:
            raise _kind_of(error) from error
        try:
            self._set_up(synced, read_only)
        except sqlite3.Error as error:
            self._connection.close()
            raise _kind_of(error) from error
        except BaseException:
            self._connection.close()
            raise

    def _set_up(self, synced: bool, read_only: bool) -> None:
        version = self._value("PRAGMA user_version")
        if version > SCHEMA_VERSION:
            text = f"{self.path} has schema {version}, this p2pcore knows {SCHEMA_VERSION}"
            raise ForeignError(f"{text}: a newer one has written it")
        self._select = select_of(version if read_only else SCHEMA_VERSION)
        self._page_bytes = self._value("PRAGMA page_size")
        if read_only:
            return
        if not version:
            self._run("PRAGMA auto_vacuum=INCREMENTAL")
        # Some systems build SQLite so that what is deleted is overwritten: a delete of 1 MiB
        # would write 1 MiB, which a full disk has not.
        wanted = {"journal_mode": "wal", "synchronous": 2 if synced else 1, "temp_store": 2,
                  "wal_autocheckpoint": 0, "mmap_size": 0, "secure_delete": 0}  # fmt: skip
        for name, value in wanted.items():
            self._run(f"PRAGMA {name}={value}")
            found = self._connection.execute(f"PRAGMA {name}").fetchone()
            if found is not None and found[0] != value:
                raise BrokenDiskError(f"{self.path}: SQLite has {name}={found[0]}, not {value}")
        for function, arguments in ((sound_head, 7), (migrated_entry, 8)):
            self._connection.create_function(
                function.__name__, arguments, function, deterministic=True
            )
        for number in range(version, SCHEMA_VERSION):
            self._migrate(number)
        for statement in CHANGES:
            self._run(statement)

    def _migrate(self, number: int) -> None:
        self._run("BEGIN IMMEDIATE")
        for statement in MIGRATIONS[number]:
            self._run(statement)
        self._run(f"PRAGMA user_version={number + 1}")
        self._run("COMMIT")

    # Reading

    def load(self) -> Iterator[list[Saved]]:
        """All records with their values, some at a time."""
        after, page = -1, f"{self._select} > ? ORDER BY seq LIMIT ?"
        while rows := self._all(page, after, READ_ROWS):
            after = rows[-1][0]
            yield [saved_by(row) for row in rows]

    def heads(self) -> Iterator[tuple[list[Row], list[Saved], list[int]]]:
        """What is known of all records without their values; notes, whole; and damaged rows: some
        at a time."""
        after = -1
        while True:
            [(count, last, page)] = self._all(SELECT_PAGE, after, READ_ROWS)
            if not count:
                return
            records = rows_of(page, count)
            if records is None:
                yield self._sorted_out(self._all(SELECT_ENTRIES, after, READ_ROWS))
            else:
                yield records, [], []
            after = last

    def _sorted_out(self, entries: list[Any]) -> tuple[list[Row], list[Saved], list[int]]:
        """As `heads`, one by one."""
        records: list[Row] = []
        notes, damaged = [], []
        for seq, entry in entries:
            row = sound_row(seq, entry)
            if row is None:
                damaged.append(seq)
            elif len(row[1]) == KEY_BYTES:
                records.append(row)
            else:
                note = self.read(seq)
                notes += [] if note is None else [note]
        return records, notes, damaged

    def _all(self, statement: str, *values: int) -> list[Any]:
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise _kind_of(error) from error

    def read(self, row: int) -> Saved | None:
        """The record in a row, whether it is sound or not; None: there is no such row.

        Raises:
            DamagedError, BrokenDiskError: it can't be read.
        """
        found = self._all(f"{self._select} = ?", row)
        return saved_by(found[0]) if found else None

    def last_row(self) -> int:
        """The number of the last row of all."""
        try:
            return max(
                self._value(f"SELECT ifnull(max(seq), 0) FROM {t}") for t in ("meta", "data")
            )
        except sqlite3.Error as error:
            raise _kind_of(error) from error

    def state(self, name: str) -> int | None:
        """A number that was noted; None: it was not."""
        try:
            found = self._connection.execute("SELECT value FROM state WHERE name=?", (name,))
            row = found.fetchone()
        except sqlite3.Error as error:
            raise _kind_of(error) from error
        return row[0] if row is not None else None

    # Writing

    def note(self, name: str, value: int) -> None:
        """Note a number, for good."""
        self._guarded("INSERT OR REPLACE INTO state VALUES(?, ?)", (name, value))

    @property
    def most_changes(self) -> int:
        """How many can be written in one go: SQLite before 3.32 takes few variables."""
        variables = self._connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
        return 1 << (variables // CHANGE_COLUMNS).bit_length() - 1

    def write(self, group: Sequence[Persist]) -> None:
        """Write all of these, at most `most_changes`, or none. When it returns they are committed.
        It is one statement: after each, this thread would wait for its turn beside a busy loop.

        Raises:
            FullDiskError: there was no room.
            BrokenDiskError: it is not known what is on disk.
        """
        rows = self._plan(group)
        try:
            self._connection.execute(insert_changes(len(rows) // CHANGE_COLUMNS), rows)
        except sqlite3.Error as error:
            raise _kind_of(error) from error
        if self._left:
            for change in group:
                self._left.pop(change.replaces, None)

    def _plan(self, group: Sequence[Persist]) -> list[Any]:
        """What the view `change` takes, row after row; what is replaced within the group is not
        written."""
        left = self._left
        replaced = {change.replaces for change in group if change.replaces}
        rows: list[Any] = []
        for number, key, version, value, expires_ms, name, old in map(_fields, group):
            gone = left.get(old, old) or None
            if version is None or number in replaced:
                rows += (number, None, None, gone)
            else:
                entry = entry_of(number, key, version, value, expires_ms, name)
                rows += (number, entry, value, gone)
        # So there are few statements, which stay parsed; a row of NULL changes nothing.
        rows += [None] * CHANGE_COLUMNS * ((1 << (len(group) - 1).bit_length()) - len(group))
        return rows

    def left_out(self, group: Sequence[Persist]) -> None:
        """These are not written: what they should have replaced is there still, and is replaced by
        what replaces them."""
        for change in group:
            row = self._left.pop(change.replaces, change.replaces)
            if row:
                self._left[change.number] = row

    def forget(self, rows: Iterable[int]) -> None:
        """Delete the rows of damaged records, and those that newer ones should have replaced."""
        for row in rows:
            for table in ("meta", "data"):
                self._guarded(f"DELETE FROM {table} WHERE seq=?", (row,))

    # The file as a whole

    def complaints(self, table: str | None = None) -> list[str]:
        """What SQLite finds wrong with the file, or a table, beside the contents of records."""
        try:
            what = "" if table is None else f"('{table}')"
            rows = self._connection.execute(f"PRAGMA quick_check{what}").fetchall()
        except sqlite3.Error as error:
            raise _kind_of(error) from error
        return [row[0] for row in rows if row[0] != "ok"]

    def copy_to(self, path: Path, pause: Callable[[], None]) -> None:
        """Copy all of it, as it is at this moment, into an empty file; writers go on. They would
        wait for the sync of it all, so each part is synced, and then `pause` called."""

        def sync(*_: int) -> None:
            with path.open("rb") as file:
                os.fsync(file.fileno())
            pause()

        try:
            with closing(sqlite3.connect(path, isolation_level=None)) as copy:
                copy.execute("PRAGMA synchronous=OFF")  # `sync` does
                self._run("BEGIN")
                self._all("SELECT 1 FROM state")  # now: what is read is of this moment
                self._connection.backup(copy, pages=COPY_PAGES, progress=sync)
                self._run("COMMIT")
                copy.execute("PRAGMA journal_mode=DELETE")  # one file, and no log beside it
        except sqlite3.Error as error:
            raise _kind_of(error) from error

    def compact(self) -> None:
        """Write all of it anew, without what is free."""
        self._guarded("VACUUM")
        self.checkpoint(truncate=True)

    # Keeping the file small

    @property
    def wal_bytes(self) -> int:
        """How long the log is; see `limit_log`."""
        try:
            return os.stat(f"{self.path}-wal").st_size
        except FileNotFoundError:
            return 0

    @property
    def used_bytes(self) -> int:
        """What records take on disk: the pages in use of the file, and its log."""
        pages = self._value("PRAGMA page_count") - self._value("PRAGMA freelist_count")
        return pages * self._page_bytes + self.wal_bytes

    def limit_log(self, size_bytes: int) -> None:
        """Once all of the log is in the file, it is written from its beginning again, and stays as
        long as it was: overwriting is what a disk syncs fastest. From now on it is cut to so many
        bytes then; so whenever it is longer, there is so much in it."""
        self._guarded(f"PRAGMA journal_size_limit={size_bytes}")

    def checkpoint(self, *, truncate: bool = False) -> None:
        """Bring what is in the log into the file; `truncate`: and leave an empty log.

        Raises:
            FullDiskError: it does not fit; it stays in the log.
        """
        self._guarded(f"PRAGMA wal_checkpoint({'TRUNCATE' if truncate else 'PASSIVE'})")

    def shrink(self) -> bool:
        """Give some free pages back to the file system; returns whether there may be more."""
        free = self._value("PRAGMA freelist_count")
        if free > FREE_PAGES:
            # Not execute(): it takes one step of a statement without columns, which is one page.
            self._connection.executescript(f"PRAGMA incremental_vacuum({FREE_PAGES})")
        return free > 2 * FREE_PAGES

    def close(self) -> None:
        """Close the file. May be repeated."""
        self._connection.close()

    def _run(self, statement: str) -> None:
        self._connection.execute(statement)

    def _value(self, statement: str) -> int:
        found: int = self._connection.execute(statement).fetchone()[0]
        return found

    def _guarded(self, statement: str, values: tuple[object, ...] = ()) -> None:
        try:
            self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise _kind_of(error) from error


_fields = attrgetter("number", "key", "version", "value", "expires_ms", "name", "replaces")


def _make_private(path: Path) -> None:
    """Nobody but the owner reads records; the log gets the permissions of the file."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, OWNER_ONLY))
    except OSError as error:
        raise BrokenDiskError(error.strerror or str(error)) from error


def _kind_of(error: sqlite3.Error) -> Exception:
    """What SQLite says, in our three kinds."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if code is not None else None
    if primary == sqlite3.SQLITE_FULL:
        return FullDiskError(str(error))
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR):
        return DamagedError(str(error))  # no such column, say: our statements are right
    if primary is None and isinstance(error, sqlite3.OperationalError):
        return DamagedError(str(error))  # a text where bytes were, which is none
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return BrokenDiskError(f"{error} ({name})")
