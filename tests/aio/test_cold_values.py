"""Values that are on disk only, read on real sockets from a real file: never in the loop."""

import asyncio
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from p2pcore import AdaptiveCoordinator, CoordinatorConfig
from p2pcore.aio.database import Database
from tests.aio.support import ONE, client_of, eventually

KEYS = [f"key {number}" for number in range(40)]


def config(folder: Path) -> CoordinatorConfig:
    return CoordinatorConfig(data_dir=folder, cache_bytes=1, **ONE)


async def test_while_a_value_is_read_the_loop_serves_all_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk stands still until the test lets it go: nothing in the loop waits for it."""
    loop_thread, go, readers = threading.get_ident(), threading.Event(), list[int]()
    read = Database.read

    def slow(self: Database, row: int) -> Any:
        readers.append(threading.get_ident())
        assert go.wait(60)
        return read(self, row)

    async with AdaptiveCoordinator(config(tmp_path)) as node, client_of(node) as client:
        await client.store_many({key: key.encode() for key in KEYS})
        monkeypatch.setattr(Database, "read", slow)
        waiting = asyncio.create_task(client.retrieve(KEYS[0], timeout_s=60))
        await eventually(lambda: readers)
        for number in range(20):  # each of these is a turn of the loop, and a group of the writer
            await client.store(f"new {number}", b"value")
        assert (await client.node_info()).ready
        assert not waiting.done()
        go.set()
        assert await waiting == KEYS[0].encode()
        assert await client.retrieve_many(KEYS) == {key: key.encode() for key in KEYS}
    assert loop_thread not in readers


async def test_no_statement_runs_in_the_loop_once_a_node_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, connect = list[int](), sqlite3.connect

    def traced(*args: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **options)
        connection.set_trace_callback(lambda _: threads.append(threading.get_ident()))
        return connection

    monkeypatch.setattr(sqlite3, "connect", traced)
    async with AdaptiveCoordinator(config(tmp_path)) as node, client_of(node) as client:
        threads.clear()
        await client.store_many({key: key.encode() for key in KEYS})
        assert await client.retrieve_many(KEYS) == {key: key.encode() for key in KEYS}
        await client.delete(KEYS[0])
        assert node.stats.values_recalled > len(KEYS) // 2
        assert len(threads) > len(KEYS) // 2
        assert threading.get_ident() not in threads


async def test_a_restart_reads_no_values_and_gives_them_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AdaptiveCoordinator(config(tmp_path)) as node, client_of(node) as client:
        await client.store_many({key: key.encode() for key in KEYS})
    statements, connect = list[str](), sqlite3.connect

    def traced(*args: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **options)
        connection.set_trace_callback(statements.append)
        return connection

    monkeypatch.setattr(sqlite3, "connect", traced)
    async with AdaptiveCoordinator(config(tmp_path)) as node, client_of(node) as client:
        values = [each for each in statements if "JOIN data" in each]
        assert all(each.count("WHERE seq = ") == 1 for each in values)  # the notes
        assert len(values) <= 4  # two notes, each twice
        assert await client.retrieve_many(KEYS) == {key: key.encode() for key in KEYS}
