"""The clocks of one node: they need not agree with those of others, nor with the world's.

Rule: integer arithmetic; a drift is in parts per million of the time that passes in the world.
"""

from p2pcore.effects import Instant

__all__ = ["EPOCH_MS", "Clock"]

EPOCH_MS = 1_700_000_000_000  # the time of day at which every world begins: 14 November 2023
_MILLION = 1_000_000


class Clock:
    """A monotonic clock that may run fast or slow, and a time of day that may also jump."""

    __slots__ = ("_drift_ppm", "_drifted", "_local_origin_ns", "_world_origin_ns", "wall_offset_ms")

    def __init__(self) -> None:
        self.wall_offset_ms = 0
        self._drifted = False  # ever: most never do
        self._drift_ppm = 0
        self._world_origin_ns = 0
        self._local_origin_ns = 0

    def set_drift(self, drift_ppm: int, world_ns: int) -> None:
        """Run this much faster (or slower, below 0) than the world from now on."""
        self._local_origin_ns = self.mono_ns(world_ns)
        self._world_origin_ns = world_ns
        self._drift_ppm = drift_ppm
        self._drifted = True

    def mono_ns(self, world_ns: int) -> int:
        """What the monotonic clock shows."""
        passed_ns = world_ns - self._world_origin_ns
        return self._local_origin_ns + passed_ns * (_MILLION + self._drift_ppm) // _MILLION

    def instant(self, world_ns: int, delay: int = 0) -> Instant:
        """What both clocks show when something happens that has waited with this delay."""
        mono_ns = self.mono_ns(world_ns) if self._drifted else world_ns
        return Instant(mono_ns, EPOCH_MS + self.wall_offset_ms + mono_ns // _MILLION, delay)

    def world_ns(self, mono_ns: int) -> int:
        """When, in the world, the monotonic clock will show at least this."""
        if not self._drifted:
            return mono_ns
        passed_ns = mono_ns - self._local_origin_ns
        return self._world_origin_ns - (-passed_ns * _MILLION // (_MILLION + self._drift_ppm))
