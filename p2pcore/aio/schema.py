"""The tables of a file of records, and what brings those of earlier versions up to them.

A row of `meta` is an entry (`entries.py`); one of `data` a value; both under one number. Until
schema 3, `meta` had a column for each part of an entry.

Rule: statements, and rows of earlier schemas; opens nothing.
"""

from functools import cache
from typing import Any

from p2pcore.aio.entries import NO_VALUE, packed, saved_of
from p2pcore.storage.store import Saved, mark_of

__all__ = [
    "CHANGES",
    "CHANGE_COLUMNS",
    "MIGRATIONS",
    "SCHEMA_VERSION",
    "SELECT_ENTRIES",
    "SELECT_PAGE",
    "insert_changes",
    "migrated_entry",
    "saved_by",
    "select_of",
    "sound_head",
]

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE meta(seq INTEGER PRIMARY KEY, key BLOB NOT NULL, version BLOB NOT NULL,"
        " expires_ms INTEGER NOT NULL, seal INTEGER NOT NULL)",
        "CREATE TABLE data(seq INTEGER PRIMARY KEY, value BLOB NOT NULL)",
        "CREATE TABLE state(name TEXT PRIMARY KEY, value INTEGER NOT NULL)",
    ),
    ("ALTER TABLE meta ADD COLUMN name BLOB",),  # of listed records
    (  # what is not sound gets no head: a start leaves it out
        "ALTER TABLE meta ADD COLUMN size INTEGER",
        "ALTER TABLE meta ADD COLUMN head INTEGER NOT NULL DEFAULT -1",
        "UPDATE meta SET size = (SELECT length(value) FROM data WHERE data.seq = meta.seq)",
        "UPDATE meta SET head = sound_head(seq, key, version, expires_ms, seal, name,"
        " (SELECT value FROM data WHERE data.seq = meta.seq))",
    ),
    (  # what is not sound becomes an entry that is not
        "ALTER TABLE meta RENAME TO meta_3",
        "CREATE TABLE meta(seq INTEGER PRIMARY KEY, entry BLOB NOT NULL)",
        "INSERT INTO meta SELECT seq,"
        " migrated_entry(seq, key, version, expires_ms, seal, size, head, name)"
        " FROM meta_3 ORDER BY seq",
        "DROP TABLE meta_3",
    ),
)
"""What brings a file from the schema of each version to the next. Never changed, only added to. May
call `sound_head` and `migrated_entry`."""

SCHEMA_VERSION = len(MIGRATIONS)

SELECT_PAGE = (
    "SELECT count(*), max(seq), CAST(group_concat(entry, '') AS BLOB)"
    " FROM (SELECT seq, entry FROM meta WHERE seq > ? ORDER BY seq LIMIT ?)"
)
"""How many entries come after a row, the row of the last one, and all of them joined."""

SELECT_ENTRIES = "SELECT seq, entry FROM meta WHERE seq > ? ORDER BY seq LIMIT ?"

CHANGE_COLUMNS = 4  # number, entry, value, and which row is deleted; NULL: none of this
CHANGES = (
    "CREATE TEMP VIEW change AS SELECT 0 AS seq, x'' AS entry, x'' AS value, 0 AS gone",
    "CREATE TEMP TRIGGER put INSTEAD OF INSERT ON change BEGIN"
    " INSERT INTO meta SELECT NEW.seq, NEW.entry WHERE NEW.entry IS NOT NULL;"
    " INSERT INTO data SELECT NEW.seq, NEW.value WHERE NEW.value IS NOT NULL;"
    " DELETE FROM meta WHERE seq = NEW.gone;"
    " DELETE FROM data WHERE seq = NEW.gone;"
    " END",
)
"""What a connection that writes begins with: so one statement writes and deletes many rows."""

ENTRIES_SINCE = 4


def select_of(version: int) -> str:
    """What reads whole records from a file of this schema, which may be an old one that is only
    looked at."""
    if version >= ENTRIES_SINCE:
        return "SELECT seq, entry, value FROM meta LEFT JOIN data USING(seq) WHERE seq"
    name = "NULL" if version < 2 else "name"
    size, head = ("length(value)", "NULL") if version < 3 else ("size", "head")
    return (
        f"SELECT seq, key, version, expires_ms, seal, value, {size}, {name}, {head}"
        " FROM meta LEFT JOIN data USING(seq) WHERE seq"
    )


def saved_by(row: tuple[Any, ...]) -> Saved:
    """The record of a row of `select_of`; one that is not sound if what is said of it is not."""
    if len(row) == 3:
        return saved_of(*row)
    seq, key, version, expires_ms, seal, value, size, name, head = row
    sound = head is None or _is_head(head, seq, key, version, expires_ms, size, name)
    return Saved(key, version, value, expires_ms, seal if sound else -1, name, seq)


def sound_head(
    seq: Any, key: Any, version: Any, expires_ms: Any, seal: Any, name: Any, value: Any
) -> int:
    """The head of a row of an earlier schema; -1 if it is not what was written."""
    if not Saved(key, version, value, expires_ms, seal, name).is_sound:
        return -1
    size = None if value is None else len(value)
    return mark_of(seq, key, version, expires_ms, size, name)


@cache
def insert_changes(count: int) -> str:
    """For so many rows at once."""
    return f"INSERT INTO change VALUES{','.join(['(?,?,?,?)'] * count)}"


def migrated_entry(
    seq: Any, key: Any, version: Any, expires_ms: Any, seal: Any, size: Any, head: Any, name: Any
) -> bytes:
    """The entry of a row of schema 3; one that is not sound if the row is not."""
    if not _is_head(head, seq, key, version, expires_ms, size, name):
        return b""
    return packed(seq, key, version, expires_ms, NO_VALUE if size is None else size, seal, name)


def _is_head(head: object, *row: Any) -> bool:
    try:
        return head == mark_of(*row)
    except (TypeError, ValueError):
        return False
