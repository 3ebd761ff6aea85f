"""`p2pcore serve --workers`: real processes, really killed."""

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from p2pcore import ConfigError, CoordinatorConfig
from p2pcore.cli.workers import settings_of_worker
from tests.processes import PATIENCE_S

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")


class Workers:
    """A parent and its workers, as a test sees them."""

    def __init__(self, serving: Any, count: int) -> None:
        self.parent = serving.process
        self.log: Path = serving.log
        self.wait_exit: Callable[[], int] = serving.wait_exit
        self.addresses: dict[int, str] = {}
        self.ids: dict[int, str] = {}
        for _ in range(count):
            self.next_ready()
        self.processes = psutil.Process(self.parent.pid).children()
        assert len(self.processes) == count

    def next_ready(self) -> int:
        """Wait for one more worker to be ready; its number."""
        line = self.parent.stdout.readline().split()
        assert line[:1] == ["worker"], self.log.read_text()
        number = int(line[1])
        self.addresses[number], self.ids[number] = line[3], line[5]
        return number

    def process(self, number: int) -> psutil.Process:
        """The present process of a worker."""
        children = psutil.Process(self.parent.pid).children()
        (found,) = (child for child in children if child.cmdline()[-1] == str(number))
        return found

    def wait_gone(self) -> None:
        """All processes that there were have ended."""
        _, alive = psutil.wait_procs(self.processes, timeout=PATIENCE_S)
        assert alive == []


@pytest.fixture
def workers(launch: Callable[..., Any]) -> Iterator[Callable[..., Workers]]:
    """Starts so many workers; returns once they are ready. None outlives the test."""
    started: list[Workers] = []

    def start(count: int, *words: str) -> Workers:
        started.append(Workers(launch("--workers", str(count), *words), count))
        return started[-1]

    yield start
    for each in started:
        for process in each.processes:
            if process.is_running():
                process.kill()


