"""How long answers of one peer take on their way, and how long they are waited for.

Source: RFC 6298, section 2. A connection keeps the order, so the first answer is that to the first
question, and there is no doubt about samples after a repetition (section 3).

Rule: an estimate of pings, which wait for nothing but the way and the peer's loop. What answers to
other questions take is in `routing/estimates.py`.
"""

__all__ = ["FIRST_ANSWER_NS", "LEAST_ANSWER_NS", "LONGEST_ANSWER_NS", "RoundTrip"]

LEAST_ANSWER_NS = 100_000_000  # a loaded node answers in tens of ms
LONGEST_ANSWER_NS = 1_500_000_000  # so that who is slow is given up within 5 s, if it is gone
FIRST_ANSWER_NS = 400_000_000  # while nothing is known


class RoundTrip:
    """The smoothed round trip to one peer, and how much it varies, in ns."""

    __slots__ = ("deviation_ns", "mean_ns")

    def __init__(self, sample_ns: int) -> None:
        self.mean_ns = sample_ns
        self.deviation_ns = sample_ns // 2

    def add(self, sample_ns: int) -> None:
        """Another answer took so long."""
        self.deviation_ns += (abs(sample_ns - self.mean_ns) - self.deviation_ns) // 4
        self.mean_ns += (sample_ns - self.mean_ns) // 8

    @property
    def limit_ns(self) -> int:
        """How long an answer may take."""
        limit_ns = self.mean_ns + 4 * self.deviation_ns
        return min(max(limit_ns, LEAST_ANSWER_NS), LONGEST_ANSWER_NS)
