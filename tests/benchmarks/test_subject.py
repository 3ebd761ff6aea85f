"""The door to p2pcore knows what this commit can do, and says so where asv looks for it."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import p2pcore
from benchmarks.common import parts, subject
from benchmarks.common.children import child_environment


@pytest.fixture
def core(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts another p2pcore in place of the installed one."""

    def install(**names: object) -> None:
        monkeypatch.setattr(subject, "_core", lambda: SimpleNamespace(**names))
        subject.supports.cache_clear()

    yield install
    subject.supports.cache_clear()


def test_this_commit_supports_everything_the_suites_ask_for() -> None:
    subject.require(*subject.FEATURES)


def test_an_old_commit_is_skipped_where_asv_looks(core: Any) -> None:
    core(__version__="0.0.1")
    assert not any(subject.supports(feature) for feature in subject.FEATURES)
    with pytest.raises(NotImplementedError, match="no network, delete yet"):
        subject.require("network", "delete")


def test_a_commit_between(core: Any) -> None:
    core(AdaptiveCoordinator=object, AdaptiveClient=object)
    assert subject.supports("network")
    assert not subject.supports("delete")


def test_an_unknown_feature_is_a_mistake_and_not_a_skip() -> None:
    with pytest.raises(ValueError, match="'flight'"):
        subject.supports("flight")  # type: ignore[arg-type]


def test_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "ASV_COMMIT", "0123abc")
    who = subject.identity("uvloop")
    assert who.version == p2pcore.__version__
    assert who.commit == "0123abc"
    assert who.directory == subject.core_dir() == str(Path(p2pcore.__file__).parent.parent)
    assert set(who.versions()) == {"p2pcore", "python", "loop"}


def test_networks_never_meet() -> None:
    assert subject.NetworkSettings().key != subject.NetworkSettings().key
    assert len(bytes.fromhex(subject.NetworkSettings().key)) >= 16


@pytest.mark.parametrize(("nodes", "settings"), [(1, (1, 1, 1)), (2, (2, 2, 2)), (8, (3, 2, 2))])
def test_a_network_that_fits_its_nodes(nodes: int, settings: tuple[int, int, int]) -> None:
    network = subject.NetworkSettings.of(nodes)
    assert (network.replication, network.write_quorum, network.read_quorum) == settings


def test_the_import_program_imports_this_core() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", subject.IMPORT_PROGRAM],
        capture_output=True, env=child_environment(), check=True, text=True, timeout=60,
    )  # fmt: skip
    took, directory = done.stdout.splitlines()
    assert 0 < float(took) < 60
    assert directory == subject.core_dir()


async def test_counters_of_a_real_node() -> None:
    network = subject.NetworkSettings(replication=1, write_quorum=1, read_quorum=1)
    node = subject.make_node(network, [])
    await node.start()
    async with subject.make_client(network, [node.address]) as client:
        await client.store("key", b"value")
        before = subject.counters(node)
        await client.retrieve("key")
        after = subject.counters(node)
    await node.shutdown()
    assert after["messages_in"] == before["messages_in"] + 1
    assert after["bytes_out"] > before["bytes_out"]


def test_counters_of_something_without_them() -> None:
    assert subject.counters(SimpleNamespace()) == {}  # type: ignore[arg-type]


async def test_a_record_that_is_still_there_is_noticed() -> None:
    class Client:
        async def retrieve(self, key: str) -> bytes:
            if key == "gone":
                raise p2pcore.KeyNotFoundError(key)
            return b"here"

    client: Any = Client()
    await subject.must_be_gone(client, "gone")
    with pytest.raises(AssertionError, match="4 bytes"):
        await subject.must_be_gone(client, "there")


def test_parts_that_are_not_there() -> None:
    for module, name in (("ids", "no_such"), ("no_such", "x"), ("no.such", "x")):
        with pytest.raises(NotImplementedError, match=f"has no {module}.{name}"):
            subject.part(module, name)


def test_a_part_that_needs_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError("No module named 'msgspec'", name="msgspec")

    monkeypatch.setattr(parts, "import_module", missing)
    with pytest.raises(ModuleNotFoundError, match="msgspec"):
        subject.part("wire.codec", "encode_frame")
