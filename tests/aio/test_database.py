"""The file of records: what is written is there, what is damaged is noticed."""

import os
import random
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

import pytest

from p2pcore.aio import database as module
from p2pcore.aio.database import (
    SCHEMA_VERSION,
    BrokenDiskError,
    DamagedError,
    Database,
    ForeignError,
)
from p2pcore.effects import Persist
from p2pcore.ids import Key, key_of
from p2pcore.storage.store import Saved, seal_of
from p2pcore.versions import Version


def change(
    number: int, name: str, value: bytes | None, *, gone: bool = False, replaces: int = 0
) -> Persist:
    version = None if gone else Version(number.to_bytes(16))
    return Persist(number, key_of(name), version, value, 0, None, replaces)


SCHEMA_1 = (
    "CREATE TABLE meta(seq INTEGER PRIMARY KEY, key BLOB NOT NULL, version BLOB NOT NULL,"
    " expires_ms INTEGER NOT NULL, seal INTEGER NOT NULL)",
    "CREATE TABLE data(seq INTEGER PRIMARY KEY, value BLOB NOT NULL)",
    "CREATE TABLE state(name TEXT PRIMARY KEY, value INTEGER NOT NULL)",
    "PRAGMA user_version=1",
)


def all_of(database: Database) -> list[Saved]:
    return [each for batch in database.load() for each in batch]


def found(path: Path) -> dict[Key, bytes | None]:
    database = Database(path)
    try:
        records = all_of(database)
    finally:
        database.close()
    assert all(each.is_sound for each in records)
    assert len({each.key for each in records}) == len(records)
    return {Key(each.key): each.value for each in records}


