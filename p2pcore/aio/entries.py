"""What stands in a row of `meta`: one record but for its value, packed, with a checksum.

Theory of operation. Rows are read by the million at a start, and each Python object of a row costs
more than SQLite needs for all of it. So a row is one *entry* of ENTRY_BYTES, followed by its name
where the record is listed; SQLite joins the entries of a page, one CRC-32 checks them all, and one
struct takes them apart. That works because the checksum of an entry begins with RESIDUE, and what
it ends with is such that the checksum over both is RESIDUE again: so it is over any number of them.
Where that is not so, entries are looked at one by one.

Rule: bytes in, rows out; knows no SQL.
"""

from struct import Struct
from struct import error as StructError
from typing import Any
from zlib import crc32

from p2pcore.storage.store import Row, Saved, seal_of

__all__ = [
    "ENTRY_BYTES",
    "KEY_BYTES",
    "MAX_UNSIGNED",
    "NO_VALUE",
    "entry_of",
    "packed",
    "rows_of",
    "saved_of",
    "sound_row",
]

RESIDUE = 0x2144DF1C  # CRC-32 of anything that ends with its own CRC-32, low byte first
MAX_UNSIGNED = (1 << 63) - 1  # the largest number that SQLite keeps
KEY_BYTES = 32  # of a record; other rows are of notes, and shorter
NO_VALUE = -1  # its size

_entry = Struct(">q32s16sqiIBB")  # row, key, version, expires_ms, size, seal, key bytes, has a name
_row = Struct(">q32s16sqi0s10x")  # the same with its checksum, as a `Row`
_mark = Struct("<I")
ENTRY_BYTES = _row.size
_KEY_AT, _KEY_BYTES_AT = 8, 72  # in an entry
_END = ENTRY_BYTES - _mark.size


def entry_of(
    row: int, key: bytes, version: bytes, value: bytes | None, expires_ms: int, name: bytes | None
) -> bytes:
    """The entry of a record."""
    if expires_ms > MAX_UNSIGNED:
        expires_ms = MAX_UNSIGNED
    seal = seal_of(key, version, value, expires_ms, name)
    size = NO_VALUE if value is None else len(value)
    return packed(row, key, version, expires_ms, size, seal, name)


def packed(
    row: int,
    key: bytes,
    version: bytes,
    expires_ms: int,
    size: int,
    seal: int,
    name: bytes | None,
) -> bytes:
    """The entry of what was checked already."""
    listed = name is not None
    entry = _entry.pack(row, key, version, expires_ms, size, seal, len(key), listed)
    if name is not None:
        entry += name
    return entry + _mark.pack(crc32(entry, RESIDUE))


def rows_of(page: bytes | None, count: int) -> list[Row] | None:
    """The records of so many entries that were joined. None: one of them is damaged, is no record,
    or has a name."""
    if page is None or len(page) != count * ENTRY_BYTES or crc32(page, RESIDUE) != RESIDUE:
        return None
    if page[_KEY_BYTES_AT::ENTRY_BYTES].count(KEY_BYTES) != count:
        return None
    return list(_row.iter_unpack(page))


def sound_row(row: int, entry: Any) -> Row | None:
    """What the entry in a row says; None: it is not what was written there."""
    found = _unpacked(row, entry)
    if found is None:
        return None
    key, version, expires_ms, size, _, name = found
    return row, key, version, expires_ms, size, name or b""  # type: ignore[return-value]


def saved_of(row: int, entry: Any, value: Any) -> Saved:
    """A record with its value; one that is not sound, but for its key perhaps, where its entry is
    not."""
    found = _unpacked(row, entry)
    if found is None:
        key = entry[_KEY_AT : _KEY_AT + KEY_BYTES] if isinstance(entry, bytes) else b""
        return Saved(key, b"", value, 0, NO_VALUE, None, row)
    key, version, expires_ms, size, seal, name = found
    whole = size == (NO_VALUE if value is None else len(value))
    return Saved(key, version, value, expires_ms, seal if whole else NO_VALUE, name, row)


def _unpacked(row: int, entry: Any) -> tuple[bytes, bytes, int, int, int, bytes | None] | None:
    """Key, version, expires_ms, size, seal and name."""
    if not isinstance(entry, bytes) or crc32(entry, RESIDUE) != RESIDUE:
        return None
    try:
        number, key, version, expires_ms, size, seal, length, listed = _entry.unpack_from(entry)
    except StructError:
        return None
    if number != row:
        return None
    name = entry[_END : -_mark.size] if listed else None
    return key[:length], version, expires_ms, size, seal, name
