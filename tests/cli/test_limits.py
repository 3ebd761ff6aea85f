"""What the system does not give: descriptors, room on a disk, a directory that is in use."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from p2pcore import ConfigError, CoordinatorConfig
from p2pcore.aio.coordinator import AdaptiveCoordinator
from p2pcore.aio.files import LOCK_FILE, DirectoryLock, write_new
from p2pcore.cli import main
from tests.processes import PATIENCE_S, environment

pytestmark = pytest.mark.skipif(os.name != "posix", reason="limits and locks of POSIX")
SOLO = ("--replicas", "1")

LIMITED = """
import resource, sys
resource.setrlimit(getattr(resource, sys.argv[1]), (int(sys.argv[2]),) * 2)
from p2pcore.cli import main
sys.exit(main(sys.argv[3:]))
"""


def limited(name: str, limit: int) -> list[str]:
    return [sys.executable, "-c", LIMITED, name, str(limit)]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
def test_the_log_holds_at_the_limit_of_descriptors(
    launch: Callable[..., Any], command: Callable[..., Any], loop: str, form: tuple[str, ...]
) -> None:
    words = ("--loop", loop, "--handshake-timeout", "60", *SOLO, *form)
    serving = launch(*words, python=limited("RLIMIT_NOFILE", 40))
    line = serving.process.stdout.readline()
    address = line.split('"')[3] if form else line.split()[1]
    host, port = address.split(":")
    strangers = [socket.create_connection((host, int(port))) for _ in range(60)]
    deadline_s = time.monotonic() + PATIENCE_S
    while len(os.listdir(f"/proc/{serving.process.pid}/fd")) < 39:  # all that it may have
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    for stranger in strangers:
        stranger.close()
    assert command("put", "k", "v", "--via", address, "--timeout", "30").returncode == 0
    serving.process.terminate()
    assert serving.wait_exit() == 0
    log = serving.log.read_text()
    assert "Traceback" not in log
    assert "Logging error" not in log
    assert len(log.splitlines()) < 30, log


@pytest.mark.parametrize(
    ("words", "name"),
    [(("keygen", "network", "-o"), "key"), (("keygen", "identity"), "identity.pem")],
)
def test_a_full_disk_leaves_no_part_of_a_key(
    tmp_path: Path, words: tuple[str, ...], name: str
) -> None:
    target = tmp_path / "key" if name == "key" else tmp_path
    run = subprocess.run(
        [*limited("RLIMIT_FSIZE", 0), *words, str(target)],
        capture_output=True, text=True, env=environment(), timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert run.returncode == 2
    assert f"{tmp_path / name} can't be" in run.stderr
    assert "File too large" in run.stderr
    assert len(run.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
    assert main([*words, str(target)]) == 0, "and then there is room"
    assert (tmp_path / name).stat().st_size > 60


def test_a_new_file_replaces_nothing_and_is_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    for number in range(2):
        path = tmp_path / f"file {number}"
        write_new(path, b"first")
        with pytest.raises(FileExistsError):
            write_new(path, b"second")
        assert path.read_bytes() == b"first"
        assert path.stat().st_mode & 0o777 == 0o600
        monkeypatch.setattr(os, "link", no_links)  # as some file systems
    assert len(list(tmp_path.iterdir())) == 2


def test_a_data_directory_serves_one_node(
    serve: Callable[..., Any], command: Callable[..., Any], tmp_path: Path
) -> None:
    words = ("--data-dir", str(tmp_path), *SOLO)
    first = serve(*words)
    second = command("serve", *words)
    assert second.returncode == 2
    line = second.stderr.decode().splitlines()[-1]
    said = f"data_dir: {tmp_path} is in use by process {first.process.pid}"
    assert line == f"p2pcore: {said}"
    first.process.send_signal(signal.SIGKILL)
    first.wait_exit()
    third = serve(*words)
    assert third.node_id == first.node_id
    third.process.terminate()
    assert third.wait_exit() == 0
    assert serve(*words).node_id == first.node_id


def test_workers_lock_their_own_directories(
    launch: Callable[..., Any], command: Callable[..., Any], tmp_path: Path
) -> None:
    serving = launch("--workers", "3", "--data-dir", str(tmp_path))
    for _ in range(3):
        assert serving.process.stdout.readline().startswith("worker ")
    run = command("serve", "--workers", "3", "--data-dir", str(tmp_path))
    assert run.returncode == 2
    assert "worker-0 is in use by process" in run.stderr.decode().splitlines()[-1]
    serving.process.terminate()
    assert serving.wait_exit() == 0


def test_a_lock_without_a_number_is_a_lock(tmp_path: Path) -> None:
    lock = DirectoryLock(tmp_path)
    (tmp_path / LOCK_FILE).write_bytes(b"")
    with pytest.raises(ConfigError, match="in use by another process"):
        DirectoryLock(tmp_path)
    lock.release()
    lock.release()
    DirectoryLock(tmp_path).release()


async def test_a_node_frees_its_directory_when_it_ends(tmp_path: Path) -> None:
    config = CoordinatorConfig(data_dir=tmp_path, replication_factor=1)
    first, second = AdaptiveCoordinator(config), AdaptiveCoordinator(config)
    await first.start()
    with pytest.raises(ConfigError, match=f"in use by process {os.getpid()}"):
        await second.start()
    await second.shutdown()
    await first.shutdown()
    async with AdaptiveCoordinator(config) as third:
        assert third.node_id == first.node_id
