"""Redis: a primary and two replicas, each write followed by `WAIT 1`.

Through redis-py, a connection for each operation in flight, and through valkey-glide, whose one
connection everybody shares. SET and WAIT go in one batch.

Rule: Redis's alone.
"""

from __future__ import annotations

import asyncio
from typing import Any

from perflab.peers.stores.contract import HOST, MEMBERS, Peer, PeerClient, Premises, Program

__all__ = ["Redis"]

CONNECTIONS = 256  # the most that are ever in flight
WAIT_MS = 10_000
LOOK_S = 0.05  # between looks at whether the replicas are there
GLIDE = "valkey-glide"


class Redis(Peer):
    """A primary and two replicas of Redis, in memory."""

    def commands(self, premises: Premises) -> list[list[str]]:
        primary, *replicas = premises.ports["client"]
        follow = ["--replicaof", HOST, str(primary)]
        return [
            _command(premises, primary),
            *([*_command(premises, port), *follow] for port in replicas),
        ]

    async def connect(self, client: str, premises: Premises) -> PeerClient:
        first = _RedisPy(premises)
        await first.wait_replicas()
        if client != GLIDE:
            return first
        await first.close()
        return await _Glide.open(premises)


def _command(premises: Premises, port: int) -> list[str]:
    assert premises.program is not None
    options = {
        "bind": HOST,
        "port": "0",
        "tls-port": str(port),
        "tls-ca-cert-file": str(premises.authority),
        "tls-cert-file": str(premises.certificate),
        "tls-key-file": str(premises.key),
        "tls-auth-clients": "yes",
        "tls-replication": "yes",
        "save": "",
        "appendonly": "no",
        "repl-diskless-sync-delay": "0",
        "shutdown-timeout": "0",
        "loglevel": "warning",
    }
    return [
        premises.program,
        *(word for name, text in options.items() for word in (f"--{name}", text)),
    ]


class NotReplicatedError(RuntimeError):
    """WAIT came back before a replica had the write."""


class _RedisPy:
    def __init__(self, premises: Premises) -> None:
        import redis.asyncio as redis

        self._redis: Any = redis.Redis(
            host=HOST,
            port=premises.ports["client"][0],
            ssl=True,
            ssl_ca_certs=str(premises.authority),
            ssl_certfile=str(premises.certificate),
            ssl_keyfile=str(premises.key),
            max_connections=CONNECTIONS,
        )

    async def wait_replicas(self) -> None:
        """Return when the primary has all replicas; the caller has a time limit."""
        import redis.exceptions

        while True:
            try:
                told = await self._redis.info("replication")
            except redis.exceptions.ConnectionError:
                told = {}
            states = [told.get(f"slave{n}", {}).get("state") for n in range(MEMBERS - 1)]
            if states == ["online"] * (MEMBERS - 1):
                return
            await asyncio.sleep(LOOK_S)

    async def store(self, key: str, value: bytes) -> None:
        pipe = self._redis.pipeline(transaction=False)
        pipe.set(key, value)
        pipe.execute_command("WAIT", 1, WAIT_MS)
        _require_replicated((await pipe.execute())[1])

    async def retrieve(self, key: str) -> Any:
        return await self._redis.get(key)

    async def settle(self) -> None:
        """Nothing: connections are kept."""

    async def close(self) -> None:
        await self._redis.aclose()


class _Glide:
    def __init__(self, client: Any, batch: Any) -> None:
        self._client, self._batch = client, batch

    @classmethod
    async def open(cls, premises: Premises) -> _Glide:
        import glide

        tls = glide.TlsAdvancedConfiguration(
            root_pem_cacerts=premises.authority.read_bytes(),
            client_cert_pem=premises.certificate.read_bytes(),
            client_key_pem=premises.key.read_bytes(),
        )
        configuration = glide.GlideClientConfiguration(
            [glide.NodeAddress(HOST, premises.ports["client"][0])],
            use_tls=True,
            request_timeout=WAIT_MS,
            advanced_config=glide.AdvancedGlideClientConfiguration(tls_config=tls),
        )
        return cls(await glide.GlideClient.create(configuration), glide.Batch)

    async def store(self, key: str, value: bytes) -> None:
        batch = self._batch(is_atomic=False)
        batch.set(key, value)
        batch.wait(1, WAIT_MS)
        _require_replicated((await self._client.exec(batch, raise_on_error=True))[1])

    async def retrieve(self, key: str) -> Any:
        return await self._client.get(key)

    async def settle(self) -> None:
        """Nothing: connections are kept."""

    async def close(self) -> None:
        await self._client.close()


def _require_replicated(replicas: int) -> None:
    if replicas < 1:
        raise NotReplicatedError(f"no replica had the write after {WAIT_MS} ms")


REDIS = Redis(
    name="redis",
    program=Program(
        name="redis-server",
        version=("--version",),
        packages=("redis-server", "redis-tools", "libjemalloc2", "liblzf1", "libatomic1"),
    ),
    clients={
        "redis-py": ("redis==8.1.0", "hiredis==3.5.0"),
        GLIDE: ("valkey-glide==2.6.0", "redis==8.1.0"),
    },
    reads="retrieve, one replica",
    durable=False,
    keeps="not durable: in memory, and replicas may be promoted without a write",
    acknowledged="2 of 3 (WAIT 1)",
    reading="from the primary",
    secured="TLS with client certificates, between members too",
    share=0.5,
)
