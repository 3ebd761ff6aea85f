"""A real Prometheus scrapes a real network under load: panels have data, a killed node is told."""

import asyncio
import contextlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, start_http_server

from p2pcore import AdaptiveClient, ClientConfig
from perflab.production.command import RULES
from perflab.production.dashboard import panels
from perflab.production.objectives import plan_of
from perflab.production.rules import RuleSet
from perflab.readiness.targets import read_targets

pytestmark = pytest.mark.slow

NODES, KEY, LIMIT_S = 4, "5a" * 32, 120
SCALE = 60.0


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


async def until(what: str, condition: Callable[[], Any]) -> Any:
    """What a condition answers as soon as it is something."""
    deadline = time.monotonic() + LIMIT_S
    while not (found := await asyncio.to_thread(condition)):
        assert time.monotonic() < deadline, f"{what}: not within {LIMIT_S} s"
        await asyncio.sleep(0.2)
    return found


class Network:
    """Nodes with metrics, by the command line, and the Prometheus that scrapes them."""

    def __init__(self, folder: Path, program: str) -> None:
        self.folder = folder
        (folder / "key").write_text(KEY)
        (folder / "key").chmod(0o600)
        ports = free_ports(2 * NODES + 2)
        self.listen = [f"127.0.0.1:{each}" for each in ports[:NODES]]
        self.metrics = [f"127.0.0.1:{each}" for each in ports[NODES : 2 * NODES]]
        self.client_port, self.web_port = ports[-2:]
        self.nodes = [self.serve(number) for number in range(NODES)]
        self.prometheus = self._prometheus(program)

    def serve(self, number: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "p2pcore", "serve", "--listen", self.listen[number]]
        command += ["--metrics", self.metrics[number], "--data-dir", str(self.folder / f"{number}")]
        command += ["--network-key-file", str(self.folder / "key")]
        if number:
            command += ["--join", self.listen[0]]
        with (self.folder / f"{number}.log").open("ab") as log:
            return subprocess.Popen(command, stderr=log, stdout=log)

    def _prometheus(self, program: str) -> subprocess.Popen[bytes]:
        rules = RuleSet(plan=PLAN, scale=SCALE).rules()
        (self.folder / RULES).write_text(yaml.safe_dump(rules))
        scraped = [*self.metrics, f"127.0.0.1:{self.client_port}"]
        settings = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [RULES],
            "scrape_configs": [{"job_name": "p2pcore", "static_configs": [{"targets": scraped}]}],
        }
        (self.folder / "prometheus.yaml").write_text(yaml.safe_dump(settings))
        command = [program, f"--config.file={self.folder / 'prometheus.yaml'}"]
        command += [f"--storage.tsdb.path={self.folder / 'data'}"]
        command += [f"--web.listen-address=127.0.0.1:{self.web_port}"]
        return subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def ready(self, number: int) -> bool:
        url = f"http://{self.metrics[number]}/readyz"
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return True
        return False

    def ask(self, path: str, **query: str) -> Any:
        """What Prometheus answers; None while it does not."""
        url = f"http://127.0.0.1:{self.web_port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]
        return None

    def firing(self, name: str) -> list[str] | None:
        """Whose alert fires; None while nobody can be asked."""
        found = self.ask("alerts")
        if found is None:
            return None
        return [
            each["labels"].get("instance", "")
            for each in found["alerts"]
            if each["labels"]["alertname"] == name and each["state"] == "firing"
        ]

    def value(self, query: str) -> list[Any]:
        """The series that have a figure now."""
        found = self.ask("query", query=query)
        return [each for each in found["result"] if each["value"][1] != "NaN"] if found else []

    def end(self) -> None:
        for process in (*self.nodes, self.prometheus):
            process.kill()
            process.wait(30)


PLAN = plan_of(each for each in read_targets() if each.set == "production")


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("Prometheus is not on the PATH: Debian's package prometheus has it")
    made = Network(tmp_path, program)
    yield made
    made.end()


async def test_panels_have_data_and_a_killed_node_is_told_until_it_is_back(
    network: Network,
) -> None:
    for number in range(NODES):
        await until(f"node {number} is ready", lambda n=number: network.ready(n))
    settings = ClientConfig(bootstrap=network.listen, network_key=bytes.fromhex(KEY))
    async with AdaptiveClient(settings) as client:
        registry = CollectorRegistry()
        registry.register(client.metrics())
        server, thread = start_http_server(network.client_port, "127.0.0.1", registry=registry)
        load = asyncio.create_task(operate(client))
        try:
            await panels_have_data(network)
            await one_is_killed_and_comes_back(network)
            assert not load.done()
        finally:
            load.cancel()
            await asyncio.wait([load])
            await asyncio.to_thread(server.shutdown)
            server.server_close()
            thread.join()


async def operate(client: AdaptiveClient) -> None:
    """Operations without an end; one that fails is the metrics' to tell."""
    number = 0
    while True:
        number += 1
        with contextlib.suppress(Exception):
            await client.store(f"key {number % 500}", b"value")
            await client.retrieve(f"key {number % 500}")
        await asyncio.sleep(0.002)


async def panels_have_data(network: Network) -> None:
    rules = RuleSet(plan=PLAN, scale=SCALE)
    for panel in panels(rules):
        for expr, _ in panel.queries:
            query = expr.replace("$__rate_interval", "5s").replace("$job", "p2pcore")
            await until(f"{panel.title}: {query}", lambda q=query: network.value(q))


async def one_is_killed_and_comes_back(network: Network) -> None:
    assert network.firing("P2pcoreDown") == []
    network.nodes[-1].send_signal(signal.SIGKILL)
    network.nodes[-1].wait(30)
    told = await until("the loss is told", lambda: network.firing("P2pcoreDown"))
    assert told == [network.metrics[-1]]
    network.nodes[-1] = network.serve(NODES - 1)
    await until("it is back", lambda: network.firing("P2pcoreDown") == [])
    assert network.value('up{job="p2pcore"} == 0') == []
