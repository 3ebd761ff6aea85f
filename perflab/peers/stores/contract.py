"""What a store of others has to be, so that it can be measured in turn with the core.

Theory of operation. A peer has three members on loopback, in processes of their own, and one client
in another, as the core has: the same `closed_loop`, the same values, all of them checked. Programs
come from Debian's packages, clients from PyPI; both lie in folders of their own, outside of what
the project imports (see `environments`). One file says all of one peer.

Rule: says what a peer is; starts nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from perflab.peers.question import Question

__all__ = ["HOST", "MEMBERS", "Peer", "PeerClient", "Premises", "Program"]

HOST = "127.0.0.1"
MEMBERS = 3


@dataclass(frozen=True, kw_only=True)
class Program:
    """A server's program: its name, what prints its version, and the Debian packages that have it
    (without those that every Debian has)."""

    name: str
    version: tuple[str, ...]
    packages: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Premises:
    """Where one run of a peer takes place.

    `folder` is its own and empty; `packages` the folder of its client libraries; `program` the path
    of its server, if it has one; `ports` are free ones, MEMBERS for each kind in `Peer.ports`;
    `authority`, `certificate` and `key` are PEM files of one certificate that is good for servers
    and clients.
    """

    folder: Path
    packages: Path
    program: str | None
    ports: Mapping[str, Sequence[int]]
    authority: Path
    certificate: Path
    key: Path
    loop: str

    def addresses(self, kind: str = "client") -> list[str]:
        return [f"{HOST}:{port}" for port in self.ports[kind]]


class PeerClient(Protocol):
    """What is asked: `store` and `retrieve` are one operation each."""

    async def settle(self) -> None:
        """Before each round, outside of what is timed: see that all members are there, if the last
        one may have cost some. Does nothing where they can't be lost."""

    def store(self, key: str, value: bytes) -> Awaitable[object]:
        """Done when as many members as `Peer.acknowledged` says have it; raises otherwise."""

    def retrieve(self, key: str) -> Awaitable[object]:
        """The value, or None."""

    async def close(self) -> None:
        """Let go of every connection."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A store of others; a subclass for each.

    `clients` are the client libraries it is asked through, by name, each with what PyPI has to give
    for it, the library itself first; `reads` says which of the core's reads its own is like;
    `durable` is true if an acknowledged write has been synced; `share` multiplies the number of
    operations, so that a repeat takes about as long as the core's. The other texts are printed.
    """

    name: str
    clients: Mapping[str, tuple[str, ...]]
    reads: Question
    durable: bool
    keeps: str
    acknowledged: str
    reading: str
    secured: str
    share: float
    program: Program | None = None
    ports: tuple[str, ...] = ("client",)
    size_bytes: int = 1024
    environment: Mapping[str, str] = field(default_factory=dict)

    def commands(self, premises: Premises) -> list[list[str]]:
        """The command of each member, in the order in which they start."""
        raise NotImplementedError

    async def connect(self, client: str, premises: Premises) -> PeerClient:
        """A connected client, once the members serve together; waits for that."""
        raise NotImplementedError
