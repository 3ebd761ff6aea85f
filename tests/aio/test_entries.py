"""A row of what a disk says of a record: read back as it was written, or known not to be."""

import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from p2pcore.aio import schema
from p2pcore.aio.database import Database
from p2pcore.aio.entries import ENTRY_BYTES, entry_of, rows_of, saved_of, sound_row
from p2pcore.ids import key_of
from p2pcore.storage.store import mark_of, seal_of

ROWS = [
    (3, bytes(key_of("a")), b"v" * 16, b"value", 0, None),
    (4, bytes(key_of("b")), bytes(16), None, 17, None),
    (1 << 40, bytes(key_of("c")), b"\xff" * 16, b"", (1 << 63) - 1, None),
]


def test_a_page_of_records_is_read_at_once() -> None:
    page = b"".join(entry_of(*row) for row in ROWS)
    assert len(page) == 3 * ENTRY_BYTES
    assert rows_of(page, 3) == [
        (3, ROWS[0][1], ROWS[0][2], 0, 5, b""),
        (4, ROWS[1][1], ROWS[1][2], 17, -1, b""),
        (1 << 40, ROWS[2][1], ROWS[2][2], (1 << 63) - 1, 0, b""),
    ]
    assert rows_of(b"", 0) == []


def test_every_flip_of_one_bit_of_a_page_is_noticed() -> None:
    entries = [entry_of(*row) for row in ROWS]
    page = b"".join(entries)
    for place in range(8 * len(page)):
        flipped = bytearray(page)
        flipped[place // 8] ^= 1 << place % 8
        assert rows_of(bytes(flipped), 3) is None
        number, at = divmod(place // 8, ENTRY_BYTES)
        entry = flipped[number * ENTRY_BYTES : (number + 1) * ENTRY_BYTES]
        assert sound_row(ROWS[number][0], bytes(entry)) is None, at
    assert all(sound_row(row[0], entry) for row, entry in zip(ROWS, entries, strict=True))


@pytest.mark.parametrize("seed", range(20))
def test_bytes_of_chance_are_no_records(seed: int) -> None:
    noise = Random(seed).randbytes(3 * ENTRY_BYTES)
    assert rows_of(noise, 3) is None
    for length in (0, 4, 73, ENTRY_BYTES, 200):
        assert sound_row(1, noise[:length]) is None
    assert rows_of(None, 1) is None
    assert sound_row(1, "text") is None
    assert sound_row(1, None) is None


def test_a_page_with_something_else_in_it_is_read_one_by_one() -> None:
    """Names, notes, and entries that stand in another row than theirs."""
    plain, note = entry_of(*ROWS[0]), entry_of(1, b"clock", bytes(16), None, 0, None)
    named = entry_of(2, bytes(key_of("n")), bytes(16), b"", 5, b"n")
    for other in (note, named):
        assert rows_of(plain + other, 2) is None
    assert sound_row(1, note) == (1, b"clock", bytes(16), 0, -1, b"")
    assert sound_row(2, named) == (2, bytes(key_of("n")), bytes(16), 5, 0, b"n")
    assert sound_row(4, plain) is None


def test_a_value_of_another_size_or_content_is_not_sound() -> None:
    row, entry = ROWS[0][0], entry_of(*ROWS[0])
    assert saved_of(row, entry, b"value").is_sound
    for value in (b"valuf", b"values", b"", None, "value"):
        assert not saved_of(row, entry, value).is_sound
    damaged = saved_of(row, entry[:-1], b"value")
    assert not damaged.is_sound
    assert damaged.key == ROWS[0][1]  # to be named


def test_a_file_of_schema_3_is_brought_up(tmp_path: Path) -> None:
    """Records, one with a name, a tombstone, a note, and two whose rows are damaged."""
    path = tmp_path / "records.db"
    rows = [*ROWS, (8, bytes(key_of("n")), bytes(16), b"n", 5, b"name")]
    rows += [
        (9, b"clock", bytes(16), None, 0, None),
        (10, bytes(key_of("d")), bytes(16), b"", 0, None),
    ]
    with closing(sqlite3.connect(path)) as plain, plain:
        plain.execute("PRAGMA auto_vacuum=INCREMENTAL")
        plain.create_function("sound_head", 7, schema.sound_head)
        for statements in schema.MIGRATIONS[:3]:
            for statement in statements:
                plain.execute(statement)
        insert = "INSERT INTO meta(seq, key, version, expires_ms, seal, size, name, head)"
        for row, key, version, value, expires_ms, name in sorted(rows):
            size = None if value is None else len(value)
            seal = seal_of(key, version, value, expires_ms, name)
            head = mark_of(row, key, version, expires_ms, size, name) + (row == 10)
            told = (row, key, version, expires_ms, seal, size, name, head)
            plain.execute(f"{insert} VALUES(?, ?, ?, ?, ?, ?, ?, ?)", told)
            if value is not None:
                plain.execute("INSERT INTO data VALUES(?, ?)", (row, value))
        plain.execute("UPDATE meta SET key='a text' WHERE seq=4")
        plain.execute("PRAGMA user_version=3")
    with closing(Database(path, read_only=True)) as old:
        before = [each for batch in old.load() for each in batch]
    with closing(Database(path)) as database:
        [(records, notes, damaged)] = list(database.heads())
        after = [each for batch in database.load() for each in batch]
    assert [(row[0], row[4], row[5]) for row in records] == [
        (3, 5, b""), (8, 1, b"name"), (1 << 40, 0, b""),
    ]  # fmt: skip
    assert [note.key for note in notes] == [b"clock"]
    assert damaged == [4, 10]
    assert [each.is_sound for each in before] == [each.is_sound for each in after]
    sound = [each for each in before if each.is_sound]
    assert sound == [each for each in after if each.is_sound]
    assert len(sound) == 4
