"""The thread that reads values back from disk.

Theory of operation. The loop says which rows it wants and goes on; the thread takes what waits, up
to GROUP_ROWS and some GROUP_BYTES, reads and checks it, and hands it to the loop in one piece. It
has a connection of its own that can't write, so that the writer is never waited for; each row is a
short transaction, which keeps no log from being brought into the file.

Rule: what is not there as it was written, or can't be read, is given as None.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from p2pcore.aio.database import BrokenDiskError, DamagedError, Database
from p2pcore.storage.store import Saved

__all__ = ["Found", "Reader"]

log = logging.getLogger("p2pcore")

GROUP_ROWS = 256
GROUP_BYTES = 4 << 20

Found = list[tuple[int, Saved | None]]


class Reader:
    """Reads rows, in the order in which they are asked for.

    Args:
        path: of the file, which a writer has opened.
        told: called in the reader's thread with what was found; not after `close`.

    Raises:
        DamagedError, BrokenDiskError: it can't be opened.
    """

    def __init__(self, path: Path, told: Callable[[Found], None]) -> None:
        self._database = Database(path, read_only=True)
        self._told = told
        self._wanted: deque[int] = deque()
        self._wakes = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="p2pcore reader", daemon=True)
        self._thread.start()

    def read(self, row: int) -> None:
        """Have this row read. For the loop's thread."""
        self._wanted.append(row)
        if not self._wakes.is_set():
            self._wakes.set()

    def close(self) -> None:
        """End; what was asked for and not read yet is not. May be repeated."""
        self._closing = True
        self._wakes.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    # In the thread

    def _run(self) -> None:
        try:
            while not self._closing:
                self._wakes.wait()
                self._wakes.clear()
                while self._wanted and not self._closing:
                    self._told(self._group())
        finally:
            self._database.close()

    def _group(self) -> Found:
        found: Found = []
        size, wanted = 0, self._wanted
        while wanted and len(found) < GROUP_ROWS and size < GROUP_BYTES and not self._closing:
            row = wanted.popleft()
            saved = self._sound(row)
            size += len(saved.value or b"") if saved is not None else 0
            found.append((row, saved))
        return found

    def _sound(self, row: int) -> Saved | None:
        try:
            saved = self._database.read(row)
        except (DamagedError, BrokenDiskError) as error:
            log.error("a row of %s can't be read: %s", self._database.path, error)
            return None
        if saved is None or not saved.is_sound:
            return None
        return saved
