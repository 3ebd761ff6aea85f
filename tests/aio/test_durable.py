"""A node with a disk, on real sockets and in a real directory."""

import asyncio
import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from p2pcore import (
    AdaptiveCoordinator,
    ConfigError,
    CoordinatorConfig,
    StorageFullError,
)
from p2pcore.aio.database import BrokenDiskError, DamagedError, Database, FullDiskError
from p2pcore.aio.entries import entry_of
from p2pcore.aio.system import now
from p2pcore.aio.writer import BALLAST_FILE, Writer
from p2pcore.ids import Key, key_of
from p2pcore.replication.journal import CLOCK_KEY
from p2pcore.replication.notes import AGAIN
from p2pcore.versions import version_at
from tests.aio.support import ONE, client_of, eventually, swarm

KEYS = [f"key {number}" for number in range(40)]


def config(folder: Path, **settings: Any) -> CoordinatorConfig:
    return CoordinatorConfig(data_dir=folder, **(ONE | settings))


async def filled(folder: Path, **settings: Any) -> None:
    """A node that has stored all keys, deleted the first, and shut down."""
    async with AdaptiveCoordinator(config(folder, **settings)) as node, client_of(node) as client:
        await client.store_many({key: key.encode() for key in KEYS})
        await client.delete(KEYS[0])


async def values(*nodes: AdaptiveCoordinator) -> dict[str | bytes, bytes]:
    async with client_of(*nodes) as client:
        return await client.retrieve_many(KEYS)


LEFT = {key: key.encode() for key in KEYS[1:]}


@pytest.mark.parametrize("durability", ["auto", "synced", "buffered"])
async def test_records_are_back_after_a_restart(tmp_path: Path, durability: str) -> None:
    await filled(tmp_path, durability=durability)
    assert sorted(os.listdir(tmp_path)) == ["ballast", "identity.pem", "lock", "records.db"]
    async with AdaptiveCoordinator(config(tmp_path, durability=durability)) as node:
        assert node.stored_records == len(KEYS)
        assert await values(node) == LEFT
        info = await node.node_info()
        assert info.durability == ("synced" if durability == "auto" else durability)


async def test_what_a_node_stores_itself_waits_for_its_own_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AdaptiveCoordinator(config(tmp_path)) as node:
        receipt = await node.store("key", b"value")
        writes: list[Any] = []
        with monkeypatch.context() as patch:
            patch.setattr(Writer, "write", lambda self, change: writes.append((self, change)))
            storing = asyncio.create_task(node.store("key", b"newer"))
            await eventually(lambda: writes)
            await asyncio.sleep(0.05)
            assert not storing.done()
        for writer, change in writes:
            writer.write(change)
        assert (await storing).version > receipt.version
    async with AdaptiveCoordinator(config(tmp_path)) as node:
        assert await node.retrieve("key") == b"newer"


async def test_memory_alone_keeps_no_records_and_says_so(tmp_path: Path) -> None:
    await filled(tmp_path, durability="memory")
    assert sorted(os.listdir(tmp_path)) == ["identity.pem", "lock"]
    async with AdaptiveCoordinator(config(tmp_path, durability="memory")) as node:
        assert node.stored_records == 0
        assert (await node.node_info()).durability == "memory"


def test_a_disk_needs_a_directory() -> None:
    for durability in ("synced", "buffered"):
        with pytest.raises(ConfigError, match=f"not '{durability}'"):
            CoordinatorConfig(durability=durability)
    with pytest.raises(ConfigError, match="durability must be auto, or one of synced"):
        CoordinatorConfig(durability="fsync")
    assert CoordinatorConfig().durability == "memory"


async def test_a_store_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[Any] = []
    monkeypatch.setattr(Writer, "write", lambda self, change: writes.append((self, change)))
    async with AdaptiveCoordinator(config(tmp_path)) as node, client_of(node) as client:
        storing = asyncio.create_task(client.store("key", b"value"))
        await eventually(lambda: key_of("key") in [change.key for _, change in writes])
        await asyncio.sleep(0.05)
        assert not storing.done()
        monkeypatch.undo()
        for writer, change in writes:
            writer.write(change)
        assert (await storing).acks == 1


