"""The tables of a file of records, and how rows of theirs are read and checked.

A row of `meta` has two checksums: `head` of itself and its number, so that a start reads no values,
and `seal` of the value as well. Its `name` is what a listed record is called.

Rule: statements and rows; opens nothing.
"""

import contextlib
from typing import Any
from zlib import crc32

from p2pcore.storage.store import MARK_FORM, Row, Saved, mark_of, seal_of

__all__ = [
    "INSERT_DATA",
    "INSERT_META",
    "MIGRATIONS",
    "SCHEMA_VERSION",
    "SELECT_HEADS",
    "meta_row",
    "saved_of",
    "select_of",
    "sorted_out",
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
)
"""What brings a file from the schema of each version to the next. Never changed, only added to. May
call `sound_head`."""

SCHEMA_VERSION = len(MIGRATIONS)

SELECT_HEADS = "SELECT head, seq, key, version, expires_ms, size, name FROM meta WHERE seq"
INSERT_META = (
    "INSERT INTO meta(seq, key, version, expires_ms, seal, size, name, head)"
    " VALUES(?, ?, ?, ?, ?, ?, ?, ?)"
)
INSERT_DATA = "INSERT INTO data VALUES(?, ?)"
MAX_UNSIGNED = (1 << 63) - 1  # the largest number that SQLite keeps
KEY_BYTES = 32  # of a record; other rows are of notes


def meta_row(
    row: int, key: bytes, version: bytes, value: bytes | None, expires_ms: int, name: bytes | None
) -> tuple[int, bytes, bytes, int, int, int | None, bytes | None, int]:
    """What INSERT_META takes for a record."""
    if expires_ms > MAX_UNSIGNED:
        expires_ms = MAX_UNSIGNED
    size = None if value is None else len(value)
    seal = seal_of(key, version, value, expires_ms, name)
    mark = mark_of(row, key, version, expires_ms, size, name)
    return row, key, version, expires_ms, seal, size, name, mark


def select_of(version: int) -> str:
    """What reads whole records from a file of this schema, which may be an old one that is only
    looked at."""
    name = "NULL" if version < 2 else "name"
    size, head = ("length(value)", "NULL") if version < 3 else ("size", "head")
    return (
        f"SELECT seq, key, version, expires_ms, seal, value, {size}, {name}, {head}"
        " FROM meta LEFT JOIN data USING(seq) WHERE seq"
    )


def saved_of(row: Any) -> Saved:
    """The record of a row of `select_of`; one that is not sound if its head is not."""
    seq, key, version, expires_ms, seal, value, size, name, head = row
    sound = head is None or _is_head(head, seq, key, version, expires_ms, size, name)
    return Saved(key, version, value, expires_ms, seal if sound else -1, name, seq)


def sorted_out(rows: list[Any]) -> tuple[list[Row], list[int], list[int]]:
    """Of rows of SELECT_HEADS: the records, the numbers of notes, and those of damaged rows."""
    records = [row[1:] for row in rows]
    heads = [row[0] for row in rows]
    with contextlib.suppress(TypeError, ValueError):  # a text where bytes were, say
        sound = heads == [crc32(MARK_FORM % record) for record in records]
        if sound and all(len(record[1]) == KEY_BYTES for record in records):
            return records, [], []
    sorts: tuple[list[Row], list[int], list[int]] = [], [], []
    for head, record in zip(heads, records, strict=True):
        if not _is_head(head, *record):
            sorts[2].append(record[0])
        elif len(record[1]) == KEY_BYTES:
            sorts[0].append(record)
        else:
            sorts[1].append(record[0])
    return sorts


def sound_head(
    seq: Any, key: Any, version: Any, expires_ms: Any, seal: Any, name: Any, value: Any
) -> int:
    """The head of a row of an earlier schema; -1 if it is not what was written."""
    if not Saved(key, version, value, expires_ms, seal, name).is_sound:
        return -1
    size = None if value is None else len(value)
    return mark_of(seq, key, version, expires_ms, size, name)


def _is_head(head: object, *row: Any) -> bool:
    try:
        return head == mark_of(*row)
    except (TypeError, ValueError):
        return False
