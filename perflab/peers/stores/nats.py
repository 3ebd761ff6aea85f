"""NATS: a JetStream key/value bucket of three replicas.

Rule: NATS's alone.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from typing import Any

from perflab.peers.stores.contract import Peer, PeerClient, Premises, Program

__all__ = ["Nats"]

BUCKET = "peers"
TIMEOUT_S = 10.0
LOOK_S = 0.1  # between tries to make the bucket, until the members have a leader


class Nats(Peer):
    """Three servers in a cluster, with JetStream in memory."""

    def commands(self, premises: Premises) -> list[list[str]]:
        return [_command(premises, number) for number in range(len(premises.ports["client"]))]

    async def connect(self, client: str, premises: Premises) -> PeerClient:
        import nats

        context = ssl.create_default_context(cafile=str(premises.authority))
        context.load_cert_chain(premises.certificate, premises.key)

        async def quiet(error: Exception) -> None:
            """What operations raise is counted there; this would print it as well."""

        connection: Any = None
        while connection is None:
            try:
                connection = await nats.connect(
                    [f"tls://{each}" for each in premises.addresses()],
                    tls=context,
                    error_cb=quiet,
                    allow_reconnect=False,
                )
            except (OSError, nats.errors.Error):  # nobody listens yet; the caller has a limit
                await asyncio.sleep(LOOK_S)
        return _Client(connection, await _bucket(connection.jetstream(timeout=TIMEOUT_S)))


def _command(premises: Premises, number: int) -> list[str]:
    """Write a member's configuration; options cannot say all of it. JSON is a form of it."""
    assert premises.program is not None
    tls = {
        "ca_file": str(premises.authority),
        "cert_file": str(premises.certificate),
        "key_file": str(premises.key),
        "verify": True,
    }
    configuration = {
        "server_name": f"m{number}",
        "listen": premises.addresses()[number],
        "tls": tls,
        "jetstream": {"store_dir": f"member-{number}/data", "max_memory_store": 4 << 30},
        "cluster": {
            "name": BUCKET,
            "listen": premises.addresses("cluster")[number],
            "tls": tls,
            "routes": [f"nats-route://{each}" for each in premises.addresses("cluster")],
        },
    }
    file = premises.folder / f"nats-{number}.conf"
    file.write_text(json.dumps(configuration, indent=1), encoding="utf-8")
    return [premises.program, "--config", str(file)]


async def _bucket(stream: Any) -> Any:
    """A bucket of three replicas; made again and again until there are enough members for it."""
    import nats.js.errors
    from nats.js.api import KeyValueConfig, StorageType

    wanted = KeyValueConfig(bucket=BUCKET, replicas=3, storage=StorageType.MEMORY, history=1)
    while True:
        try:
            return await stream.create_key_value(wanted)
        except (nats.errors.Error, nats.js.errors.Error):
            await asyncio.sleep(LOOK_S)


class _Client:
    def __init__(self, connection: Any, bucket: Any) -> None:
        self._connection, self._bucket = connection, bucket

    async def store(self, key: str, value: bytes) -> None:
        await self._bucket.put(key, value)

    async def retrieve(self, key: str) -> Any:
        return (await self._bucket.get(key)).value

    async def settle(self) -> None:
        """Nothing: connections are kept."""

    async def close(self) -> None:
        await self._connection.close()


NATS = Nats(
    name="nats",
    program=Program(name="nats-server", version=("--version",), packages=("nats-server",)),
    clients={"nats-py": ("nats-py==2.16.0",)},
    ports=("client", "cluster"),
    reads="retrieve, one replica",
    durable=False,
    keeps="not durable: in memory",
    acknowledged="2 of 3 (JetStream, R3)",
    reading="from the stream's leader",
    secured="TLS with client certificates, between members too",
    share=0.4,
)