async def test_a_damaged_record_is_left_out_named_and_gone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await filled(tmp_path)
    with closing(sqlite3.connect(tmp_path / "records.db")) as plain, plain:
        row = plain.execute(
            "SELECT seq FROM meta WHERE substr(entry, 9, 32)=?", (bytes(key_of(KEYS[5])),)
        ).fetchone()
        plain.execute("UPDATE data SET value=? WHERE seq=?", (b"key 6", *row))
    async with AdaptiveCoordinator(config(tmp_path)) as node:
        assert await values(node) == {key: value for key, value in LEFT.items() if key != KEYS[5]}
    assert "a record in" in caplog.text
    assert "was damaged" in caplog.text
    caplog.clear()
    async with AdaptiveCoordinator(config(tmp_path)) as node:
        assert node.stored_records == len(KEYS) - 1
    assert "damaged" not in caplog.text


async def test_a_damaged_record_comes_back_from_the_others(tmp_path: Path) -> None:
    async with swarm(2) as nodes, client_of(*nodes) as client:
        folder, join = tmp_path / "third", [nodes[0].address]
        third = CoordinatorConfig(data_dir=folder, bootstrap=join, leave_timeout_s=0)
        async with AdaptiveCoordinator(third) as node:
            await client.store_many({key: key.encode() for key in KEYS})
            await eventually(lambda: node.stored_records == len(KEYS))
        with closing(sqlite3.connect(folder / "records.db")) as plain, plain:
            plain.execute("UPDATE data SET value=? WHERE seq % 2", (b"wrong",))
        async with AdaptiveCoordinator(third) as node:
            async with asyncio.timeout(30):
                await node.wait_ready()
            await all_read(node)
            async with asyncio.timeout(30):
                await node.wait_ready()
            await all_read(node)
            held = [node._node.store.held(key_of(key)) for key in KEYS]
            assert [each and each.value for each in held] == [key.encode() for key in KEYS]
            assert 10 < node.stats.values_damaged < len(KEYS)
            assert node.stats.records_pulled >= 10


async def test_a_damaged_file_is_set_aside_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await filled(tmp_path)
    (tmp_path / "records.db").write_bytes(b"no database at all" * 1000)
    async with AdaptiveCoordinator(config(tmp_path)) as node:
        assert node.stored_records == 0
        async with client_of(node) as client:
            await client.store("new", b"value")
    aside = [name for name in os.listdir(tmp_path) if ".damaged-" in name]
    assert len(aside) == 1
    assert aside[0] in caplog.text
    async with AdaptiveCoordinator(config(tmp_path)) as node:
        assert node.stored_records == 1


async def all_read(node: AdaptiveCoordinator) -> None:
    """All values of this node are in its memory, or were found to be damaged."""
    there = asyncio.Event()
    assert node._node.journal is not None
    keys = [key_of(key) for key in KEYS]
    node._node.journal.recalls.bring(keys, lambda _: there.set(), now())
    assert node._host is not None
    node._host.pump()
    async with asyncio.timeout(30):
        await there.wait()


