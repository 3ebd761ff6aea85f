"""Nodes and clients of this tree and of the release before it in one network, on loopback.

The older ones run from the tree of a commit, so a clone without history can't try this.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from p2pcore import ClientConfig, IncompatibleError
from p2pcore.aio.schema import SCHEMA_VERSION
from p2pcore.blocking import Client
from tests.e2e.versions import OLDER, ROOT, program, tree_of
from tests.processes import PATIENCE_S, PYTHON, Serving, environment

OLD_CLIENT = """
import sys
import p2pcore
from p2pcore import ClientConfig, KeyNotFoundError
from p2pcore.blocking import Client
assert p2pcore.__file__.startswith(sys.argv[1]), p2pcore.__file__
with Client(ClientConfig(bootstrap=[sys.argv[2]])) as client:
    assert client.retrieve("plain") == b"plain"
    assert client.retrieve("listed") == b"listed"
    assert len(client.retrieve_many(f"listed {n}" for n in range(20))) == 20
    client.store("old", b"old")
    client.store("written by both", b"old", ttl_s=3600)
    client.store_many({f"old {n}": b"old" for n in range(20)})
    client.store("gone", b"")
    client.delete("gone")
    try:
        client.retrieve("gone")
    except KeyNotFoundError:
        print("all well")
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def old_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("older")
    tree_of(OLDER, folder, "p2pcore")
    return folder


class Network:
    """Three nodes, of which some are older ones; N is 3, so that each holds every record."""

    def __init__(
        self, launch: Callable[..., Serving], trees: list[Path], data: Path | None = None
    ) -> None:
        self._launch = launch
        self._data = data
        self.nodes: list[Serving] = []
        for number, tree in enumerate(trees):
            self.nodes.append(self.start(number, tree))

    def start(self, number: int, tree: Path) -> Serving:
        others = [node.address for node in self.nodes if node.process.poll() is None]
        words = [word for address in others for word in ("--join", address)]
        if self._data is not None:
            words += ["--data-dir", str(self._data / str(number))]
        node = self._launch(*words, python=program(tree))
        node.wait_ready()
        return node

    def restart(self, number: int, tree: Path) -> None:
        """That node ends in good order, and comes back from another tree with what is on disk."""
        self.nodes[number].process.terminate()
        assert self.nodes[number].wait_exit() == 0
        self.nodes[number] = self.start(number, tree)

    def client(self) -> Client:
        return Client(ClientConfig(bootstrap=[node.address for node in self.nodes], timeout_s=30))


def play(network: Network, old_tree: Path) -> None:
    """A client of either version reads what the other has written, and the other way round."""
    with network.client() as client:
        client.store("plain", b"plain")
        client.store("listed", b"listed", listed=True)
        client.store_many({f"listed {n}": b"v" for n in range(20)}, listed=True)
        client.store("written by both", b"new", listed=True)
        for node in network.nodes:
            words = [*PYTHON, "-c", OLD_CLIENT, str(old_tree), node.address]
            old = environment() | {"PYTHONPATH": str(old_tree)}
            done = subprocess.run(
                words, cwd=old_tree, env=old, capture_output=True, text=True,
                timeout=PATIENCE_S, check=False,
            )  # fmt: skip
            assert done.stdout == "all well\n", done.stderr
        assert client.retrieve("old") == client.retrieve("written by both") == b"old"
        assert len(client.retrieve_many(f"old {n}" for n in range(20))) == 20
        client.store("written by both", b"new again", listed=True)
        client.delete("listed 7")
        assert client.retrieve("written by both") == b"new again"


LISTED = {"listed", "written by both", *(f"listed {n}" for n in range(20))} - {"listed 7"}


@pytest.mark.parametrize("durable", [False, True], ids=["memory", "durable"])
@pytest.mark.parametrize("older", [0, 1, 2, 3])
def test_older_nodes_serve_newer_ones_and_their_clients(
    older: int, durable: bool, launch: Callable[..., Serving], old_tree: Path, tmp_path: Path
) -> None:
    trees = [old_tree] * older + [ROOT] * (3 - older)
    network = Network(launch, trees, tmp_path / "data" if durable else None)
    play(network, old_tree)
    with network.client() as client:
        if older <= 1:  # R of N keep names
            assert set(client.scan()) == LISTED
        else:
            with pytest.raises(IncompatibleError, match="older version, which keep no names"):
                next(client.scan())


def test_a_rolling_upgrade_keeps_records_and_then_names(
    launch: Callable[..., Serving], old_tree: Path, tmp_path: Path
) -> None:
    network = Network(launch, [old_tree] * 3, tmp_path)
    play(network, old_tree)
    for number in range(3):
        network.restart(number, ROOT)
        with network.client() as client:
            assert client.retrieve("plain") == b"plain"
            assert len(client.retrieve_many(f"listed {n}" for n in range(20))) == 19
    with network.client() as client:
        assert set(client.scan()) == set()  # the older nodes have kept no names
        client.store_many(dict.fromkeys(sorted(LISTED), b"anew"), listed=True)
    for number in range(3):
        network.restart(number, ROOT)
    with network.client() as client:
        assert set(client.scan()) == LISTED


def test_what_a_newer_one_has_on_disk_an_older_one_does_not_touch(
    launch: Callable[..., Serving], old_tree: Path, tmp_path: Path
) -> None:
    node = launch("--replicas", "1", "--data-dir", str(tmp_path), python=program(ROOT))
    node.wait_ready()
    node.process.terminate()
    assert node.wait_exit() == 0
    before = (tmp_path / "records.db").read_bytes()
    older = launch("--replicas", "1", "--data-dir", str(tmp_path), python=program(old_tree))
    assert older.wait_exit() == 2
    said = f"schema {SCHEMA_VERSION}, this p2pcore knows 1: a newer one has written it"
    assert said in older.log.read_text()
    assert (tmp_path / "records.db").read_bytes() == before
