"""A node under links that ask everything and read nothing: python -m tests.siege --links 1024

The node, the besiegers and a good client have a process each. First the client is alone (quiet),
then every besieger sends requests for as long as its socket takes them, and comes back when the
node has had enough of it. Reported: the node's memory (RSS in MB: before, with idle links, and the
most under siege), and the client's P50 and P99 of retrieves, in both parts. Goals (issue 16): at
most 300 MB, and a P99 of at most ten times the quiet one; the latter says nothing on a machine that
others use.
"""

import argparse
import asyncio
import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count

import psutil

from p2pcore import AdaptiveClient, ClientConfig
from p2pcore.address import split_address
from p2pcore.aio.identity import Credentials, Identity
from p2pcore.contact import point_of
from p2pcore.ids import key_of
from p2pcore.wire import messages as m
from p2pcore.wire.codec import encode_frame

__all__ = ["besiege", "main"]

NETWORK_KEY = b"the network key of the besieged."
RECORDS, RECORD_BYTES = 300, 100_000
NODE = f"""
import asyncio, sys
import uvloop
from p2pcore import AdaptiveCoordinator, CoordinatorConfig

async def main():
    config = CoordinatorConfig(
        replication_factor=1, write_quorum=1, read_quorum=1, network_key={NETWORK_KEY!r},
        max_connections=4096, max_handshakes=512,
    )
    async with AdaptiveCoordinator(config) as node:
        print(node.address, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

uvloop.run(main())
"""


def requests() -> bytes:
    """A little of everything that may be asked, thousands of times over."""
    keys = [key_of(f"record {number}") for number in range(RECORDS)]
    asked: list[m.Message] = []
    for number, key in enumerate(keys):
        asked += [
            m.Fetch(number, key),
            m.Get(number, key, 60_000),
            m.FetchMany(number, keys[:10]),
            m.Survey(number, False, []),
            m.ListKeys(number, list(range(0, 4096, 41))),
            m.FindNode(number, key),
            m.Inspect(number),
        ]
    return b"".join(map(encode_frame, asked))


class Besieger:
    """One link. Every other one says that it is a node."""

    def __init__(self, address: str, number: int) -> None:
        self._address = address
        self._number = number
        identity = Identity.new()
        self.node_id = identity.node_id if number % 2 else None
        self._context = Credentials(identity, NETWORK_KEY).client
        self._socket: ssl.SSLSocket | None = None
        self._at = 0

    def open(self) -> bool:
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.settimeout(10)
        try:
            plain.connect(split_address(self._address))
            self._socket = self._context.wrap_socket(plain)
            role = m.Ready(1, 1, m.Role.CLIENT)
            if self.node_id is not None:
                role = m.Ready(1, 1, m.Role.NODE, "127.0.0.1:1", m.Settings(1, 1, 1))
            self._socket.sendall(encode_frame(role))
            self._socket.setblocking(False)
        except OSError:
            plain.close()
            self._socket = None
        return self._socket is not None

    def ask(self, data: bytes) -> None:
        """As much as the socket takes."""
        if self._socket is None and not self.open():
            return
        assert self._socket is not None
        try:
            while True:
                self._at = (self._at + self._socket.send(data[self._at :][:16384])) % len(data)
        except ssl.SSLWantWriteError:
            pass
        except OSError:
            self._socket.close()
            self._socket, self._at = None, 0


def besiege(address: str, links: int) -> None:
    """What the process of the besiegers does: get in, say so, and begin when told."""
    besiegers = [Besieger(address, number) for number in range(links)]
    opened = sum(besieger.open() for besieger in besiegers)
    ids = [besieger.node_id.hex() for besieger in besiegers if besieger.node_id is not None]
    print(json.dumps([opened, ids]), flush=True)
    parent = os.getppid()
    sys.stdin.readline()
    data = requests()
    while os.getppid() == parent:
        for besieger in besiegers:
            besieger.ask(data)


def keys_of(node_id: bytes, besiegers: list[bytes]) -> list[str]:
    """Names of records that stay the node's: with N = 1, others would be the besiegers'."""
    own, points = point_of(node_id), [point_of(each) for each in besiegers]
    names: list[str] = []
    for number in count():
        point = point_of(key_of(f"small {number}"))
        if all(point ^ other > point ^ own for other in points):
            names.append(f"small {number}")
        if len(names) == 5:
            break
    return names


async def retrieves(client: AdaptiveClient, names: list[str], seconds: float) -> list[float]:
    """How long each took, in ms; 50 a second at most."""
    took: list[float] = []
    end_s = time.monotonic() + seconds
    while (began_s := time.monotonic()) < end_s:
        await client.retrieve(names[len(took) % len(names)])
        took.append(1000 * (time.monotonic() - began_s))
        await asyncio.sleep(0.02)
    return sorted(took)


async def watch(process: psutil.Process, most: list[int]) -> None:
    while True:
        most[0] = max(most[0], process.memory_info().rss)
        await asyncio.sleep(0.05)


def _figures(took: list[float]) -> dict[str, float]:
    return {
        "count": len(took),
        "p50_ms": round(took[len(took) // 2], 2),
        "p99_ms": round(took[len(took) * 99 // 100], 2),
    }


async def run(links: int, seconds: float) -> dict[str, object]:
    """One siege."""
    with _process("-c", NODE) as node:
        address = _line(node)
        config = ClientConfig(bootstrap=[address], network_key=NETWORK_KEY, timeout_s=10)
        process, most = psutil.Process(node.pid), [0]
        async with AdaptiveClient(config) as client:
            for number in range(RECORDS):
                await client.store(f"record {number}", bytes(RECORD_BYTES))
            before = process.memory_info().rss
            command = "-m", "tests.siege", "--besiege", address, "--links", str(links)
            with _process(*command) as besiegers:
                opened, ids = json.loads(await asyncio.to_thread(_line, besiegers))
                linked = process.memory_info().rss
                info = await client.node_info()
                names = keys_of(info.node_id, [bytes.fromhex(each) for each in ids])
                for name in names:
                    await client.store(name, b"small")
                quiet = await retrieves(client, names, seconds)
                watching = asyncio.create_task(watch(process, most))
                assert besiegers.stdin is not None
                besiegers.stdin.write(b"\n")
                besiegers.stdin.flush()
                under_siege = await retrieves(client, names, seconds)
                watching.cancel()
            info = await client.node_info()
    return {
        "links": opened,
        "rss_mb": [size // 1_000_000 for size in (before, linked, most[0])],
        "quiet": _figures(quiet),
        "under_siege": _figures(under_siege),
        "requests_refused": info.counters["requests_refused"],
        "links_opened": info.counters["links_opened"],
    }


@contextlib.contextmanager
def _process(*arguments: str) -> "Iterator[subprocess.Popen[bytes]]":
    """One of ours, which is ended with the block."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, *arguments], stdin=pipe, stdout=pipe) as process:
        try:
            yield process
        finally:
            process.kill()


def _line(process: "subprocess.Popen[bytes]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().decode().strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--links", type=int, default=1024)
    parser.add_argument("--seconds", type=float, default=20, help="quiet, and under siege")
    parser.add_argument("--besiege", metavar="ADDRESS", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.besiege:
        besiege(arguments.besiege, arguments.links)
    else:
        print(json.dumps(asyncio.run(run(arguments.links, arguments.seconds)), indent=2))


if __name__ == "__main__":
    main()
