"""What all members of a measured network agree on, and how each stands in it.

Rule: plain data, which goes to child processes as JSON.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

__all__ = ["NetworkSettings", "NodeStanding"]


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """The settings that all members of a network share.

    N replicas, W acknowledgements per store, R replies per retrieve. The key, in hexadecimal, is
    made anew for each network, so that two runs on one machine can never meet.
    """

    replication: int = 3
    write_quorum: int = 2
    read_quorum: int = 2
    key: str = field(default_factory=lambda: os.urandom(32).hex(), repr=False)

    @classmethod
    def of(cls, nodes: int) -> NetworkSettings:
        """As many replicas as there are nodes, up to three, and a majority of them for quorums."""
        replicas = min(3, nodes)
        majority = replicas // 2 + 1
        return cls(replication=replicas, write_quorum=majority, read_quorum=majority)


@dataclass(frozen=True, kw_only=True)
class NodeStanding:
    """How a node stands in its network: whether it counts for all that is its, how many others it
    knows, and how many records it holds, tombstones included."""

    ready: bool
    known: int
    records: int
