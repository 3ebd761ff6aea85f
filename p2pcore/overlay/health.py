"""How well this machine is itself: who is not well waits longer before it takes others for gone.

Theory of operation. A process that was stopped, or a loop that has too much to do, finds answers
late and others silent. Each sign of that adds to a score (one for a timer that came LATE_NS too
late, three for a suspicion that no witness has said anything of); each second takes one away.
Limits are taken (1 + score) times.

Source: Dadgar et al., "Lifeguard: Local Health Awareness for More Accurate Failure Detection",
2018, section IV.A (local health multiplier, at most 8).

Rule: counts signs; measures nothing itself.
"""

from p2pcore.effects import Instant

__all__ = ["LATE_NS", "Health"]

LATE_NS = 100_000_000  # of a timer: two sweeps, more than any turn of a loop that keeps up
EACH_NS = 1_000_000_000  # so long a sign counts
MOST = 8


class Health:
    """The score of one machine; 0: well."""

    __slots__ = ("_until_ns",)

    def __init__(self) -> None:
        self._until_ns = 0  # the score has gone by then

    def woken(self, due_ns: int, now: Instant) -> None:
        """A timer that was due then has come now."""
        if now.mono_ns - due_ns > LATE_NS:
            self._add(1, now)

    def unheard(self, now: Instant) -> None:
        """Somebody is silent, and no witness says anything."""
        self._add(3, now)

    def score(self, now: Instant) -> int:
        """0 to MOST."""
        return max(0, -(-(self._until_ns - now.mono_ns) // EACH_NS))

    def stretched(self, limit_ns: int, now: Instant) -> int:
        """A limit, as long as it has to be for this machine."""
        return limit_ns * (1 + self.score(now))

    def _add(self, signs: int, now: Instant) -> None:
        until_ns = max(self._until_ns, now.mono_ns) + signs * EACH_NS
        self._until_ns = min(until_ns, now.mono_ns + MOST * EACH_NS)