async def test_a_file_that_is_damaged_amid_is_set_aside_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading stops amid the file. No value was read by then: nothing can be taken over of it."""
    await filled(tmp_path)
    monkeypatch.setattr("p2pcore.aio.database.READ_ROWS", 10)
    heads = Database.heads

    def torn(self: Database) -> Any:
        yield from [batch for _, batch in zip(range(2), heads(self), strict=False)]
        raise DamagedError("database disk image is malformed")

    monkeypatch.setattr(Database, "heads", torn)
    async with AdaptiveCoordinator(config(tmp_path)) as node, client_of(node) as client:
        assert node.stored_records == 0
        await client.store("new", b"value")
    monkeypatch.undo()
    async with AdaptiveCoordinator(config(tmp_path)) as node, client_of(node) as client:
        assert node.stored_records == 1
        assert await client.retrieve("new") == b"value"
    assert any(".damaged-" in name for name in os.listdir(tmp_path))


async def test_a_copied_directory_is_refused(tmp_path: Path) -> None:
    await filled(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    with pytest.raises(ConfigError, match="is a copy of another file: two nodes with one identity"):
        await AdaptiveCoordinator(config(tmp_path / "two")).start()
    (tmp_path / "two" / "records.db").unlink()  # the way out that it names
    async with AdaptiveCoordinator(config(tmp_path / "two")) as node:
        assert node.stored_records == 0
    shutil.move(tmp_path / "one", tmp_path / "three")  # moved is not copied
    async with AdaptiveCoordinator(config(tmp_path / "three")) as node:
        assert await values(node) == LEFT


async def test_old_records_are_refused_with_the_way_out(tmp_path: Path) -> None:
    await filled(tmp_path)
    two_days_ago = version_at(int(time.time() * 1000) - 2 * 86_400_000)
    with closing(sqlite3.connect(tmp_path / "records.db")) as plain, plain:
        for key in (CLOCK_KEY, Key(CLOCK_KEY + AGAIN)):
            found = "SELECT seq FROM meta WHERE substr(entry, 9, 32)=?"
            row = plain.execute(found, (bytes(key).ljust(32, b"\0"),)).fetchone()[0]
            entry = entry_of(row, key, two_days_ago, None, 0, None)
            plain.execute("UPDATE meta SET entry=? WHERE seq=?", (entry, row))
    said = r"records\.db: the records were last in use 172\d\d\d s ago, .* for 86400 s: .* raise"
    with pytest.raises(ConfigError, match=said):
        await AdaptiveCoordinator(config(tmp_path)).start()
    async with AdaptiveCoordinator(config(tmp_path, tombstone_grace_s=3 * 86_400)) as node:
        assert await values(node) == LEFT


async def test_a_store_that_is_too_small_for_its_records_is_refused(tmp_path: Path) -> None:
    await filled(tmp_path)
    with pytest.raises(ConfigError, match="max_store_bytes is too small for what is on disk"):
        await AdaptiveCoordinator(config(tmp_path, max_store_bytes=1000)).start()
    async with AdaptiveCoordinator(config(tmp_path)) as node:
        assert await values(node) == LEFT


async def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    await filled(tmp_path)
    with closing(sqlite3.connect(tmp_path / "records.db")) as plain:
        plain.execute("PRAGMA user_version=99")
    with pytest.raises(ConfigError, match="schema 99, this p2pcore knows"):
        await AdaptiveCoordinator(config(tmp_path)).start()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
async def test_somebody_elses_file_is_refused(tmp_path: Path) -> None:
    await filled(tmp_path)
    (tmp_path / "records.db").chmod(0o400)
    with pytest.raises(ConfigError, match=r"records\.db can't be used: Permission denied"):
        await AdaptiveCoordinator(config(tmp_path)).start()


async def test_a_full_disk_goes_on_reading_and_deleting_and_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AdaptiveCoordinator(config(tmp_path)) as node, client_of(node) as client:
        await client.store_many({key: key.encode() for key in KEYS})
        write = Database.write

        def no_room(self: Database, group: Any) -> None:
            if any(change.value is not None for change in group):
                raise FullDiskError("database or disk is full")
            write(self, group)

        monkeypatch.setattr(Database, "write", no_room)
        monkeypatch.setattr(Writer, "_take_ballast", lambda self: False)
        with pytest.raises(StorageFullError, match="the disk is full"):
            await client.store("more", b"value", timeout_s=2)
        assert not (tmp_path / BALLAST_FILE).exists()
        assert await client.retrieve(KEYS[1]) == KEYS[1].encode()
        for key in KEYS[:20]:
            await client.delete(key)
        assert node.ready
        monkeypatch.undo()
        await eventually(lambda: node._node.journal.trouble is None)  # type: ignore[union-attr]
        await client.store("more", b"value")
        assert (tmp_path / BALLAST_FILE).exists()
    async with AdaptiveCoordinator(config(tmp_path)) as node, client_of(node) as client:
        assert await client.retrieve("more") == b"value"
        assert len(await client.retrieve_many(KEYS)) == 20


async def test_a_disk_that_fails_makes_its_node_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others have its records before it is gone, though it could not be written to."""
    async with swarm(3) as nodes, client_of(*nodes) as client:
        fourth = AdaptiveCoordinator(
            CoordinatorConfig(data_dir=tmp_path, bootstrap=[nodes[0].address])
        )
        await fourth.start()
        await fourth.wait_ready()
        await client.store_many({key: key.encode() for key in KEYS})
        asked: list[int] = []

        def broken(self: Database, group: Any) -> None:
            asked.append(len(group))
            raise BrokenDiskError("disk I/O error (SQLITE_IOERR_FSYNC)")

        monkeypatch.setattr(Database, "write", broken)
        storing = [client.store(f"more {n}", b"value") for n in range(40)]
        assert all(receipt.acks >= 2 for receipt in await asyncio.gather(*storing))
        async with asyncio.timeout(30):
            error = await fourth.wait_broken()
        assert "SQLITE_IOERR_FSYNC" in str(error)
        assert not fourth.ready
        await eventually(lambda: all(node.known_nodes == 2 for node in nodes), 30)
        assert len(asked) == 1
        assert await client.retrieve_many(KEYS) == {key: key.encode() for key in KEYS}
        await fourth.shutdown()
