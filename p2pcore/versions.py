"""Versions: hybrid logical clock readings that order the writes of a record.

A version is 16 bytes whose order as bytes is the order of versions: 6 bytes of wall-clock
milliseconds, 2 of a counter within the millisecond, 8 of the writer's id, so that no two writers
make the same one.

Source: Kulkarni, Demirbas et al., "Logical Physical Clocks and Consistent Snapshots in Globally
Distributed Databases", 2014, section 3, with time and counter in one 64-bit number.
"""

from typing import NewType

from p2pcore.ids import NodeId

__all__ = ["LAST_MS", "HybridClock", "Version", "version_at", "wall_ms_of"]

Version = NewType("Version", bytes)
"""16 bytes: compare two to learn which write is newer."""

COUNTER_BITS = 16
TIME_BYTES = 8
WRITER_BYTES = 8
LAST_MS = (1 << 8 * TIME_BYTES - COUNTER_BITS) - 1
"""The last time of day that a version can have, some 8,900 years from now."""


def wall_ms_of(version: bytes) -> int:
    """The wall-clock part of a version: milliseconds since 1970."""
    return int.from_bytes(version[:TIME_BYTES]) >> COUNTER_BITS


def version_at(wall_ms: int) -> Version:
    """The first version of all that are made at this time of day; nobody makes this one."""
    return Version((wall_ms << COUNTER_BITS).to_bytes(TIME_BYTES) + bytes(WRITER_BYTES))


class HybridClock:
    """Makes versions newer than any that it made or observed, and close to the time of day.

    Args:
        writer: whose versions these are.
        max_ahead_ms: a reading further ahead of the time of day is of a clock that was wrong, and
            is forgotten: replicas would refuse all that follow it. None: never.
    """

    __slots__ = ("_forgotten", "_last", "_max_ahead", "_writer", "_writer_id")

    def __init__(self, writer: NodeId, *, max_ahead_ms: int | None = None) -> None:
        self._writer_id = writer
        self._writer = writer[:WRITER_BYTES]
        self._max_ahead = None if max_ahead_ms is None else (max_ahead_ms + 1) << COUNTER_BITS
        self._forgotten = 0  # how often
        self._last = 0

    def next(self, wall_ms: int) -> Version:
        """A version for a write that happens now."""
        wall = wall_ms << COUNTER_BITS
        self._last += 1
        if self._last < wall:
            self._last = wall
        elif self._max_ahead is not None and self._last - wall >= self._max_ahead:
            self._forget(wall)
        version: Version = self._last.to_bytes(TIME_BYTES) + self._writer  # type: ignore[assignment]
        return version

    @property
    def last(self) -> bytes:
        """The newest that was made or observed, without its writer."""
        return self._last.to_bytes(TIME_BYTES)

    def _forget(self, wall: int) -> None:
        """Begin anew, and as another part of the writer's id: when the time of day comes by what
        was forgotten, the same version must not be made again."""
        self._last = wall
        self._forgotten += 1
        first = self._forgotten * WRITER_BYTES % len(self._writer_id)
        self._writer = self._writer_id[first : first + WRITER_BYTES]

    def observe(self, version: bytes) -> None:
        """Somebody made this version: the next of ours will be newer.

        The caller refuses versions too far in the future first: this clock would follow them.
        """
        self._last = max(self._last, int.from_bytes(version[:TIME_BYTES]))
