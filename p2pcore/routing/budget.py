"""What extra work may cost: one bucket of tokens for hedges, retries and delegations together.

Theory of operation. Whoever asks once more makes the network busier, and does so the more the
busier it is. So extra requests are paid for: each operation brings a share of a token, each hedge
and each further round of an operation takes one. A hedge needs a whole token. A further round may
run into debt, for without it the operation fails; where the debt is as large as the bucket, it
waits longer and is not delegated. So rounds use up what hedges would have had, never the reverse.

Source: Dean and Barroso, "The Tail at Scale", CACM 56(2), 2013 (hedged requests); Finagle's
RetryBudget (retries as a share of requests, with a floor per second).
"""

from p2pcore.effects import Instant

__all__ = ["CAPACITY", "REFILL_PER_S", "HedgeBudget"]

CAPACITY = 10.0  # tokens: a burst, such as the reads that a node had when it hung
REFILL_PER_S = 0.1  # so that who asks rarely is not in debt for ever


class HedgeBudget:
    """The tokens of one machine.

    Args:
        share: of a token, for each operation; 0: no hedges, and rounds are not counted.
    """

    __slots__ = ("_at_ns", "_tokens", "operations", "share")

    def __init__(self, share: float) -> None:
        self.share = share
        self.operations = 0  # since the last look; whoever begins one counts it
        self._tokens = CAPACITY
        self._at_ns = 0

    def take(self, now: Instant) -> bool:
        """Pay for a hedge. Returns whether there was a token."""
        if not self.share or self.tokens(now) < 1:
            return False
        self._tokens -= 1
        return True

    def charge(self, now: Instant) -> bool:
        """Pay for a further round, though it be with debt. Returns whether the debt has room."""
        if not self.share:
            return True
        room = self.tokens(now) >= 1 - CAPACITY
        self._tokens = max(self._tokens - 1, -CAPACITY)
        return room

    def tokens(self, now: Instant) -> float:
        """How many there are; below 0 is debt."""
        seconds = (now.mono_ns - self._at_ns) / 1e9 if self._at_ns else 0.0
        self._at_ns = now.mono_ns
        more = self.share * self.operations + REFILL_PER_S * seconds
        self.operations = 0
        self._tokens = min(CAPACITY, self._tokens + more)
        return self._tokens
