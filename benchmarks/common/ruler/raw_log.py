"""The ruler of disks: nodes of the core whose records go to the thinnest log that there can be.

A yardstick, not a store. Changes are appended to one file, all that waits at a time, with one
fdatasync for each such group; where a record lies is known in memory. Nothing is read back after a
restart, nothing is compacted, a torn end would not be noticed: whatever a real store adds must cost
something over this, and the ratio of the two *in the same minute* says how much.

It stands where the core's own disk stands: the node gives out `Persist` effects, by number, and
hears up to which number all is synced. So both answer the same clients by the same code; a core
that becomes slower as a whole makes both slower, and other suites show that.

Frozen: whoever changes what it does for a record raises DISK_RULER in `versions.py`.

Rule: nothing that a log could do without. p2pcore comes in as an argument.
"""

from __future__ import annotations

import asyncio
import os
import struct
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.common.parts import part

__all__ = ["FILE", "RawLog", "coordinator_on_raw_log"]

FILE = "raw.log"
HEAD = struct.Struct(">IBHIQ")  # checksum, lengths of key, version and value, expiry in ms
GROUP_CHANGES = 1024  # as many as the core's own writer takes
GROUP_BYTES = 4 << 20


class RawLog:
    """An append-only file and the thread that writes it.

    Args:
        path: of the file; what is in it is kept and not looked at.
        persisted: called in the thread, after a sync, with the number of the last change.
        failed: called in the thread with the reason, once, if writing or syncing failed.
    """

    def __init__(
        self, path: Path, persisted: Callable[[int], None], failed: Callable[[str], None]
    ) -> None:
        self._handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        self._end = os.fstat(self._handle).st_size
        self._persisted, self._failed = persisted, failed
        self._waiting: deque[Any] = deque()
        self._wakes = threading.Event()
        self._closing = False
        self.index: dict[bytes, tuple[int, int]] = {}
        """Where the value of each key begins, and its length."""
        self.groups = 0
        self._thread = threading.Thread(target=self._run, name="raw log", daemon=True)
        self._thread.start()

    def write(self, change: Any) -> None:
        """Have a change (`Persist`) written, after all before it. For the loop's thread.

        Raises:
            NotImplementedError: something is to be read back, which a raw log does not do: nodes
                must be able to hold all values in memory.
        """
        if not hasattr(change, "value"):
            text = f"a raw log writes and reads nothing back, so not a {type(change).__name__}"
            raise NotImplementedError(text)
        self._waiting.append(change)
        if not self._wakes.is_set():
            self._wakes.set()

    def finish(self) -> None:
        """Write what waits, and end. May be repeated."""
        self._closing = True
        self._wakes.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._closing or self._waiting:
                self._wakes.wait()
                self._wakes.clear()
                while self._waiting:
                    self._persisted(self._write_group())
        except OSError as error:
            self._waiting.clear()
            self._failed(str(error))
        finally:
            os.close(self._handle)

    def _write_group(self) -> int:
        """Write what waits, and sync it; returns the last number."""
        entries: list[bytes] = []
        size, number, waiting = 0, 0, self._waiting
        while waiting and len(entries) < GROUP_CHANGES and size < GROUP_BYTES:
            change = waiting.popleft()
            entry = self._entry(change, self._end + size)
            entries.append(entry)
            size, number = size + len(entry), change.number
        data = memoryview(b"".join(entries))
        self._end += size
        while data:
            data = data[os.write(self._handle, data) :]
        os.fdatasync(self._handle)
        self.groups += 1
        return number

    def _entry(self, change: Any, at: int) -> bytes:
        key, version, value = change.key, change.version or b"", change.value or b""
        checksum = zlib.crc32(value, zlib.crc32(version, zlib.crc32(key)))
        head = HEAD.pack(checksum, len(key), len(version), len(value), change.expires_ms)
        if change.value is None:
            self.index.pop(key, None)
        else:
            self.index[key] = (at + HEAD.size + len(key) + len(version), len(value))
        return b"".join((head, key, version, value))


def coordinator_on_raw_log(core: ModuleType) -> Any:
    """AdaptiveCoordinator of this p2pcore, on a raw log in its data directory."""
    instant = part("effects", "Instant")

    def now() -> Any:
        return instant(time.monotonic_ns(), time.time_ns() // 1_000_000)

    class RawLogCoordinator(core.AdaptiveCoordinator):  # type: ignore[misc, name-defined]
        async def _bring_back(self, host: Any, directory: Path) -> None:
            """Nothing comes back; from now on changes go to the log."""
            journal, loop = self._node.journal, asyncio.get_running_loop()

            def tell(*what: Any) -> None:
                """In the loop."""
                word, *about = what
                word(*about, now())
                host.pump()

            log = RawLog(
                directory / FILE,
                lambda number: _in_loop(loop, tell, journal.persisted, number),
                lambda reason: _in_loop(loop, tell, journal.failed, reason),
            )
            self._records = log
            host.persist = log.write
            journal.open(now())

    return RawLogCoordinator


def _in_loop(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *about: Any) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(call, *about)
