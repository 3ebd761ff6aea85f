"""Real members of each peer that this machine has: they serve, they are checked, they go away."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks.common import subject
from benchmarks.common.children import ChildError
from perflab.peers.command import FOLDERS
from perflab.peers.stores.contract import Peer, Premises
from perflab.peers.stores.running import RunningPeer
from perflab.peers.stores.servers import Servers, free_ports
from perflab.peers.stores.table import MEASURED

ROOT = Path(__file__).parents[4]
PROGRAMS = [peer for peer in MEASURED.values() if peer.program is not None]
NODES = [peer for peer in MEASURED.values() if peer.program is None]

pytestmark = pytest.mark.slow


def require(peer: Peer) -> None:
    lacks = FOLDERS.missing(peer)
    if lacks is not None:
        pytest.skip(f"{peer.name}: {lacks}")


@pytest.fixture
def running(peer: Peer) -> Iterator[RunningPeer]:
    require(peer)
    with RunningPeer(peer, FOLDERS, subject.default_loop()) as entered:
        yield entered
    assert not [pid for pid in entered.pids if psutil.pid_exists(pid)]


@pytest.mark.parametrize("peer", MEASURED.values(), ids=lambda peer: peer.name)
def test_what_is_put_is_got(running: RunningPeer, peer: Peer) -> None:
    assert len(running.pids) == 3
    pinned = dict(each.split("==") for wanted in peer.clients.values() for each in wanted)
    assert pinned.items() <= running.versions.items()
    if peer.program is not None:
        assert re.fullmatch(r"\d+(\.\d+)+", running.versions[peer.program.name])
    for client in peer.clients:
        for edition, (operations, in_flight) in enumerate([(5, 1), (60, 16)]):
            answers = running.ask(client, operations, in_flight, edition)
            assert set(answers) == {"store", peer.reads}
            for outcome in answers.values():
                assert len(outcome.latencies_s) == operations
                assert outcome.elapsed_s > 0


@pytest.mark.parametrize("peer", NODES, ids=lambda peer: peer.name)
async def test_a_client_that_is_a_node_answers_nothing_itself(
    peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the client keeps would be measured instead of the network."""
    require(peer)
    monkeypatch.syspath_prepend(FOLDERS.packages(peer))
    none = tmp_path / "none"
    premises = Premises(
        folder=tmp_path, packages=FOLDERS.packages(peer), program=None, loop="asyncio",
        ports={"client": free_ports(3)}, authority=none, certificate=none, key=none,
    )  # fmt: skip
    servers = Servers(tmp_path)
    try:
        for command in peer.commands(premises):
            servers.start(command, FOLDERS.environment(None))
        client = await peer.connect(next(iter(peer.clients)), premises)
        keys = [f"key-{n}" for n in range(8)]
        for key in keys:
            await client.store(key, key.encode())
        assert [await client.retrieve(key) for key in keys] == [key.encode() for key in keys]
        for pid in servers.pids:
            os.kill(pid, signal.SIGSTOP)
        got = await asyncio.gather(*map(client.retrieve, keys), return_exceptions=True)
        assert sum(isinstance(each, bytes) for each in got) <= 1  # libtorrent's room for one item
        await client.close()
    finally:
        for pid in servers.pids:
            os.kill(pid, signal.SIGCONT)
        servers.stop()


@pytest.mark.parametrize("peer", PROGRAMS, ids=lambda peer: peer.name)
def test_a_member_that_dies_is_told_in_a_line(running: RunningPeer, peer: Peer) -> None:
    client = next(iter(peer.clients))
    running.ask(client, 5, 1, 1)
    os.kill(running.pids[2], signal.SIGKILL)
    while psutil.Process(running.pids[2]).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)  # its parent, which is not this process, has not looked yet
    # Two of three go on, as they should; a figure of them would not be one of three.
    with pytest.raises(ChildError, match="member 2 ended with -9"):
        running.ask(client, 5, 1, 2)


@pytest.mark.parametrize("peer", PROGRAMS, ids=lambda peer: peer.name)
def test_the_members_ask_for_certificates(running: RunningPeer, peer: Peer) -> None:
    """A client that knows the authority but has no certificate is not served."""
    folder = Path(psutil.Process(running.pids[0]).cwd()).parent
    listening = {
        each.laddr.port
        for each in psutil.Process(running.pids[0]).net_connections("tcp")
        if each.status == psutil.CONN_LISTEN
    }
    assert listening
    for port in listening:
        said = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile",
             str(folder / "authority.pem"), "-verify_return_error", "-quiet"],
            input=b"PING\r\n", capture_output=True, timeout=60,
        )  # fmt: skip
        assert b"PONG" not in said.stdout
        assert b"alert" in said.stderr or said.returncode, (port, said)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=lambda how: how.name)
def test_nothing_is_left_of_a_run_that_is_ended(how: signal.Signals, tmp_path: Path) -> None:
    names = [name for name, peer in MEASURED.items() if FOLDERS.missing(peer) is None]
    if not names:
        pytest.skip("no peer can be started here")
    words = ["--with", *names, "--layouts", "A", "--in-flight", "1", "--repeats", "1000"]
    with subprocess.Popen(
        [sys.executable, "-m", "perflab", "peers", *words], cwd=ROOT, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(tmp_path)},
    ) as measuring:  # fmt: skip
        assert measuring.stderr is not None
        while "repeat 1 of" not in measuring.stderr.readline():
            assert measuring.poll() is None
        children = psutil.Process(measuring.pid).children(recursive=True)
        assert len(list(tmp_path.glob("peer-*"))) == len(names)
        assert len(children) > 4 * len(names)
        measuring.send_signal(how)
        if how == signal.SIGINT:
            assert measuring.wait(120) == 130
            assert not [each for each in children if each.is_running()]
        measuring.stderr.close()
    _, alive = psutil.wait_procs(children, 60)
    assert not alive
    assert not list(tmp_path.glob("peer-*"))


def test_each_peer_is_named_after_its_key() -> None:
    assert all(peer.name == name for name, peer in MEASURED.items())
