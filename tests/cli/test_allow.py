"""`p2pcore serve --allow FILE`: who is let in, and SIGHUP."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from p2pcore.aio.identity import Identity
from tests.processes import PATIENCE_S

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")


def wait_for(log: Path, text: str, times: int = 1) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while log.read_text().count(text) < times:
        assert time.monotonic() < deadline_s, log.read_text()
        time.sleep(0.01)


@pytest.fixture
def identities(tmp_path: Path) -> dict[str, str]:
    """The ids of data directories below tmp_path."""
    names = ("one", "two", "client", "stranger", "work/worker-0", "work/worker-1")
    return {name: Identity.of_directory(tmp_path / name).node_id.hex() for name in names}


def test_a_node_is_expelled_without_a_stop(
    serve: Callable[..., Any],
    command: Callable[..., Any],
    tmp_path: Path,
    identities: dict[str, str],
) -> None:
    allow, pair = tmp_path / "allow", ("--replicas", "2", "--write-quorum", "1")
    allow.write_text("\n".join(identities[name] for name in ("one", "two", "client")))
    words = ("--allow", str(allow), *pair)
    one = serve("--data-dir", str(tmp_path / "one"), *words)
    two = serve("--data-dir", str(tmp_path / "two"), "--join", one.address, *words)

    def put(who: str, node: Any = one) -> Any:
        identity = ("--identity", str(tmp_path / who))
        return command("put", "k", "v", "--via", node.address, *identity)

    assert put("client").returncode == 0
    for refused in (put("stranger"), command("put", "k", "v", "--via", one.address)):
        assert refused.returncode == 3
        assert "is not on the allow list here" in refused.stderr.decode().splitlines()[-1]
    wait_for(one.log, f"id {identities['stranger']} is not on the allow list here")

    allow.write_text("no id\n")
    one.process.send_signal(signal.SIGHUP)
    wait_for(one.log, "the allow list stays as it was: allow_file:")
    assert one.log.read_text().count("the allow list stays as it was") == 1
    assert put("client").returncode == 0

    allow.write_text("\n".join(identities[name] for name in ("one", "client")))
    one.process.send_signal(signal.SIGHUP)
    wait_for(one.log, "the allow list has 2 ids now")
    wait_for(one.log, f"id {identities['two']} is not on the allow list here")
    wait_for(two.log, "is not on the allow list here")
    assert put("client").returncode == 0
    third = command("serve", "--data-dir", str(tmp_path / "stranger"), "--join", one.address, *pair)
    assert third.returncode == 3
    assert "is not on the allow list here" in third.stderr.decode().splitlines()[-1]
    one.process.terminate()
    assert one.wait_exit() == 0


def test_workers_read_it_anew(
    launch: Callable[..., Any],
    command: Callable[..., Any],
    tmp_path: Path,
    identities: dict[str, str],
) -> None:
    allow = tmp_path / "allow"
    workers = [identities["work/worker-0"], identities["work/worker-1"]]
    allow.write_text("\n".join(workers))
    data_dir, quorum = str(tmp_path / "work"), ("--replicas", "2")
    serving = launch("--workers", "2", "--allow", str(allow), "--data-dir", data_dir, *quorum)
    address, _ = (serving.process.stdout.readline().split()[3] for _ in range(2))
    put = ("put", "k", "v", "--via", address, "--identity", str(tmp_path / "client"))
    assert command(*put).returncode == 3
    allow.write_text("\n".join([*workers, identities["client"]]))
    serving.process.send_signal(signal.SIGHUP)
    wait_for(serving.log, "the allow list has 3 ids now", times=2)
    assert command(*put).returncode == 0
    allow.unlink()
    serving.process.send_signal(signal.SIGHUP)
    wait_for(serving.log, "the allow list stays as it was", times=2)
    assert command(*put).returncode == 0
    serving.process.terminate()
    assert serving.wait_exit() == 0


def test_a_list_that_can_not_be_used_starts_nothing(
    command: Callable[..., Any], tmp_path: Path
) -> None:
    for workers in ("1", "2"):
        run = command("serve", "--workers", workers, "--allow", str(tmp_path / "none"))
        assert run.returncode == 2
        line = run.stderr.decode().splitlines()[-1]
        text = f"allow_file: {tmp_path / 'none'} can't be read: No such file or directory"
        assert line == f"p2pcore: {text}"
