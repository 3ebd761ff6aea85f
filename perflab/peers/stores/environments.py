"""Where the programs and clients of peers are, and how they get there.

Theory of operation. Below one folder (`.asv/peers` of the checkout, which git ignores) each peer
has a folder with its client libraries, as `pip install --target` makes it, and all share one with
unpacked Debian packages. Nothing is installed on the machine, no service is started, and the
project's own environment never sees any of it. Programs on PATH go first. Only `install` fetches.

Rule: finds and fetches; starts no server.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from perflab.peers.stores.contract import Peer, Program

__all__ = ["InstallError", "PeerFolders", "version_in"]

FETCH_S = 600.0  # one call of apt-get or pip
SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/sbin")  # daemons; not on every PATH
READY = "complete"  # written last, with what was asked for


class InstallError(RuntimeError):
    """Something could not be fetched; the message has the tool's last words."""


class PeerFolders:
    """The folder with what peers need."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def _debian(self) -> Path:
        return self._folder / "debian"

    def packages(self, peer: Peer) -> Path:
        """Where the client libraries of a peer are, or would be."""
        python = f"py{sys.version_info.major}.{sys.version_info.minor}"
        return self._folder / f"{peer.name}-{python}"

    def program(self, program: Program) -> str | None:
        """The path of a server's program, or None."""
        own = [str(self._debian / "usr" / place) for place in ("bin", "sbin")]
        path = [os.environ.get("PATH", os.defpath), *SYSTEM_FOLDERS, *own]
        return shutil.which(program.name, path=os.pathsep.join(path))

    def environment(self, program: str | None) -> dict[str, str]:
        """What a program is started with: its libraries, if they were unpacked with it."""
        chosen = {"PATH": os.environ.get("PATH", os.defpath)}
        if program is not None and Path(program).is_relative_to(self._debian):
            libraries = sorted(str(each) for each in (self._debian / "usr/lib").glob("*-linux-gnu"))
            chosen["LD_LIBRARY_PATH"] = os.pathsep.join(libraries)
        return chosen

    def version(self, program: Program) -> str:
        """The version that a program says it has."""
        path = self.program(program)
        assert path is not None
        said = subprocess.run(
            [path, *program.version],
            env=self.environment(path),
            capture_output=True,
            text=True,
            timeout=30,
        )
        return version_in(said.stdout)

    def missing(self, peer: Peer) -> str | None:
        """Why a peer can't be measured, in one line that says what to do; None if it can."""
        program = peer.program
        if shutil.which("setpriv") is None:
            return "setpriv (Debian package util-linux) is not on PATH: members could outlive us"
        if program is not None and self.program(program) is None:
            return (
                f"there is no {program.name}: install the Debian package {program.packages[0]}, "
                "or let --install unpack it below .asv/peers"
            )
        if not self._is_complete(peer):
            return f"its client ({_listed(peer)}) is not below .asv/peers: --install fetches it"
        return None

    def install(self, peer: Peer) -> None:
        """Fetch what is missing: Debian packages, unpacked, and client libraries."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if peer.program is not None and self.program(peer.program) is None:
            self._unpack(peer.program.packages)
        if not self._is_complete(peer):
            self._fetch_client(peer)

    def _is_complete(self, peer: Peer) -> bool:
        try:
            text = (self.packages(peer) / READY).read_text(encoding="utf-8")
        except OSError:
            return False
        return text == _listed(peer)

    def _fetch_client(self, peer: Peer) -> None:
        target = self.packages(peer)
        shutil.rmtree(target, ignore_errors=True)
        words = ["install", "--quiet", "--disable-pip-version-check", "--target", str(target)]
        _call([sys.executable, "-m", "pip", *words, *_requirements(peer)], self._folder)
        (target / READY).write_text(_listed(peer), encoding="utf-8")

    def _unpack(self, packages: Sequence[str]) -> None:
        """Download Debian packages and unpack them, which starts no service and needs no root."""
        if shutil.which("apt-get") is None:
            raise InstallError(f"there is no apt-get here to fetch {', '.join(packages)} with")
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            here = Path(name)
            download = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *packages]
            try:
                _call(download, here)
            except InstallError:  # perhaps because the lists were never fetched
                _call(["apt-get", "-qq", "update"], here)
                _call(download, here)
            for each in sorted(here.glob("*.deb")):
                _call(["dpkg-deb", "-x", str(each), str(self._debian)], here)


def version_in(said: str) -> str:
    """The first thing that looks like a version in what a program says of itself."""
    found = re.search(r"\d+(?:\.\d+)+", said)
    return found[0] if found else "unknown"


def _requirements(peer: Peer) -> list[str]:
    return sorted({each for wanted in peer.clients.values() for each in wanted})


def _listed(peer: Peer) -> str:
    return ", ".join(_requirements(peer))


def _call(command: list[str], where: Path) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=where,
            capture_output=True,
            text=True,
            timeout=FETCH_S,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallError(f"{command[0]}: {error}") from error
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise InstallError(f"{' '.join(command[:4])} … ended with {done.returncode}: {last}")
