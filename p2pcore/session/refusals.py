"""Lines about those who were refused: a few for each reason, and a count of the others.

A port scan, or a swarm with an old network key, is refused thousands of times; the operator needs
to read it once. Reasons are told apart, so that a flood of one does not hide another.

Rule: says what is to be logged and when; does not log.
"""

from collections.abc import Callable

from p2pcore.effects import Instant

__all__ = ["Refusals"]

PERIOD_NS = 10_000_000_000  # at most five lines a second, whatever strangers do
LINES_PER_REASON = 5  # in one period; enough to see that addresses differ
MAX_REASONS = 8  # in one period; peers choose some of the words
OTHERS = "for other reasons"


class Refusals:
    """The lines of one machine or host.

    Args:
        say: writes a line.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._begun_ns = 0  # the period
        self._counts: dict[str, int] = {}  # by reason

    @property
    def pending(self) -> bool:
        """True if there will be something to say when the period is over."""
        return any(count > LINES_PER_REASON for count in self._counts.values())

    def add(self, address: str, reason: str, now: Instant) -> None:
        """Somebody was refused: say so, or count it."""
        self.tally(now)
        if not self._counts:
            self._begun_ns = now.mono_ns
        if reason not in self._counts and len(self._counts) >= MAX_REASONS:
            self._counts[OTHERS] = self._counts.get(OTHERS, LINES_PER_REASON) + 1
            return
        count = self._counts[reason] = self._counts.get(reason, 0) + 1
        if count <= LINES_PER_REASON:
            self._say(f"refused {address}: {reason}")

    def tally(self, now: Instant) -> None:
        """Say what was only counted, once its period is over."""
        if not self._counts or now.mono_ns - self._begun_ns < PERIOD_NS:
            return
        for reason, count in self._counts.items():
            if count > LINES_PER_REASON:
                more = count - LINES_PER_REASON
                self._say(f"refused {more} more within {PERIOD_NS / 1e9:g} s: {reason}")
        self._counts.clear()
