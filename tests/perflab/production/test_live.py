"""A real Prometheus scrapes a real network under load: panels have data, a killed node is told, and
a budget that burns too fast is, until it burns no more."""

import asyncio
import contextlib
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from p2pcore import AdaptiveClient, ClientConfig
from perflab.production.dashboard import panels
from perflab.production.objectives import plan_of
from perflab.production.rules import MOST_SCALE, RuleSet
from perflab.readiness.targets import read_targets
from tests.perflab.production.live_prometheus import LIMIT_S, LivePrometheus, free_ports, until
from tests.perflab.production.open_load import offered

pytestmark = pytest.mark.slow

NODES, KEY = 4, "5a" * 32
TARGETS = """
version = 1
[[target]]
name = "errors"
metric = "errors"
threshold = "rate < 1%"
[[target]]
name = "P99"
metric = "latency"
threshold = "p(99) <= 200"
[[target]]
name = "recovery"
metric = "recovery"
threshold = "max <= 30"
scope = "faults"
"""
PAUSE_S = 1.0
SLOW = "P2pcoreSlowerThan200msPage"


def rule_set(folder: Path) -> RuleSet:
    """Of the targets above: those that are shipped give no latency a small budget."""
    (folder / "targets.toml").write_text(TARGETS)
    return RuleSet(plan=plan_of(read_targets(folder / "targets.toml")), scale=MOST_SCALE)


class Network:
    """Nodes with metrics, by the command line, and the Prometheus that scrapes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "key").write_text(KEY)
        (folder / "key").chmod(0o600)
        ports = free_ports(2 * NODES + 1)
        self.listen = [f"127.0.0.1:{each}" for each in ports[:NODES]]
        self.metrics = [f"127.0.0.1:{each}" for each in ports[NODES : 2 * NODES]]
        self.client_port = ports[-1]
        scraped = [*self.metrics, f"127.0.0.1:{self.client_port}"]
        self.prometheus = LivePrometheus(folder, scraped, rule_set(folder))
        self.nodes = [self.serve(number) for number in range(NODES)]

    def serve(self, number: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "p2pcore", "serve", "--listen", self.listen[number]]
        command += ["--metrics", self.metrics[number], "--data-dir", str(self.folder / f"{number}")]
        command += ["--network-key-file", str(self.folder / "key")]
        if number:
            command += ["--join", self.listen[0]]
        with (self.folder / f"{number}.log").open("ab") as log:
            return subprocess.Popen(command, stderr=log, stdout=log)

    def ready(self, number: int) -> bool:
        url = f"http://{self.metrics[number]}/readyz"
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return True
        return False

    def end(self) -> None:
        for process in self.nodes:
            process.kill()
            process.wait(30)
        self.prometheus.end()


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    made = Network(tmp_path)
    yield made
    made.end()


async def test_panels_have_data_and_a_killed_node_is_told_until_it_is_back(
    network: Network,
) -> None:
    for number in range(NODES):
        await until(f"node {number} is ready", lambda n=number: network.ready(n))
    settings = ClientConfig(bootstrap=network.listen, network_key=bytes.fromhex(KEY))
    async with AdaptiveClient(settings) as client, offered(client, network.client_port):
        await panels_have_data(network)
        await one_is_killed_and_comes_back(network)
        await slow_ones_burn_their_budget(network)


async def panels_have_data(network: Network) -> None:
    for panel in panels(rule_set(network.folder)):
        for expr, _ in panel.queries:
            query = expr.replace("$__rate_interval", "5s").replace("$job", "p2pcore")
            await until(f"{panel.title}: {query}", lambda q=query: network.prometheus.value(q))


async def one_is_killed_and_comes_back(network: Network) -> None:
    assert network.prometheus.firing("P2pcoreDown") == []
    network.nodes[-1].send_signal(signal.SIGKILL)
    network.nodes[-1].wait(30)
    told = await until("the loss is told", lambda: network.prometheus.firing("P2pcoreDown"))
    assert told == [network.metrics[-1]]
    network.nodes[-1] = network.serve(NODES - 1)
    await until("it is back", lambda: network.prometheus.firing("P2pcoreDown") == [])
    assert network.prometheus.value('up{job="p2pcore"} == 0') == []


async def slow_ones_burn_their_budget(network: Network) -> None:
    """Replicas that stop for a second at a time make half of the operations slow."""
    prometheus = network.prometheus
    await until("nothing is slow", lambda: prometheus.alerts(SLOW) == [])
    deadline = time.monotonic() + LIMIT_S
    while not (found := await asyncio.to_thread(lambda: prometheus.alerts(SLOW, window="1m"))):
        assert time.monotonic() < deadline, f"{SLOW} does not fire within {LIMIT_S} s"
        for sent in (signal.SIGSTOP, signal.SIGCONT):
            for each in network.nodes[1:]:
                each.send_signal(sent)
            await asyncio.sleep(PAUSE_S)
    assert found[0]["labels"]["severity"] == "page"
    await until("the slow spell is over", lambda: prometheus.alerts(SLOW) == [])
