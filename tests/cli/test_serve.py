"""`p2pcore serve` as a process: what it says, whom it refuses, how it ends."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from p2pcore import AdaptiveCoordinator, CoordinatorConfig
from p2pcore.cli import main
from p2pcore.cli.arguments import parser
from p2pcore.cli.serve import config_of

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and file modes")
PATIENCE_S = 60.0
SOLO = ("--replicas", "1")

# A name that takes a minute to look up, in a thread that nothing can interrupt.
HANGING_LOOKUP = """
import socket, sys, threading
real = socket.getaddrinfo
def getaddrinfo(host, *rest, **more):
    if host == "hangs.invalid":
        print("looking up", file=sys.stderr, flush=True)
        threading.Event().wait(60)
    return real(host, *rest, **more)
socket.getaddrinfo = getaddrinfo
from p2pcore.cli import main
sys.exit(main())
"""


def key_file(path: Path, digit: str) -> str:
    path.write_text(digit * 64 + "\n")
    path.chmod(0o600)
    return str(path)


def wait_for(log: Path, text: str) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while text not in log.read_text():
        assert time.monotonic() < deadline_s, log.read_text()
        time.sleep(0.01)


def last_line(serving: Any) -> str:
    return str(serving.log.read_text().splitlines()[-1])


def test_json_is_one_object_per_line(launch: Callable[..., Any]) -> None:
    serving = launch("--json", *SOLO)
    said = json.loads(serving.process.stdout.readline())
    assert said["contact"] == f"{said['address']}#{said['id']}"
    assert len(bytes.fromhex(said["id"])) == 32
    serving.process.send_signal(signal.SIGTERM)
    assert serving.wait_exit() == 0
    lines = [json.loads(line) for line in serving.log.read_text().splitlines()]
    assert "published" in lines[0]["warning"]
    assert {"time", "level", "logger", "message"} == set(lines[-1])
    assert "SIGTERM" in lines[-1]["message"]


def test_an_identity_is_kept_in_the_data_directory(
    serve: Callable[..., Any], tmp_path: Path
) -> None:
    data_dir = str(tmp_path / "data")
    first = serve("--data-dir", data_dir, *SOLO)
    first.process.terminate()
    assert first.wait_exit() == 0
    assert serve("--data-dir", data_dir, *SOLO).node_id == first.node_id
    assert (tmp_path / "data" / "identity.pem").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_it_says_goodbye(
    serve: Callable[..., Any], number: signal.Signals, loop: str
) -> None:
    # A crowded machine may hold either up for seconds: that is no loss here.
    serving = serve("--loop", loop, "--give-up-after", "60")
    config = CoordinatorConfig(bootstrap=[serving.address], give_up_after_s=60)
    async with AdaptiveCoordinator(config) as node:
        assert node.known_nodes == 1
        serving.process.send_signal(number)
        async with asyncio.timeout(PATIENCE_S):
            while node.known_nodes:  # noqa: ASYNC110 (a node has no event for it)
                await asyncio.sleep(0.01)
        assert node.stats.links_broken == 0  # a crash would count as one
    assert await asyncio.to_thread(serving.wait_exit) == 0
    assert number.name in last_line(serving)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_wrong_network_key(
    serve: Callable[..., Any], command: Callable[..., Any], tmp_path: Path, loop: str
) -> None:
    ours, theirs = key_file(tmp_path / "ours", "a"), key_file(tmp_path / "theirs", "b")
    serving = serve("--network-key-file", ours, *SOLO)
    to_us = (serving.address, "--network-key-file", theirs)
    joined = command("serve", "--loop", loop, "--join", *to_us, *SOLO)
    got = command("get", "k", "--via", *to_us)
    for run in (joined, got):
        assert (run.returncode, run.stdout) == (3, b"")
        line = run.stderr.decode().splitlines()[-1]
        assert line.startswith("p2pcore: ")
        assert "is the network key the same?" in line
    assert len(got.stderr.splitlines()) == 1
    log = serving.log.read_text()
    assert "refused 127.0.0.1:" in log
    assert "is the network key the same?" in log


def test_other_replication_settings(serve: Callable[..., Any], command: Callable[..., Any]) -> None:
    serving = serve(*SOLO)
    run = command("serve", "--join", serving.address, "--replicas", "5")
    assert run.returncode == 3
    assert "N=5 W=3 R=3 here, N=1 W=1 R=1 there" in run.stderr.decode().splitlines()[-1]


def test_garbage_is_refused_and_logged_on_one_line(
    serve: Callable[..., Any], command: Callable[..., Any]
) -> None:
    serving = serve(*SOLO)
    host, port = serving.address.split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while stranger.recv(4096):
                pass
    wait_for(serving.log, "refused 127.0.0.1:")
    assert command("put", "k", "v", "--via", serving.address).returncode == 0


def test_a_port_in_use(serve: Callable[..., Any], command: Callable[..., Any]) -> None:
    address = serve(*SOLO).address
    run = command("serve", "--listen", address, *SOLO)
    assert run.returncode == 2
    line = run.stderr.decode().splitlines()[-1]
    assert line == f"p2pcore: listen: {address} can't be used: Address already in use"


def test_every_interface_is_no_address(command: Callable[..., Any]) -> None:
    run = command("serve", "--listen", "0.0.0.0:0", *SOLO)
    assert run.returncode == 2
    assert "set advertise to the host:port" in run.stderr.decode().splitlines()[-1]


def test_nobody_to_join(command: Callable[..., Any]) -> None:
    with socket.socket() as unused:  # bound and not listening: nobody else gets the port
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        run = command("serve", "--join", address, "--join-timeout", "0.5")
    assert run.returncode == 3
    line = run.stderr.decode().splitlines()[-1]
    assert line == f"p2pcore: no way into the network: {address}: Connection refused"


def test_a_signal_while_joining(launch: Callable[..., Any]) -> None:
    python = [sys.executable, "-c", HANGING_LOOKUP]
    serving = launch("--loop", "asyncio", "--join", "hangs.invalid:1", python=python)
    wait_for(serving.log, "looking up")
    before_s = time.monotonic()
    serving.process.send_signal(signal.SIGTERM)
    assert serving.wait_exit() == 0
    assert time.monotonic() - before_s < 30  # the look-up would take 60


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_ends_it_at_once(
    launch: Callable[..., Any], number: signal.Signals, code: int
) -> None:
    python = [sys.executable, "-c", HANGING_LOOKUP]
    serving = launch("--loop", "asyncio", "--join", "hangs.invalid:1", python=python)
    wait_for(serving.log, "looking up")
    serving.process.send_signal(signal.SIGTERM)
    wait_for(serving.log, "another signal ends this at once")
    serving.process.send_signal(number)
    assert serving.wait_exit() == code


def test_every_option_reaches_its_setting() -> None:
    words = (
        "--listen 127.0.0.1:1 --advertise h:2 --join h:3 -n 5 -r 4 --max-store-bytes 3G "
        "--max-connections 7 --pool-size 6 --max-handshakes 8 --join-timeout 9 --leave-timeout 0 "
        "--handshake-timeout 1.5 --repair-rate 64K --tombstone-grace 60 --max-clock-offset 0 "
        "--hedge-budget 0.2 --probe-after 0.5 --give-up-after 1 --witnesses 0 --copy-after 0 "
        "--avoid-outliers off --overload-control off"
    )
    config = config_of(parser().parse_args(["serve", *words.split()]))
    assert config == CoordinatorConfig(
        listen="127.0.0.1:1", advertise="h:2", bootstrap=["h:3"], replication_factor=5,
        write_quorum=3, read_quorum=4, max_store_bytes=3 << 30, max_connections=7,
        pool_size=6, max_handshakes=8, join_timeout_s=9, leave_timeout_s=0, handshake_timeout_s=1.5,
        repair_bytes_per_s=64 << 10, tombstone_grace_s=60, max_clock_offset_s=0,
        hedge_budget=0.2, probe_after_s=0.5, give_up_after_s=1, witnesses=0, copy_after_s=0,
        avoid_outliers=False, overload_control=False,
    )  # fmt: skip
    defaults = config_of(parser().parse_args(["serve"]))
    assert defaults == CoordinatorConfig()


def test_quorums_that_need_not_meet_are_warned_of_in_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["serve", "--replicas", "5", "--write-quorum", "2", "--read-quorum", "2"]
    config = config_of(parser().parse_args(words))
    assert (config.write_quorum, config.read_quorum) == (2, 2)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("p2pcore: warning: read_quorum + write_quorum is 4")


def test_a_leave_longer_than_the_grace_of_the_process_is_not_cut_off(
    serve: Callable[..., Any], launch: Callable[..., Any]
) -> None:
    """The leaving node holds a record, and whom it could give it to hangs: it takes its time."""
    other = serve("--replicas", "2", "--write-quorum", "1", "--read-quorum", "1")
    words = ("--replicas", "2", "--write-quorum", "1", "--read-quorum", "1", "--join")
    leaving = serve(*words, other.address, "--leave-timeout", "4", "--log-level", "debug")
    assert main(["put", "k", "v", "--via", leaving.address]) == 0
    other.process.send_signal(signal.SIGSTOP)
    leaving.process.terminate()
    assert leaving.wait_exit() == 0
    assert "peers did not take our goodbye" in leaving.log.read_text()  # it came to its end


def test_enough_descriptors_are_allowed(serve: Callable[..., Any]) -> None:
    resource = pytest.importorskip("resource")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    serving = serve("--max-connections", "3000", *SOLO)
    soft = resource.prlimit(serving.process.pid, resource.RLIMIT_NOFILE)[0]
    assert soft == resource.RLIM_INFINITY or soft >= min(hard, 3000) or hard < 3000
