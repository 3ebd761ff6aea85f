"""Backups, and what else is done to records from outside."""

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from p2pcore import AdaptiveCoordinator, ConfigError
from p2pcore.aio.database import Database
from p2pcore.aio.upkeep import back_up, check, compact, restore
from p2pcore.effects import Persist
from p2pcore.ids import key_of
from tests.aio.support import client_of
from tests.aio.test_durable import KEYS, LEFT, config, filled, values


async def test_a_backup_of_a_running_node_is_one_moment_and_can_be_restored(tmp_path: Path) -> None:
    """A drill: back up under load, lose the directory's records, restore, read."""
    folder, target = tmp_path / "node", tmp_path / "backup.db"
    async with AdaptiveCoordinator(config(folder)) as node, client_of(node) as client:
        await client.store_many({key: key.encode() for key in KEYS})
        await client.delete(KEYS[0])
        over = asyncio.Event()

        async def load() -> int:
            stored = 0
            while not over.is_set():
                await client.store_many({f"more {stored + n}": b"v" * 1000 for n in range(20)})
                stored += 20
            return stored

        loading = asyncio.create_task(load())
        findings = await asyncio.to_thread(back_up, folder, target)
        over.set()
        stored = await loading
        assert findings.damaged == []
        assert len(LEFT) <= findings.records <= len(LEFT) + stored
        assert findings.tombstones == 1
    assert target.stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(tmp_path)) == ["backup.db", "node"]
    (folder / "records.db").unlink()
    assert restore(target, folder).records == findings.records
    async with AdaptiveCoordinator(config(folder)) as node:
        assert await values(node) == LEFT
        assert node.stored_records >= findings.records + 1


async def test_nothing_is_overwritten(tmp_path: Path) -> None:
    folder, target = tmp_path / "node", tmp_path / "backup.db"
    await filled(folder)
    target.write_bytes(b"precious")
    with pytest.raises(ConfigError, match=r"backup\.db is there already"):
        back_up(folder, target)
    assert target.read_bytes() == b"precious"
    target.unlink()
    back_up(folder, target)
    with pytest.raises(ConfigError, match=r"records\.db is there already"):
        restore(target, folder)
    async with AdaptiveCoordinator(config(folder)) as node:
        assert await values(node) == LEFT
    assert sorted(os.listdir(folder)) == ["ballast", "identity.pem", "lock", "records.db"]


async def test_the_log_of_another_file_is_not_taken_for_the_backups(tmp_path: Path) -> None:
    """Somebody moves records.db away, and leaves its log, which would be applied to what is
    restored."""
    folder, target = tmp_path / "node", tmp_path / "backup.db"
    await filled(folder)
    back_up(folder, target)
    database = Database(folder / "records.db")
    rows = [each.row for batch in database.load() for each in batch]
    last = max(rows)
    gone = [
        Persist(last + n, key_of("k"), None, None, 0, None, row) for n, row in enumerate(rows, 1)
    ]
    database.write(gone)  # and it is killed: the log stays
    (folder / "records.db").rename(tmp_path / "away.db")
    assert (folder / "records.db-wal").stat().st_size > 0
    assert restore(target, folder).records == len(LEFT)
    database.close()
    async with AdaptiveCoordinator(config(folder)) as node:
        assert await values(node) == LEFT


async def test_a_running_node_is_left_alone(tmp_path: Path) -> None:
    folder, target = tmp_path / "node", tmp_path / "backup.db"
    async with AdaptiveCoordinator(config(folder)) as node, client_of(node) as client:
        await client.store("key", b"value")
        assert check(folder).damaged == []
        back_up(folder, target)
        with pytest.raises(ConfigError, match="in use by process"):
            compact(folder)
        with pytest.raises(ConfigError, match="in use by process"):
            restore(target, folder)
        await client.store("key", b"again")
    assert check(folder).records == 1


async def test_a_check_finds_what_is_damaged(tmp_path: Path) -> None:
    await filled(tmp_path)
    assert check(tmp_path).records == len(LEFT)
    key = key_of(KEYS[7])
    with closing(sqlite3.connect(tmp_path / "records.db")) as plain, plain:
        found = "SELECT * FROM meta WHERE substr(entry, 9, 32)=?"
        row, entry = plain.execute(found, (bytes(key),)).fetchone()
        later = entry[:63] + b"\5" + entry[64:]  # when it expires
        plain.execute("UPDATE meta SET entry=? WHERE seq=?", (later, row))
    assert check(tmp_path).damaged == [f"the record of key {key.hex()}"]
    whole = bytearray((tmp_path / "records.db").read_bytes())
    whole[4096 + 5 : 4096 + 60] = bytes(55)
    (tmp_path / "records.db").write_bytes(whole)
    assert len(check(tmp_path).damaged) > 1


async def test_compacting_makes_the_file_small(tmp_path: Path) -> None:
    async with AdaptiveCoordinator(config(tmp_path)) as node, client_of(node) as client:
        await client.store_many({f"large {n}": b"v" * 10_000 for n in range(100)})
        await client.store_many({f"large {n}": b"small" for n in range(100)})
    before, after = compact(tmp_path)
    assert after < before
    assert after == (tmp_path / "records.db").stat().st_size
    async with AdaptiveCoordinator(config(tmp_path)) as node, client_of(node) as client:
        assert await client.retrieve("large 99") == b"small"


def test_what_is_no_data_directory_is_named(tmp_path: Path) -> None:
    for call in (check, compact):
        with pytest.raises(ConfigError, match=r"has no records: there is no records\.db in it"):
            call(tmp_path)  # type: ignore[operator]
    with pytest.raises(ConfigError, match="nothing is no file of records"):
        restore(tmp_path / "nothing", tmp_path)
    (tmp_path / "text").write_text("no database" * 100)
    with pytest.raises(ConfigError, match="text is damaged, or no file of records"):
        restore(tmp_path / "text", tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["lock", "text"]