def wait_for(log: Path, text: str) -> str:
    """The first line of the log that has this text."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not (found := [line for line in log.read_text().splitlines() if text in line]):
        assert time.monotonic() < deadline_s, log.read_text()
        time.sleep(0.01)
    return found[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nodes_of_one_network_that_end_together(
    workers: Callable[..., Workers], command: Callable[..., Any], number: signal.Signals
) -> None:
    three = workers(3)
    assert len(set(three.ids.values())) == len(set(three.addresses.values())) == 3
    assert command("put", "k", "v", "--via", three.addresses[1]).returncode == 0
    for address in three.addresses.values():
        assert command("get", "k", "--via", address).stdout == b"v"
    for process in (three.parent, *three.processes):  # as a terminal does it
        process.send_signal(number)
    assert three.wait_exit() == 0
    three.wait_gone()
    log = three.log.read_text()
    assert "starting it again" not in log
    assert "Traceback" not in log


def test_a_killed_worker_comes_back(
    workers: Callable[..., Workers], command: Callable[..., Any], tmp_path: Path
) -> None:
    three = workers(3, "--data-dir", str(tmp_path / "data"))
    before = dict(three.addresses), dict(three.ids)
    assert command("put", "k", "v", "--via", three.addresses[1]).returncode == 0
    for victim in (0, 2):  # the first of the network, and another one
        process = three.process(victim)
        process.kill()
        wait_for(three.log, f"warning worker {victim} was killed by SIGKILL; starting it again")
        assert three.next_ready() == victim
        assert (three.addresses, three.ids) == before
        assert three.process(victim).pid != process.pid
        got = command("get", "k", "--via", three.addresses[victim], "--timeout", "20")
        assert got.stdout == b"v"
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        "worker-0", "worker-1", "worker-2",
    ]  # fmt: skip


def test_a_script_that_reads_the_first_lines_only(workers: Callable[..., Workers]) -> None:
    two = workers(2)
    two.parent.stdout.close()
    two.process(1).kill()
    wait_for(two.log, "warning worker 1 serves again, but standard output: Broken pipe")
    two.parent.terminate()
    assert two.wait_exit() == 0
    two.wait_gone()


def test_no_orphans_when_the_parent_is_killed(workers: Callable[..., Workers]) -> None:
    three = workers(3)
    three.parent.kill()
    three.wait_gone()
    assert "Traceback" not in three.log.read_text()


def test_a_second_signal_ends_all_at_once(workers: Callable[..., Workers]) -> None:
    three = workers(3)
    three.process(1).suspend()  # it will not leave by itself
    three.parent.send_signal(signal.SIGTERM)
    wait_for(three.log, "another signal ends this at once")
    three.parent.send_signal(signal.SIGTERM)
    assert three.wait_exit() == 143
    three.wait_gone()


@pytest.mark.slow
def test_a_worker_that_hangs_does_not_hold_up_the_end(workers: Callable[..., Workers]) -> None:
    three = workers(3, "--leave-timeout", "0")
    three.process(2).suspend()
    three.parent.send_signal(signal.SIGINT)
    assert three.wait_exit() == 0
    three.wait_gone()
    assert "workers that have not left in 7 s are killed" in three.log.read_text()


def test_a_worker_that_cannot_start_ends_all(launch: Callable[..., Any]) -> None:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        port = first.getsockname()[1]
        try:
            second.bind(("127.0.0.1", port + 1))
        except OSError:
            pytest.skip("the next port is taken")
        second.listen()
        first.close()
        serving = launch("--workers", "2", "--listen", f"127.0.0.1:{port}")
        assert serving.wait_exit() == 2
    words = f"worker 1: listen: 127.0.0.1:{port + 1} can't be used: Address already in use"
    assert serving.log.read_text().splitlines()[-1] == f"p2pcore: {words}"


def test_nobody_to_join(command: Callable[..., Any]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        words = ("serve", "--workers", "2", "--join", address, "--join-timeout", "0.5")
        run = command(*words, "--json")
    assert run.returncode == 3
    error = json.loads(run.stderr.decode().splitlines()[-1])
    assert (error["kind"], error["exit_code"]) == ("UnreachableError", 3)
    assert "no way into the network" in error["error"]


def test_they_join_a_network_that_is_there(
    serve: Callable[..., Any], launch: Callable[..., Any], command: Callable[..., Any]
) -> None:
    other = serve()
    serving = launch("--workers", "2", "--join", other.address, "--json")
    said = [json.loads(serving.process.stdout.readline()) for _ in range(2)]
    assert {each["worker"] for each in said} == {0, 1}
    assert all(each["contact"] == f"{each['address']}#{each['id']}" for each in said)
    run = command("stats", "--via", other.address, "--json")
    assert {node["id"] for node in json.loads(run.stdout)["nodes"]} == {
        other.node_id, *(each["id"] for each in said),
    }  # fmt: skip
    serving.process.terminate()
    assert serving.wait_exit() == 0
    lines = [json.loads(line) for line in serving.log.read_text().splitlines()]
    assert {line["worker"] for line in lines if "worker" in line} == {0, 1}


def test_each_worker_has_its_own_port_and_directory() -> None:
    config = CoordinatorConfig(
        listen="[::1]:65533", advertise="host:80", data_dir="/data", max_connections=7
    )
    third = settings_of_worker(config, 2)
    assert (third["listen"], third["advertise"]) == ("[::1]:65535", "host:82")
    assert (third["data_dir"], third["max_connections"]) == ("/data/worker-2", 7)
    assert "network_key" not in third
    assert CoordinatorConfig(**json.loads(json.dumps(third))).max_connections == 7
    assert settings_of_worker(CoordinatorConfig(), 9)["listen"] == "127.0.0.1:0"
    with pytest.raises(ConfigError, match="worker 3 would be at port 65536, the last is 65535"):
        settings_of_worker(config, 3)
