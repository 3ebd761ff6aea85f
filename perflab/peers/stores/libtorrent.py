"""libtorrent: the DHT of BitTorrent in C++, with immutable items (BEP 44), over UDP.

A member is a process with one session. The client is a session, too, with room for one item, so
that reads have to ask the members; it counts itself among those that took an item, so all members
but one are enough only with it: three are asked for. (A read-only session would be the right one,
but waits 15 s for each item to be put: 2.1.1.) An item is found by the hash of its value, which the
client remembers for each key. Items have less than 1,000 bytes (BEP 44).

Rule: libtorrent's alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections import defaultdict
from typing import Any

from benchmarks.common.children import ENTRY
from perflab.peers.stores.contract import HOST, MEMBERS, Peer, PeerClient, Premises

__all__ = ["Libtorrent", "run_child"]

WITH_ITSELF = 1  # the client takes each item, too, and throws it away with the next
QUORUM = 2 + WITH_ITSELF
LOOK_S = 0.1  # between looks at whether all members are known
PLENTY = 1 << 30  # of what is limited to protect the users of a public network
SETTLE_S = 2.0
OPERATION_S = 10.0  # libtorrent gives a node 15 s; one that needs them has lost a datagram


class Libtorrent(Peer):
    """Three sessions with a DHT of their own."""

    def commands(self, premises: Premises) -> list[list[str]]:
        start = [sys.executable, "-P", str(ENTRY), "perflab.peers.stores.libtorrent", "-"]
        ports = premises.ports["client"]
        orders = [
            {"port": port, "others": ports, "packages": str(premises.packages)} for port in ports
        ]
        return [[*start, json.dumps(order)] for order in orders]

    async def connect(self, client: str, premises: Premises) -> PeerClient:
        connected = _Client(premises.ports["client"])
        await connected.settle()
        return connected


class NotTakenError(RuntimeError):
    """Fewer members than a quorum took an item."""


def _session(port: int, others: list[int], items: int, told: bool) -> Any:
    import libtorrent

    kinds = libtorrent.alert.category_t
    session = libtorrent.session(
        {
            "listen_interfaces": f"{HOST}:{port}",
            "enable_dht": True,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "alert_mask": kinds.dht_notification if told else kinds.error_notification,
            "alert_queue_size": 1_000_000,
            "dht_bootstrap_nodes": "",
            "dht_restrict_routing_ips": False,
            "dht_restrict_search_ips": False,
            "dht_enforce_node_id": False,
            "dht_block_ratelimit": 1_000_000,  # 1 << 30 blocks everybody
            "dht_upload_rate_limit": PLENTY,
            "dht_max_dht_items": items,
        }
    )
    for each in others:
        if each != port:
            session.add_dht_node((HOST, each))
    return session


class _Client:
    def __init__(self, ports: Any) -> None:
        self._ports = list(ports)
        self._session = _session(0, self._ports, items=1, told=True)
        self._hashes: dict[str, Any] = {}
        self._waiting: dict[tuple[str, str], list[asyncio.Future[Any]]] = defaultdict(list)
        self._tries = 0
        loop = asyncio.get_running_loop()
        self._session.set_alert_notify(lambda: loop.call_soon_threadsafe(self._take_alerts))

    async def settle(self) -> None:
        """Return when an item lies on all members; the caller has a time limit."""
        while True:
            self._tries += 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SETTLE_S):
                    taken = await self._put("ready", b"ready-%d" % self._tries)
                    if taken == MEMBERS + WITH_ITSELF:
                        return
            for each in self._ports:
                self._session.add_dht_node((HOST, each))
            await asyncio.sleep(LOOK_S)

    async def store(self, key: str, value: bytes) -> None:
        async with asyncio.timeout(OPERATION_S):
            taken = await self._put(key, value)
        if taken < QUORUM:
            raise NotTakenError(f"{taken - WITH_ITSELF} members took {key}")

    async def _put(self, key: str, value: bytes) -> int:
        self._hashes[key] = place = self._session.dht_put_immutable_item(value)
        taken: int = await self._wait("put", place)
        return taken

    async def retrieve(self, key: str) -> Any:
        place = self._hashes[key]
        async with asyncio.timeout(OPERATION_S):
            waiting = self._wait("get", place)
            self._session.dht_get_immutable_item(place)
            return await waiting

    def _wait(self, what: str, place: Any) -> asyncio.Future[Any]:
        waiting: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[what, str(place)].append(waiting)
        return waiting

    def _take_alerts(self) -> None:
        for alert in self._session.pop_alerts():
            match type(alert).__name__:
                case "dht_put_alert":
                    self._done("put", alert.target, alert.num_success)
                case "dht_immutable_item_alert":
                    self._done("get", alert.target, alert.item)

    def _done(self, what: str, place: Any, answer: Any) -> None:
        for waiting in self._waiting.pop((what, str(place)), []):
            if not waiting.done():
                waiting.set_result(answer)

    async def close(self) -> None:
        self._session.set_alert_notify(lambda: None)


def run_child(arguments: list[str]) -> None:
    """The process of one member; its order is one JSON object."""
    order = json.loads(arguments[0])
    sys.path.insert(0, order["packages"])
    session = _session(order["port"], order["others"], items=10_000_000, told=False)
    signal.sigwait([signal.SIGTERM])
    del session


LIBTORRENT = Libtorrent(
    name="libtorrent",
    clients={"own session": ("libtorrent==2.1.1",)},
    reads="retrieve, one replica",
    durable=False,
    keeps="not durable: in memory",
    acknowledged="2 of 3",
    reading="what the first nodes that answer have",
    secured="no security: UDP without encryption or identities",
    share=0.3,
    size_bytes=992,
)
