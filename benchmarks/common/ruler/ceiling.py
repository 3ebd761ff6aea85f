"""The ceiling, and the ruler of sockets: the thinnest replicated store that Python can run.

A yardstick, not a store. TLS 1.3, msgpack, a dict and writes joined per loop turn; no identities,
no versions, no checks, no timeouts, no failure handling: whatever a real core adds must cost
something over this, and the ratio of the two *in the same run* says how much. Absolute figures
move with the machine's mood, the ratio hardly does.

A put goes from the client straight to three servers and is done at two acknowledgements ("fan");
a get asks one. TLS runs either in the loop's own transport ("loop") or in a memory buffer pumped
here ("pump"); a ceiling has to be high, so `FASTEST` names the better one for each loop.

`perflab/peers` holds the core against it; the suites take what they time on sockets in turn with it
(`benchmarks/common/ruler/sockets.py`), its servers in the very processes of the core's nodes.

Frozen: whoever changes what it does for an operation raises SOCKET_RULER in `versions.py`, which is
part of the version of every benchmark that is timed beside it, and measures the references anew.

Rule: nothing of p2pcore, and nothing that a store could do without.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
import tempfile
import zlib
from pathlib import Path
from typing import Any, Literal

from benchmarks.common.children import Child, serve_parent, stop_all

__all__ = [
    "FASTEST",
    "CeilingClient",
    "CeilingListeners",
    "CeilingServers",
    "Tls",
    "run_child",
    "write_certificate",
]

Tls = Literal["loop", "pump"]

# Measured at 64 in flight, layout A, thousands of puts and gets per second: asyncio 26 and 41 with
# its own TLS, 49 and 68 pumped; uvloop 88 and 135 with its own, 78 and 109 pumped.
FASTEST: dict[str, Tls] = {"asyncio": "pump", "uvloop": "loop"}

REPLICAS = 3
QUORUM = 2
PUT, GET = 0, 1
LENGTH = struct.Struct(">I")
READ_BYTES = 65536  # four full TLS records a read; larger did not help


class _Peer(asyncio.BufferedProtocol):
    """One connection: frames in, frames out joined per loop turn, TLS in or under it."""

    def __init__(self, context: ssl.SSLContext | None, server_side: bool) -> None:
        self._buffer = bytearray(READ_BYTES)
        self._view = memoryview(self._buffer)
        self._plain = bytearray(READ_BYTES)
        self._pending = b""
        self._out: list[bytes] = []
        self._transport: asyncio.Transport
        self._loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = self._loop.create_future()
        self._tls: ssl.SSLObject | None = None
        if context is not None:
            self._from_wire, self._to_wire = ssl.MemoryBIO(), ssl.MemoryBIO()
            self._tls = context.wrap_bio(self._from_wire, self._to_wire, server_side)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        if self._tls is None:
            self.ready.set_result(None)
        else:
            self._handshake(self._tls)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ready.done():
            self.ready.cancel()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        if self._tls is None:
            self._frames(self._buffer[:nbytes])
            return
        self._from_wire.write(self._view[:nbytes])
        if not self.ready.done() and not self._handshake(self._tls):
            return
        read, plain = self._tls.read, self._plain
        try:
            while True:
                count: int = read(READ_BYTES, plain)  # type: ignore[assignment]
                self._frames(plain[:count])
        except ssl.SSLWantReadError:
            pass

    def _handshake(self, tls: ssl.SSLObject) -> bool:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        else:
            self.ready.set_result(None)
            return True
        finally:
            if self._to_wire.pending:
                self._transport.write(self._to_wire.read())

    def _frames(self, data: bytes | bytearray) -> None:
        if self._pending:
            data = self._pending + data
        position, end = 0, len(data)
        while end - position >= 4:
            stop = position + 4 + LENGTH.unpack_from(data, position)[0]
            if stop > end:
                break
            self.receive(memoryview(data)[position + 4 : stop])
            position = stop
        self._pending = bytes(data[position:])

    def receive(self, frame: memoryview) -> None:
        raise NotImplementedError

    def send(self, frame: bytes) -> None:
        """Queue a frame; everything queued in one loop turn leaves in one write."""
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(frame)

    def _flush(self) -> None:
        data = b"".join(self._out)
        self._out.clear()
        if self._tls is not None:
            rest = memoryview(data)
            while rest:
                rest = rest[self._tls.write(rest) :]
            data = self._to_wire.read()
        self._transport.write(data)

    def close(self) -> None:
        self._transport.abort()


class _Server(_Peer):
    """Answers (PUT, id, key, value) with [id] and (GET, id, key) with [id, value]."""

    def __init__(self, context: ssl.SSLContext | None, store: dict[bytes, bytes]) -> None:
        import msgspec

        super().__init__(context, server_side=True)
        self._store = store
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder().decode

    def receive(self, frame: memoryview) -> None:
        message = self._decode(frame)
        if message[0] == PUT:
            self._store[message[2]] = message[3]
            body = self._encode((message[1],))
        else:
            body = self._encode((message[1], self._store[message[2]]))
        self.send(LENGTH.pack(len(body)) + body)


class _Put:
    """A put on its way: counts acknowledgements down, then completes its future."""

    __slots__ = ("done", "missing")

    def __init__(self, done: asyncio.Future[None]) -> None:
        self.done = done
        self.missing = QUORUM


class _Connection(_Peer):
    def __init__(self, context: ssl.SSLContext | None, waiting: dict[int, Any]) -> None:
        import msgspec

        super().__init__(context, server_side=False)
        self._waiting = waiting
        self._decode = msgspec.msgpack.Decoder().decode

    def receive(self, frame: memoryview) -> None:
        message = self._decode(frame)
        if len(message) == 2:
            got = self._waiting.pop(message[0])
            if not got.cancelled():  # by Ctrl-C
                got.set_result(message[1])
        elif (put := self._waiting.get(message[0])) is not None:
            put.missing -= 1
            if not put.missing:
                del self._waiting[message[0]]
                if not put.done.cancelled():
                    put.done.set_result(None)


class CeilingClient:
    """A client of the ceiling's servers, with one connection to each."""

    def __init__(self, addresses: list[str], certificate: str, tls: Tls) -> None:
        import msgspec

        self._addresses = addresses
        self._context = _context(server_side=False, certificate=certificate)
        self._tls = tls
        self._waiting: dict[int, Any] = {}
        self._connections: list[_Connection] = []
        self._next_id = 0
        self._encode = msgspec.msgpack.Encoder().encode

    async def __aenter__(self) -> CeilingClient:
        self._loop = asyncio.get_running_loop()
        pumped = self._tls == "pump"
        for address in self._addresses:
            host, port = address.split(":")
            _, connection = await self._loop.create_connection(
                lambda: _Connection(self._context if pumped else None, self._waiting),
                host,
                int(port),
                ssl=None if pumped else self._context,
            )
            await connection.ready
            self._connections.append(connection)
        return self

    async def __aexit__(self, *_: object) -> None:
        for connection in self._connections:
            connection.close()
        await asyncio.sleep(0)  # the transports take leave in the next turn

    def store(self, key: str, value: bytes) -> asyncio.Future[None]:
        """Send a record to its three servers; done when two have it."""
        raw = key.encode()
        self._next_id = number = self._next_id + 1
        body = self._encode((PUT, number, raw, value))
        frame = LENGTH.pack(len(body)) + body
        done: asyncio.Future[None] = self._loop.create_future()
        self._waiting[number] = _Put(done)
        connections = self._connections
        first, count = zlib.crc32(raw), len(connections)
        connections[first % count].send(frame)
        connections[(first + 1) % count].send(frame)
        connections[(first + 2) % count].send(frame)
        return done

    def retrieve(self, key: str) -> asyncio.Future[bytes]:
        """Ask one server for a record, each of the three in turn."""
        raw = key.encode()
        self._next_id = number = self._next_id + 1
        body = self._encode((GET, number, raw))
        done: asyncio.Future[bytes] = self._loop.create_future()
        self._waiting[number] = done
        connections = self._connections
        first = zlib.crc32(raw)
        connections[(first + number % REPLICAS) % len(connections)].send(
            LENGTH.pack(len(body)) + body
        )
        return done


