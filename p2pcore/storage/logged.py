"""The memory store whose changes are told to a log: the form that a disk stands behind.

Rule: all that is changed here is told, and nothing else; when it is on disk is not known here.
"""

from p2pcore.ids import Key
from p2pcore.storage.memory import MemoryStore, Record
from p2pcore.storage.store import ChangeLog
from p2pcore.versions import Version

__all__ = ["LoggedStore"]


class LoggedStore(MemoryStore):
    """The records of one node that has a disk.

    Args:
        log: hears of each change.
    """

    def __init__(self, log: ChangeLog, *, capacity_bytes: int, tombstone_grace_ms: int) -> None:
        super().__init__(capacity_bytes=capacity_bytes, tombstone_grace_ms=tombstone_grace_ms)
        self._log = log

    def put(self, key: Key, record: Record, wall_ms: int) -> Version | None:
        """As in memory.

        Raises:
            RefusedError: there is no room for it, here or on disk, or the disk can't keep up.
        """
        self._log.admit(record)
        before = self._records.get(key)
        newer = super().put(key, record, wall_ms)
        after = self._records[key]
        if after is not before:
            self._log.add(key, after)
        return newer

    def lacks(self, key: Key, version: bytes, lasts_ms: int, wall_ms: int) -> bool:
        """As in memory; what the disk had no room for is lacking, too."""
        return super().lacks(key, version, lasts_ms, wall_ms) or self._log.is_behind(key)

    def restore(self, key: Key, record: Record, wall_ms: int) -> None:
        """Take back what was on disk: the log knows it."""
        super().put(key, record, wall_ms)

    def _remove(self, key: Key, held: Record) -> None:
        super()._remove(key, held)
        self._log.add(key, None)

    def _end(self, key: Key, record: Record, end_ms: int) -> None:
        super()._end(key, record, end_ms)
        self._log.add(key, self._records[key])
