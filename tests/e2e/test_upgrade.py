"""Five nodes are upgraded one after the other while clients of both versions work: no operation
fails, and nothing that was acknowledged is lost.

The procedure is that of docs/operations.md: a node leaves, comes back from the new version with its
directory and at its address, and the next one follows when it is ready.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from p2pcore import ClientConfig, P2PError
from p2pcore.blocking import Client
from tests.e2e.test_readme import free_ports
from tests.e2e.versions import OLDER, ROOT, installed_wheel, program, tree_of
from tests.processes import PATIENCE_S, PYTHON, Serving, environment

NODES = 5
BETWEEN = 200  # operations of each client between two nodes: it meets each state of the network
KNOWN = 50  # records that are there before

LOAD = """
import json, sys, threading
sys.path.insert(0, sys.argv[1])
import p2pcore
from p2pcore import ClientConfig, KeyNotFoundError
from p2pcore.blocking import Client
assert p2pcore.__file__.startswith(sys.argv[1]), p2pcore.__file__
name, addresses = sys.argv[2], sys.argv[3:]
over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
failures, number = [], 0

def attempt(what, *arguments, expected=None):
    try:
        found = what(*arguments)
        if expected is not None and found != expected:
            failures.append(f"{what.__name__} {arguments}: {found!r}")
    except Exception as error:
        failures.append(f"{what.__name__} {arguments}: {error!r}")

with Client(ClientConfig(bootstrap=addresses, timeout_s=30)) as client:
    while not over.is_set():
        attempt(client.store, f"{name} {number}", b"%d" % number)
        attempt(client.retrieve, f"{name} {number // 2}", expected=b"%d" % (number // 2))
        attempt(client.retrieve, f"known {number % 50}", expected=b"known")
        number += 1
        if number % 50 == 0:
            print(number, flush=True)
print(json.dumps({"stored": number, "failures": failures}))
"""

pytestmark = pytest.mark.slow


class Load:
    """A client of a version that stores and reads back until it is told to stop."""

    def __init__(self, name: str, tree: Path, addresses: list[str]) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [*PYTHON, "-c", LOAD, str(tree), name, *addresses],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(),
        )  # fmt: skip

    def wait_for(self, more: int) -> None:
        """Until it has done so many operations more, from what it has told last."""
        for _ in range(more // 50):
            assert self._process.stdout is not None
            line = self._process.stdout.readline()
            assert line.strip().isdigit(), f"{self.name} has ended: {line}"

    def stop(self) -> tuple[int, list[str]]:
        """How many records it has stored, and what has failed."""
        said, _ = self._process.communicate(timeout=PATIENCE_S)
        found = json.loads(said.splitlines()[-1])
        return found["stored"], found["failures"]

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


class Five:
    """Five nodes with directories and addresses that stay."""

    def __init__(self, launch: Callable[..., Serving], folder: Path, tree: Path) -> None:
        first = free_ports(NODES)
        self.addresses = [f"127.0.0.1:{first + number}" for number in range(NODES)]
        self._launch, self._folder = launch, folder
        self.nodes: list[Serving] = []
        for number in range(NODES):
            self.nodes.append(self._start(number, tree, self.addresses[:number]))

    def upgrade(self, number: int, tree: Path) -> None:
        self.nodes[number].process.terminate()
        assert self.nodes[number].wait_exit() == 0
        others = [each for each in self.addresses if each != self.addresses[number]]
        self.nodes[number] = self._start(number, tree, others)
        self.wait_ready(number)

    def wait_ready(self, number: int) -> None:
        """As `p2pcore stats NODE` says it."""
        ends_s = time.monotonic() + PATIENCE_S
        with Client(ClientConfig(bootstrap=self.addresses, timeout_s=30)) as client:
            while True:
                try:
                    if client.node_info(self.addresses[number]).ready:
                        return
                except P2PError:
                    pass  # not there yet
                assert time.monotonic() < ends_s, self.nodes[number].log.read_text()
                time.sleep(0.05)

    def _start(self, number: int, tree: Path, others: list[str]) -> Serving:
        join = [word for address in others for word in ("--join", address)]
        data = ["--data-dir", str(self._folder / f"node-{number}")]
        listen = ["--listen", self.addresses[number]]
        node = self._launch(*listen, *data, *join, python=program(tree))
        node.wait_ready()
        return node


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The older version and this one."""
    source = tmp_path_factory.mktemp("source")
    tree_of(OLDER, source)
    folders = [tmp_path_factory.mktemp(name) for name in ("older", "newer")]
    older, newer = map(installed_wheel, (source, ROOT), folders)
    return older, newer


@pytest.fixture
def loads() -> Iterator[list[Load]]:
    running: list[Load] = []
    yield running
    for load in running:
        load.kill()


def test_an_upgrade_under_load_fails_no_operation_and_loses_nothing(
    launch: Callable[..., Serving],
    wheels: tuple[Path, Path],
    loads: list[Load],
    tmp_path: Path,
) -> None:
    older, newer = wheels
    network = Five(launch, tmp_path, older)
    config = ClientConfig(bootstrap=network.addresses, timeout_s=30)
    for number in range(NODES):
        network.wait_ready(number)
    with Client(config) as client:
        client.store_many({f"known {n}": b"known" for n in range(KNOWN)})
    loads += [
        Load(name, tree, network.addresses) for name, tree in (("old", older), ("new", newer))
    ]
    for number in range(NODES):
        for load in loads:
            load.wait_for(BETWEEN)
        network.upgrade(number, newer)
    for load in loads:
        load.wait_for(BETWEEN)
    told = {load.name: load.stop() for load in loads}
    print({name: stored for name, (stored, _) in told.items()}, "stored")
    assert {name: failures for name, (_, failures) in told.items()} == {"old": [], "new": []}
    with Client(config) as client:
        for name, (stored, _) in told.items():
            assert stored >= BETWEEN * (NODES + 1)
            wanted = {f"{name} {n}": b"%d" % n for n in range(stored)}
            assert client.retrieve_many(wanted) == wanted
