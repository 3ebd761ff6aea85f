"""Scans on real sockets: by clients, nodes and the blocking client, in memory and on disk."""

import asyncio
from pathlib import Path

import pytest

from p2pcore import AdaptiveCoordinator, CoordinatorConfig, LimitError, UsageError
from p2pcore.aio import upkeep
from p2pcore.replication import naming
from tests.aio.support import ONE, client_of, swarm

NAMES = {f"users/{number}" for number in range(120)}


async def test_clients_and_nodes_list_what_was_stored_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(naming, "LOOKS", 16)  # so that there are many steps
    async with swarm(5) as nodes, client_of(nodes[0]) as client:
        await client.store_many(dict.fromkeys(NAMES, b"value"), listed=True)
        await nodes[3].store("other", b"value", listed=True)
        await client.store(b"\xff", b"no text", listed=True)
        await client.store("users/unlisted", b"value")
        for peer in (client, nodes[1]):
            assert {name async for name in peer.scan("users/")} == NAMES
            assert {name async for name in peer.scan()} == NAMES | {"other"}
            assert [name async for name in peer.scan(prefix=b"\xff")] == [b"\xff"]
        everything = [name async for name in client.scan(b"")]
        assert len(everything) == len(set(everything)) == len(NAMES) + 2


async def test_a_scan_goes_on_from_its_cursor_and_after_it_was_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(naming, "LOOKS", 16)
    async with swarm(3) as nodes, client_of(nodes[0]) as client:
        await client.store_many(dict.fromkeys(NAMES, b"value"), listed=True)
        scan, names = client.scan(), []
        assert scan.cursor == ""
        while True:
            name = asyncio.create_task(anext(scan, None))  # type: ignore[arg-type]
            for _ in range(len(names) % 7):
                await asyncio.sleep(0)
            if len(names) % 3 == 2:
                name.cancel()
            try:
                found = await name
            except asyncio.CancelledError:
                scan = client.scan(cursor=scan.cursor) if len(names) % 2 else scan
                names.append("")
                continue
            if found is None:
                break
            names.append(found)
        assert {name for name in names if name} == NAMES
        assert len([name for name in names if name]) == len(NAMES)
        assert [name async for name in client.scan(cursor=scan.cursor)] == []


async def test_what_cannot_be_meant_is_told_at_once() -> None:
    async with AdaptiveCoordinator(CoordinatorConfig(**ONE)) as node:
        with pytest.raises(UsageError, match="prefix is str or bytes, not int"):
            node.scan(7)  # type: ignore[call-overload]
        with pytest.raises(LimitError, match="a prefix has up to 1024 bytes, this one has 1025"):
            node.scan("x" * 1025)
        for cursor in ("x", "0" * 63, "z" * 64, 7):
            with pytest.raises(UsageError, match="a cursor is what"):
                node.scan(cursor=cursor)  # type: ignore[call-overload]
        with pytest.raises(LimitError, match="listed record has up to 1024 bytes"):
            await node.store("é" * 513, b"", listed=True)
        with pytest.raises(UsageError, match="listed must be True or False, not 'yes'"):
            await node.store("key", b"", listed="yes")  # type: ignore[arg-type]
        await node.store("x" * 1024, bytes(1 << 20), listed=True)
        assert [name async for name in node.scan()] == ["x" * 1024]
        scan = node.scan()
        first = asyncio.create_task(anext(scan))  # type: ignore[arg-type]
        second = asyncio.create_task(anext(scan))  # type: ignore[arg-type]
        done = await asyncio.gather(first, second, return_exceptions=True)
        assert [type(each) for each in done] in ([str, UsageError], [str, StopAsyncIteration])


async def test_names_are_on_disk_and_in_a_backup(tmp_path: Path) -> None:
    config = CoordinatorConfig(data_dir=tmp_path / "node", **ONE)
    async with AdaptiveCoordinator(config) as node:
        await node.store_many(dict.fromkeys(NAMES, b"value"), listed=True)
        await node.store("unlisted", b"value")
        await node.delete("users/7")
        upkeep.back_up(tmp_path / "node", tmp_path / "backup")
    async with AdaptiveCoordinator(config) as node:
        await node.wait_ready()
        assert {name async for name in node.scan()} == NAMES - {"users/7"}
    (tmp_path / "other").mkdir()
    upkeep.restore(tmp_path / "backup", tmp_path / "other")
    async with AdaptiveCoordinator(CoordinatorConfig(data_dir=tmp_path / "other", **ONE)) as node:
        await node.wait_ready()
        assert {name async for name in node.scan("users/")} == NAMES - {"users/7"}
