"""A node in a process of its own, for others to attack: its log, its memory, its connections."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

__all__ = ["NETWORK_KEY", "Victim", "victim", "wait_until"]

NETWORK_KEY = b"the network key of the victim..."

SCRIPT = f"""
import asyncio, logging, sys, threading
from p2pcore import AdaptiveCoordinator, CoordinatorConfig
from p2pcore.session import refusals

refusals.PERIOD_NS = 200_000_000  # or what one test has logged would silence the next

async def main():
    config = CoordinatorConfig(
        replication_factor=1, write_quorum=1, read_quorum=1, network_key={NETWORK_KEY!r},
        handshake_timeout_s=0.5, max_handshakes=32, max_connections=64,
    )
    async with AdaptiveCoordinator(config) as node:
        print(node.address, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

logging.basicConfig(level=logging.INFO)
if sys.argv[1] == "uvloop":
    import uvloop
    uvloop.run(main())
else:
    asyncio.run(main())
"""


class Victim:
    """What can be seen of the process from outside."""

    def __init__(self, process: "subprocess.Popen[str]", log: Path) -> None:
        assert process.stdout is not None
        self.address = process.stdout.readline().strip()
        self.process = psutil.Process(process.pid)
        self._log = log
        self._read = 0

    def said(self) -> str:
        """Its log since the last time."""
        text = self._log.read_text()
        new, self._read = text[self._read :], len(text)
        return new

    @property
    def connections(self) -> int:
        """How many it has accepted and not closed."""
        listed = self.process.net_connections(kind="tcp")
        return sum(connection.status != psutil.CONN_LISTEN for connection in listed)

    @property
    def rss_bytes(self) -> int:
        """Its memory."""
        size: int = self.process.memory_info().rss
        return size


@contextmanager
def victim(loop: str, log: Path) -> Iterator[Victim]:
    """Serve until the end of the block; it must end by itself then, without an error."""
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, loop],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    with process:
        try:
            yield Victim(process, log)
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(10) == 0
        finally:
            process.kill()
    assert "Traceback" not in log.read_text()


def wait_until(condition: Callable[[], bool]) -> None:
    """As `eventually`, in the thread of an attack."""
    end_s = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.01)
