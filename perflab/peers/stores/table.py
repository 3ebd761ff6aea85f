"""The peers that can be measured.

Rule: a name for each; what they are is in their files.
"""

from __future__ import annotations

from perflab.peers.stores.contract import Peer
from perflab.peers.stores.etcd import ETCD
from perflab.peers.stores.kademlia import KADEMLIA
from perflab.peers.stores.libtorrent import LIBTORRENT
from perflab.peers.stores.nats import NATS
from perflab.peers.stores.redis import REDIS

__all__ = ["MEASURED"]

MEASURED: dict[str, Peer] = {peer.name: peer for peer in (ETCD, REDIS, NATS, KADEMLIA, LIBTORRENT)}