class CeilingListeners:
    """Some servers on the running loop, each with a store of its own."""

    def __init__(self, count: int, tls: Tls, certificate: str) -> None:
        self._count = count
        self._tls = tls
        self._context = _context(server_side=True, certificate=certificate)
        self._servers: list[asyncio.Server] = []

    async def start(self) -> list[str]:
        """Listen; returns their addresses."""
        loop = asyncio.get_running_loop()
        pumped = self._tls == "pump"
        addresses = []
        for _ in range(self._count):
            store: dict[bytes, bytes] = {}
            server = await loop.create_server(
                lambda store=store: _Server(self._context if pumped else None, store),
                "127.0.0.1",
                0,
                ssl=None if pumped else self._context,
            )
            self._servers.append(server)
            addresses.append("{}:{}".format(*server.sockets[0].getsockname()))
        return addresses

    async def stop(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()


class _Service:
    """The child's service: nothing but servers."""

    def __init__(self, listeners: CeilingListeners) -> None:
        self._listeners = listeners

    async def start(self) -> dict[str, Any]:
        return {"addresses": await self._listeners.start()}

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        raise ValueError(f"a server of the ceiling answers no questions, not even {question}")

    async def stop(self) -> None:
        await self._listeners.stop()


class CeilingServers:
    """The ceiling's servers in layout A (all in one process) or B (a process each)."""

    def __init__(self, *, layout: Literal["A", "B"], nodes: int, loop: str, tls: Tls) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="ceiling-")
        self.certificate = write_certificate(Path(self._folder.name))
        self.tls = tls
        shares = [nodes] if layout == "A" else [1] * nodes
        module = "benchmarks.common.ruler.ceiling"
        self._children = [
            Child(module, [str(share), loop, tls, self.certificate]) for share in shares
        ]

    def __enter__(self) -> CeilingServers:
        try:
            for child in self._children:
                child.wait_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with self._folder:
            stop_all(self._children)

    def client(self) -> CeilingClient:
        addresses = [place for child in self._children for place in child.ready["addresses"]]
        return CeilingClient(addresses, self.certificate, self.tls)


def _context(*, server_side: bool, certificate: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if server_side:
        context.num_tickets = 0
        context.load_cert_chain(certificate)
    else:
        context.check_hostname = False
        context.load_verify_locations(certificate)
    return context


def write_certificate(folder: Path) -> str:
    """A self-signed Ed25519 certificate and its key in one file, for one run."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ceiling")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(1970, 1, 1))
        .not_valid_after(datetime.datetime(9999, 12, 31))
        .sign(key, None)
    )
    path = folder / "ceiling.pem"
    path.touch(mode=0o600)
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return str(path)


def run_child(arguments: list[str]) -> None:
    """A child process of CeilingServers: how many servers, which loop, which TLS, certificate."""
    count, loop, tls, certificate = arguments
    form: Tls = "pump" if tls == "pump" else "loop"
    serve_parent(_Service(CeilingListeners(int(count), form, certificate)), loop)
