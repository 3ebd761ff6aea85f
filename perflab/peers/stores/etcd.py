"""etcd: a log that a majority has synced, through gRPC.

The three messages that are needed are written by hand (the service definition is etcd's public
`rpc.proto`): a client that does as little as one can in Python, in etcd's favour. Requests go to
all members in turn, as etcd's own clients send them.

Rule: etcd's alone.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from perflab.peers.stores.contract import HOST, Peer, PeerClient, Premises, Program

__all__ = ["Etcd", "put_request", "range_request", "value_of"]

PUT, RANGE = "/etcdserverpb.KV/Put", "/etcdserverpb.KV/Range"
TIMEOUT_S = 30.0
BYTES = 2  # protobuf's wire type of what has a length
KEY, VALUE, KVS, KVS_VALUE = 1, 2, 2, 5  # field numbers


class Etcd(Peer):
    """Three members of etcd, version 3."""

    def commands(self, premises: Premises) -> list[list[str]]:
        clients, peers = premises.addresses(), premises.addresses("peer")
        cluster = ",".join(f"m{n}=https://{each}" for n, each in enumerate(peers))
        return [
            _command(premises, n, f"https://{clients[n]}", f"https://{peers[n]}", cluster)
            for n in range(len(peers))
        ]

    async def connect(self, client: str, premises: Premises) -> PeerClient:
        connected = _Client(premises)
        await connected.retrieve("ready")  # a linearizable read: there is a leader and a majority
        return connected


def _command(premises: Premises, number: int, client: str, peer: str, cluster: str) -> list[str]:
    assert premises.program is not None
    options = {
        "name": f"m{number}",
        "data-dir": "data",
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": cluster,
        "initial-cluster-state": "new",
        "logger": "zap",
        "log-level": "error",
    }
    for prefix in ("", "peer-"):
        options[f"{prefix}client-cert-auth"] = "true"
        options[f"{prefix}trusted-ca-file"] = str(premises.authority)
        options[f"{prefix}cert-file"] = str(premises.certificate)
        options[f"{prefix}key-file"] = str(premises.key)
    return [premises.program, *(f"--{name}={value}" for name, value in options.items())]


class _Client:
    def __init__(self, premises: Premises) -> None:
        import grpc
        import grpc.aio

        credentials = grpc.ssl_channel_credentials(
            premises.authority.read_bytes(),
            premises.key.read_bytes(),
            premises.certificate.read_bytes(),
        )
        self._channels: list[Any] = [
            grpc.aio.secure_channel(f"{HOST}:{port}", credentials)
            for port in premises.ports["client"]
        ]
        self._puts = [each.unary_unary(PUT) for each in self._channels]
        self._ranges = [each.unary_unary(RANGE) for each in self._channels]
        self._next = 0

    def store(self, key: str, value: bytes) -> Awaitable[object]:
        self._next = (self._next + 1) % len(self._puts)
        call = self._puts[self._next]
        done: Awaitable[object] = call(
            put_request(key, value), timeout=TIMEOUT_S, wait_for_ready=True
        )
        return done

    async def retrieve(self, key: str) -> bytes | None:
        self._next = (self._next + 1) % len(self._ranges)
        call = self._ranges[self._next]
        return value_of(await call(range_request(key), timeout=TIMEOUT_S, wait_for_ready=True))

    async def settle(self) -> None:
        """Nothing: connections are kept."""

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close(grace=None)


def put_request(key: str, value: bytes) -> bytes:
    """A PutRequest in protobuf."""
    return _field(KEY, key.encode()) + _field(VALUE, value)


def range_request(key: str) -> bytes:
    """A RangeRequest for one key; it is linearizable unless it says otherwise."""
    return _field(KEY, key.encode())


def value_of(answer: bytes) -> bytes | None:
    """The value of the first record of a RangeResponse; None if there is no record."""
    record = _find(answer, KVS)
    return None if record is None else _find(record, KVS_VALUE)


def _field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | BYTES]) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at


def _find(data: bytes, wanted: int) -> bytes | None:
    """The first field of a number that has a length; the messages read here have only such and
    varints."""
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        length, at = _read_varint(data, at)
        if tag & 7 == BYTES:
            if tag >> 3 == wanted:
                return data[at : at + length]
            at += length
        elif tag & 7:
            raise ValueError(f"etcd answered a field of protobuf's wire type {tag & 7}")
    return None


ETCD = Etcd(
    name="etcd",
    program=Program(name="etcd", version=("--version",), packages=("etcd-server",)),
    clients={"grpcio": ("grpcio==1.85.3",)},
    ports=("client", "peer"),
    reads="retrieve, quorum",
    durable=True,
    keeps="durable: a log on disk, synced before the answer",
    acknowledged="2 of 3",
    reading="linearizable",
    secured="TLS with client certificates, between members too",
    share=0.2,
)
