"""What a peer needs is found, or one line says what to do."""

from dataclasses import replace
from pathlib import Path

import pytest

from perflab.peers.stores.contract import Program
from perflab.peers.stores.environments import InstallError, PeerFolders, version_in
from perflab.peers.stores.etcd import ETCD
from perflab.peers.stores.kademlia import KADEMLIA

UNHEARD = Program(name="no-such-server", version=("-v",), packages=("no-such-package", "liblzf1"))


def unpacked(folder: Path, name: str, says: str = "") -> Path:
    """A program as `--install` leaves it, from a Debian package."""
    path = folder / "debian" / "usr" / "sbin" / name
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_a_missing_program_names_its_package(tmp_path: Path) -> None:
    lacks = PeerFolders(tmp_path).missing(replace(ETCD, program=UNHEARD))
    assert lacks is not None
    assert lacks.startswith("there is no no-such-server: install the Debian package no-such-pack")
    assert "--install" in lacks
    assert "\n" not in lacks


def test_a_missing_client_is_named_and_so_is_one_of_another_version(tmp_path: Path) -> None:
    folders = PeerFolders(tmp_path)
    wanted = "its client (kademlia==2.2.3) is not below .asv/peers: --install fetches it"
    assert folders.missing(KADEMLIA) == wanted
    folders.packages(KADEMLIA).mkdir()
    marker = folders.packages(KADEMLIA) / "complete"
    marker.write_text("kademlia==2.2.2", encoding="utf-8")
    assert folders.missing(KADEMLIA) == wanted
    marker.write_text("kademlia==2.2.3", encoding="utf-8")
    assert folders.missing(KADEMLIA) is None


def test_an_unpacked_program_is_found_and_started_with_its_libraries(tmp_path: Path) -> None:
    path = unpacked(tmp_path, UNHEARD.name, "no-such-server v=7.0.15 sha=0")
    libraries = tmp_path / "debian/usr/lib/x86_64-linux-gnu"
    libraries.mkdir(parents=True)
    folders = PeerFolders(tmp_path)
    assert folders.program(UNHEARD) == str(path)
    assert folders.environment(str(path))["LD_LIBRARY_PATH"] == str(libraries)
    assert "LD_LIBRARY_PATH" not in folders.environment("/usr/bin/no-such-server")
    assert folders.version(UNHEARD) == "7.0.15"


def test_what_cannot_be_fetched_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any tool on PATH, so that nothing is asked of a registry."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InstallError, match="no apt-get here to fetch no-such-package, liblzf1"):
        PeerFolders(tmp_path).install(replace(ETCD, program=UNHEARD))


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("etcd Version: 3.4.23\nGit SHA: Not provided", "3.4.23"),
        ("Redis server v=7.0.15 sha=00000000:0", "7.0.15"),
        ("nats-server: v2.9.10", "2.9.10"),
        ("", "unknown"),
    ],
)
def test_versions(said: str, version: str) -> None:
    assert version_in(said) == version
