"""The file of ids that may link, on real sockets: read, broken, read anew."""

import asyncio
from pathlib import Path

import pytest

from p2pcore import (
    AdaptiveClient,
    AdaptiveCoordinator,
    ClientConfig,
    ConfigError,
    CoordinatorConfig,
    NotAllowedError,
    UsageError,
)
from p2pcore.aio.files import MAX_ALLOW_BYTES, read_allow_list
from tests.aio.support import ONE, eventually

ID, OTHER = "ab" * 32, "CD" * 32


def test_one_id_a_line(tmp_path: Path) -> None:
    file = tmp_path / "allow"
    file.write_bytes(f"# of us\n\n{ID}\r\n  {OTHER}  # the host in the cellar é\n{ID}".encode())
    allowed = read_allow_list(file)
    assert allowed.ids == {bytes.fromhex(ID), bytes.fromhex(OTHER)}
    assert not allowed.any_client
    file.write_text(f"\ufeff{ID}\nany-client\n", encoding="utf-8")
    assert read_allow_list(file).any_client


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "holds no id"),
        (b"# nobody\nany-client\n", "holds no id"),
        (ID.encode() + b"\n" + ID[:-1].encode(), "line 2: .* is not an id of 64 hex digits"),
        (f"host:1#{ID}".encode(), "line 1: 'host:1'"),
        (f"{ID} {ID}".encode(), "line 1"),
        (b"\xff" * 64, "can't be read"),
        (b"#" * (MAX_ALLOW_BYTES + 1), f"more than {MAX_ALLOW_BYTES} bytes"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "allow"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=f"allow_file: {file}.*{says}") as refusal:
        AdaptiveCoordinator(CoordinatorConfig(allow_file=file))
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 400


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(ConfigError, match=f"{path} can't be read"):
            AdaptiveCoordinator(CoordinatorConfig(allow_file=path))
    with pytest.raises(UsageError, match="no allow_file"):
        AdaptiveCoordinator().reload_allow_list()


async def test_a_list_is_read_anew_without_a_stop(tmp_path: Path) -> None:
    file = tmp_path / "allow"
    homes = [tmp_path / name for name in ("one", "two", "client")]
    file.write_text(f"{ID}\n")

    def node(home: Path, *bootstrap: str) -> AdaptiveCoordinator:
        settings = {"data_dir": home, "allow_file": file, "replication_factor": 2}
        return AdaptiveCoordinator(CoordinatorConfig(bootstrap=bootstrap, **settings))  # type: ignore[arg-type]

    async with node(homes[0]) as first:
        second = node(homes[1], f"{first.address}#{first.node_id.hex()}")
        config = ClientConfig(bootstrap=[first.address], data_dir=homes[2])
        client = AdaptiveClient(config)
        with pytest.raises(NotAllowedError, match=client.client_id.hex()):
            await client.connect()
        members = [first.node_id, second.node_id, client.client_id]
        file.write_text("\n".join(member.hex() for member in members))
        assert first.reload_allow_list() == second.reload_allow_list() == 3
        await second.start()
        async with AdaptiveClient(config) as again:
            assert again.client_id == client.client_id
            await again.store("key", b"value")

            file.write_text("half a li")
            with pytest.raises(ConfigError, match="line 1"):
                first.reload_allow_list()
            assert first.known_nodes == 1
            assert await again.retrieve("key") == b"value"

            file.write_text(f"{first.node_id.hex()}\n{client.client_id.hex()}\n")
            assert first.reload_allow_list() == 2
            await eventually(lambda: second.known_nodes == 0)
            assert first.known_nodes == 0
            with pytest.raises(NotAllowedError):
                await second.connect_to_peer(first.address)
            assert (await again.node_info(first.address)).known_nodes == 0
        await second.shutdown()


async def test_only_at_home(tmp_path: Path) -> None:
    file = tmp_path / "allow"
    file.write_text(f"{ID}\n")
    async with AdaptiveCoordinator(CoordinatorConfig(allow_file=file, **ONE)) as node:
        with pytest.raises(UsageError, match="another event loop"):
            await asyncio.to_thread(node.reload_allow_list)