def test_what_is_written_is_there(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    database = Database(path)
    assert all_of(database) == []
    database.write([change(1, "a", b"1"), change(2, "b", b""), change(3, "c", b"3")])
    database.write(
        [
            change(4, "a", b"4", replaces=1),
            change(5, "a", b"5", replaces=4),
            change(6, "b", None, replaces=2),
        ]
    )
    database.write([change(7, "c", None, gone=True, replaces=3), change(8, "d", None, gone=True)])
    database.close()
    assert found(path) == {key_of("a"): b"5", key_of("b"): None}
    assert path.stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(path) as plain:
        assert plain.execute("SELECT count(*) FROM meta").fetchone() == (2,)
        assert plain.execute("SELECT count(*) FROM data").fetchone() == (1,)
    plain.close()


@pytest.mark.parametrize("variables", [999, 32_766])
def test_a_group_is_no_longer_than_sqlite_takes(tmp_path: Path, variables: int) -> None:
    path = tmp_path / "records.db"
    with closing(Database(path)) as database:
        database._connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, variables)
        most = database.most_changes
        assert most >= 128
        for count in (most, most - 1, most // 2 + 1, 1):
            names = [f"{count} {n}" for n in range(count)]
            first = database.last_row() + 1
            database.write([change(first + n, name, b"v") for n, name in enumerate(names)])
            assert set(map(key_of, names)) <= found(path).keys()
        with pytest.raises(DamagedError, match="too many SQL variables"):
            database.write([change(10**6 + n, f"{n}", b"v") for n in range(most + 1)])


def test_a_copy_is_synced_part_by_part_and_is_one_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written between two parts is not in it, and does not make it begin anew."""
    path, target = tmp_path / "records.db", tmp_path / "copy.db"
    synced: list[int] = []
    pauses: list[int] = []
    with closing(Database(path)) as database:
        before = {f"large {n}": b"v" * (1 << 20) for n in range(4)}
        database.write([change(n, key, value) for n, (key, value) in enumerate(before.items(), 1)])

        def write_more() -> None:
            pauses.append(len(synced))
            number = 10 + len(pauses)
            database.write([change(number, f"later {number}", b"v")])

        monkeypatch.setattr(os, "fsync", lambda _: synced.append(target.stat().st_size))
        with closing(Database(path, read_only=True)) as reader:
            reader.copy_to(target, write_more)
    assert len(pauses) >= 4
    assert pauses == list(range(1, len(pauses) + 1))
    assert synced == sorted(synced)
    assert synced[-2] > 2 << 20
    assert found(target) == {key_of(key): value for key, value in before.items()}
    assert len(found(path)) == len(before) + len(pauses)


def test_the_names_of_listed_records_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    database = Database(path)
    named = Persist(1, key_of("a"), Version(bytes(16)), b"1", 0, b"a")
    database.write([named, change(2, "b", b"2")])
    database.copy_to(tmp_path / "copy.db", lambda: None)
    database.close()
    for file in (path, tmp_path / "copy.db"):
        database = Database(file)
        records = all_of(database)
        database.close()
        assert {each.key: each.name for each in records} == {key_of("a"): b"a", key_of("b"): None}
        assert all(each.is_sound for each in records)
    with sqlite3.connect(path) as plain:
        row, entry = plain.execute("SELECT * FROM meta WHERE length(entry) > 78").fetchone()
        assert entry[74:-4] == b"a"
        plain.execute("UPDATE meta SET entry=? WHERE seq=?", (entry[:74] + b"b" + entry[75:], row))
    plain.close()
    database = Database(path)
    assert [each.is_sound for each in all_of(database)] == [False, True]
    database.close()


def test_a_file_from_before_there_were_names_is_read_and_brought_up(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    key, version = key_of("a"), bytes(16)
    with sqlite3.connect(path) as plain:
        for statement in SCHEMA_1:
            plain.execute(statement)
        seal = zlib.crc32(b"1", zlib.crc32(b"%b%b%d%c" % (key, version, 0, False)))
        plain.execute("INSERT INTO meta VALUES(1, ?, ?, 0, ?)", (key, version, seal))
        plain.execute("INSERT INTO data VALUES(1, ?)", (b"1",))
    plain.close()
    database = Database(path, read_only=True)
    assert [each.is_sound for each in all_of(database)] == [True]
    database.close()
    assert found(path) == {key: b"1"}
    database = Database(path)
    all_of(database)
    database.write([Persist(2, key_of("b"), Version(version), b"2", 0, b"b")])
    database.close()
    assert found(path) == {key: b"1", key_of("b"): b"2"}


def test_rows_are_replaced_after_a_restart_as_well(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    for number, value in enumerate((b"1", b"2", b"3")):
        database = Database(path)
        assert database.last_row() == number
        database.write([change(number + 1, "a", value, replaces=number)])
        database.close()
    assert found(path) == {key_of("a"): b"3"}


def test_what_sqlite_says_of_its_settings_is_believed_and_nothing_else(tmp_path: Path) -> None:
    for synced, level in ((True, 2), (False, 1)):
        database = Database(tmp_path / f"{synced}.db", synced=synced)
        read = database._connection.execute
        assert read("PRAGMA journal_mode").fetchone() == ("wal",)
        assert read("PRAGMA synchronous").fetchone() == (level,)
        assert read("PRAGMA wal_autocheckpoint").fetchone() == (0,)
        assert read("PRAGMA auto_vacuum").fetchone() == (2,)
        database.close()


def test_a_database_without_a_log_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On some network file systems SQLite stays in another mode, and says so only when asked."""
    connect = sqlite3.connect

    def in_memory(place: str, **options: object) -> sqlite3.Connection:
        return connect(":memory:", isolation_level=None)

    monkeypatch.setattr(sqlite3, "connect", in_memory)
    with pytest.raises(BrokenDiskError, match="journal_mode=memory, not wal"):
        Database(tmp_path / "records.db")


def test_a_newer_schema_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    with sqlite3.connect(path) as plain:
        plain.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    plain.close()
    before = path.read_bytes()
    with pytest.raises(ForeignError, match=f"schema {SCHEMA_VERSION + 1}, .* knows"):
        Database(path)
    assert path.read_bytes() == before


def test_an_older_schema_is_brought_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "records.db"
    database = Database(path)
    database.write([change(1, "a", b"1")])
    database.close()
    newer = (*module.MIGRATIONS, ("ALTER TABLE meta ADD COLUMN note TEXT",))
    monkeypatch.setattr(module, "MIGRATIONS", newer)
    monkeypatch.setattr(module, "SCHEMA_VERSION", len(newer))
    assert found(path) == {key_of("a"): b"1"}
    with sqlite3.connect(path) as plain:
        assert plain.execute("PRAGMA user_version").fetchone() == (len(newer),)
        assert "note" in [row[1] for row in plain.execute("PRAGMA table_info(meta)")]
    plain.close()


def test_a_file_of_the_first_schema_is_brought_up_and_what_was_damaged_stays_so(
    tmp_path: Path,
) -> None:
    """With its 1.0 tables: records, a tombstone, and one whose value is not what was written."""
    path = tmp_path / "records.db"
    rows = [(n, key_of(f"k{n}"), bytes([n]) * 16, 0, b"v" * n if n else None) for n in range(5)]
    with closing(sqlite3.connect(path)) as plain, plain:
        plain.execute("PRAGMA auto_vacuum=INCREMENTAL")
        for statement in module.MIGRATIONS[0]:
            plain.execute(statement)
        for n, key, version, expires_ms, value in rows:
            seal = seal_of(key, version, value, expires_ms)
            meta = (n + 1, bytes(key), version, expires_ms, seal)
            plain.execute("INSERT INTO meta VALUES(?, ?, ?, ?, ?)", meta)
            if value is not None:
                given = b"wrong" if n == 3 else value
                plain.execute("INSERT INTO data VALUES(?, ?)", (n + 1, given))
        plain.execute("PRAGMA user_version=1")
    old = Database(path, read_only=True)  # as `check` and `backup` do, which change nothing
    assert [each.is_sound for each in all_of(old)] == [True, True, True, False, True]
    old.close()
    database = Database(path)
    records, notes, damaged = next(database.heads())
    assert [(row[0], row[4]) for row in records] == [(1, -1), (2, 1), (3, 2), (5, 4)]
    assert (notes, damaged) == ([], [4])
    assert [each.is_sound for each in all_of(database)] == [True, True, True, False, True]
    database.close()


def test_what_did_not_fit_leaves_nothing_behind_for_a_restart(tmp_path: Path) -> None:
    """The row that a refused change should have replaced is replaced by what comes after it; or an
    older version of a deleted record would come back with the next start."""
    path = tmp_path / "records.db"
    database = Database(path)
    database.write([change(1, "a", b"1")])
    database.left_out([change(2, "a", b"2", replaces=1)])
    database.left_out([change(3, "a", b"3", replaces=2)])
    database.write([change(4, "b", b"4")])
    database.write([change(5, "a", None, gone=True, replaces=3)])
    assert database._left == {}
    database.close()
    assert found(path) == {key_of("b"): b"4"}


def test_what_is_no_database_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    path.write_bytes(random.Random(1).randbytes(10_000))
    with pytest.raises(DamagedError):
        Database(path)


def test_flipped_bits_are_noticed_before_anything_is_given(tmp_path: Path) -> None:
    """Each run flips one bit of the file, wherever: either SQLite notices, or the seal of the
    record does, or the record is missing, or what comes is what was written."""
    path, rng = tmp_path / "records.db", random.Random(20)
    database = Database(path)
    written = {key_of(f"k{n}"): rng.randbytes(200) for n in range(100)}
    database.write([change(n, f"k{n}", written[key_of(f"k{n}")]) for n in range(100)])
    database.checkpoint(truncate=True)
    database.close()
    whole, noticed = path.read_bytes(), 0
    for _ in range(300):
        place = rng.randrange(len(whole))
        flipped = bytearray(whole)
        flipped[place] ^= 1 << rng.randrange(8)
        path.write_bytes(flipped)
        try:
            database = Database(path)
        except (DamagedError, ForeignError, BrokenDiskError):
            noticed += 1
            continue
        try:
            records = all_of(database)
        except DamagedError:
            noticed += 1
            continue
        finally:
            database.close()
            for suffix in ("-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
        sound = {Key(each.key): each.value for each in records if each.is_sound}
        assert sound.items() <= written.items()
        noticed += len(sound) < len(written)
    assert noticed > 100


def test_a_torn_log_loses_its_end_and_nothing_else(tmp_path: Path) -> None:
    path, torn = tmp_path / "records.db", tmp_path / "torn"
    database = Database(path)
    for number in range(20):
        database.write([change(number, f"k{number}", b"v" * 500)])
    torn.mkdir()
    log = path.with_name("records.db-wal").read_bytes()
    (torn / "records.db").write_bytes(path.read_bytes())
    rng = random.Random(3)
    for _ in range(40):
        (torn / "records.db-shm").unlink(missing_ok=True)
        (torn / "records.db").write_bytes(path.read_bytes())
        (torn / "records.db-wal").write_bytes(log[: rng.randrange(len(log))])
        records = found(torn / "records.db")
        assert list(records) == [key_of(f"k{n}") for n in range(len(records))]
    database.close()


def test_free_pages_go_back_to_the_file_system(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    database = Database(path)
    database.write([change(n, f"k{n}", b"v" * 4000) for n in range(1, 1000)])
    database.checkpoint(truncate=True)
    large = path.stat().st_size
    gone = [change(1000 + n, f"k{n}", None, gone=True, replaces=n) for n in range(990)]
    database.write(gone)
    while database.shrink():
        pass
    database.checkpoint(truncate=True)
    assert path.stat().st_size < large / 2
    database.close()


def test_a_directory_that_is_not_there_can_not_be_used(tmp_path: Path) -> None:
    with pytest.raises(BrokenDiskError, match="No such file"):
        Database(tmp_path / "nowhere" / "records.db")
    assert os.listdir(tmp_path) == []
