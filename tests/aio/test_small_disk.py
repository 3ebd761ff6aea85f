"""A file system of its own, small enough to be filled, or read-only: no patch stands for a disk."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from p2pcore import AdaptiveClient, AdaptiveCoordinator, ConfigError, StorageFullError
from p2pcore.aio.upkeep import check
from tests.aio.support import client_of, eventually
from tests.aio.test_durable import config, filled

SIZE_MIB = 80
FILLER_BYTES = 24 << 20


def mount(*words: str) -> bool:
    try:
        return subprocess.run(["mount", *words], capture_output=True, timeout=60).returncode == 0
    except FileNotFoundError:
        return False


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if not mount("-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", str(folder)):
        pytest.skip("no file system can be mounted here: that needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True, timeout=60)


async def fill(client: AdaptiveClient, stored: list[str]) -> StorageFullError:
    """Store until there is no room; why."""
    for number in range(2 * SIZE_MIB):
        try:
            await client.store(f"key {number}", b"v" * (1 << 20), timeout_s=5)
        except StorageFullError as error:
            return error
        stored.append(f"key {number}")
    raise AssertionError(f"{2 * SIZE_MIB} MiB fit into {SIZE_MIB}")


async def test_a_disk_is_filled_goes_on_and_has_room_again(disk: Path) -> None:
    filler = disk / "filler"
    filler.write_bytes(bytes(FILLER_BYTES))
    folder = disk / "node"
    stored: list[str] = []
    async with AdaptiveCoordinator(config(folder)) as node, client_of(node) as client:
        error = await fill(client, stored)
        assert "the disk is full" in str(error)
        assert len(stored) > 10
        assert node.ready
        for key in stored[: len(stored) // 2]:
            assert await client.retrieve(key) == b"v" * (1 << 20)
        for key in stored[::2]:
            await client.delete(key)
        with pytest.raises(StorageFullError):
            await client.store("more", b"v" * (1 << 20), timeout_s=1)
        filler.unlink()
        journal = node._node.journal
        assert journal is not None
        await eventually(lambda: journal.trouble is None, 30)
        await client.store("more", b"value")
    assert check(folder).damaged == []
    async with AdaptiveCoordinator(config(folder)) as node, client_of(node) as client:
        kept = await client.retrieve_many(["more", *stored])
        assert {"more", *stored[1::2]} <= kept.keys()
        assert not kept.keys() & set(stored[::2])


async def test_a_read_only_file_system_is_refused(disk: Path) -> None:
    await filled(disk / "node")
    assert mount("-o", "remount,ro", str(disk))
    with pytest.raises(ConfigError, match=r"data_dir: .*Read-only file system"):
        await AdaptiveCoordinator(config(disk / "node")).start()
    assert check(disk / "node").damaged == []
