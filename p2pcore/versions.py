"""Versions: hybrid logical clock readings that order the writes of a record.

A version is 16 bytes whose order as bytes is the order of versions: 6 bytes of wall-clock
milliseconds, 2 of a counter within the millisecond, 8 of the writer's id, so that no two writers
make the same one.

Source: Kulkarni, Demirbas et al., "Logical Physical Clocks and Consistent Snapshots in Globally
Distributed Databases", 2014, section 3, with time and counter in one 64-bit number.
"""

from typing import NewType

from p2pcore.ids import NodeId

__all__ = ["HybridClock", "Version", "wall_ms_of"]

Version = NewType("Version", bytes)
"""16 bytes: compare two to learn which write is newer."""

COUNTER_BITS = 16
TIME_BYTES = 8
WRITER_BYTES = 8


def wall_ms_of(version: bytes) -> int:
    """The wall-clock part of a version: milliseconds since 1970."""
    return int.from_bytes(version[:TIME_BYTES]) >> COUNTER_BITS


class HybridClock:
    """Makes versions newer than any that it made or observed, and close to the time of day."""

    __slots__ = ("_last", "_writer")

    def __init__(self, writer: NodeId) -> None:
        self._writer = writer[:WRITER_BYTES]
        self._last = 0

    def next(self, wall_ms: int) -> Version:
        """A version for a write that happens now."""
        self._last = max(self._last + 1, wall_ms << COUNTER_BITS)
        return Version(self._last.to_bytes(TIME_BYTES) + self._writer)

    def observe(self, version: bytes) -> None:
        """Somebody made this version: the next of ours will be newer.

        The caller refuses versions too far in the future first: this clock would follow them.
        """
        self._last = max(self._last, int.from_bytes(version[:TIME_BYTES]))
