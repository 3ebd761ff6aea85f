"""The ruler of beginnings: an interpreter that imports, a listener and a client that meet.

Frozen: whoever changes what it does raises START_RULER in `versions.py`, which is part of the
version of every benchmark that is timed beside it, and measures the references anew.

Rule: nothing of p2pcore.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.common.children import child_environment
from benchmarks.common.entered import Entered
from benchmarks.common.ruler.ceiling import (
    FASTEST,
    CeilingClient,
    CeilingListeners,
    write_certificate,
)

__all__ = ["Meeting", "connect_s", "import_s", "run_fresh"]

IMPORT_LIMIT_S = 30  # a hundred times what it takes
# Of the standard library, and of the pinned libraries that a store would use: much Python, some C.
IMPORT_PROGRAM = """
import time
begin = time.perf_counter()
import asyncio, decimal, email.message, http.client, logging.handlers, sqlite3, ssl, unittest
import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
print(time.perf_counter() - begin)
print(hasattr(x509, "CertificateBuilder") and hasattr(ed25519, "Ed25519PrivateKey"))
"""


def run_fresh(program: str) -> list[str]:
    """What a program of Python says, line by line, in an interpreter of its own."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        env=child_environment(),
        stdout=subprocess.PIPE,
        timeout=IMPORT_LIMIT_S,
        check=True,
        text=True,
    )
    return done.stdout.splitlines()


def import_s() -> float:
    """Seconds of the ruler's imports."""
    took, right = run_fresh(IMPORT_PROGRAM)
    if right != "True":
        raise AssertionError("the ruler's imports are not what they were: its times mean nothing")
    return float(took)


class Meeting(Entered):
    """What a listener and a client need to meet: a certificate, as long as this is entered."""

    def __init__(self, loop: str) -> None:
        self._tls = FASTEST[loop]

    def _enter(self) -> None:
        folder = self._stack.enter_context(TemporaryDirectory(prefix="ruler-"))
        self._certificate = write_certificate(Path(folder))

    async def start_s(self) -> float:
        """Seconds until a new listener has met its first client, and both are gone."""
        begin = time.perf_counter()
        listeners = CeilingListeners(1, self._tls, self._certificate)
        addresses = await listeners.start()
        async with CeilingClient(addresses, self._certificate, self._tls) as client:
            await _store_and_read(client)
        await listeners.stop()
        return time.perf_counter() - begin


async def connect_s(client: CeilingClient) -> float:
    """Seconds until a new client of running servers has its first answer."""
    begin = time.perf_counter()
    async with client:
        await _store_and_read(client)
        return time.perf_counter() - begin


async def _store_and_read(client: CeilingClient) -> None:
    await client.store("ruler-first", b"first")
    if await client.retrieve("ruler-first") != b"first":
        raise AssertionError("the ruler read something else: its times mean nothing")
