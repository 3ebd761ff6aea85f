"""What counts as slow.

Rule: numbers in, a number out.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["PooledTail"]

POOLED_SLOTS = 200  # of both sides, of which the P99 is taken: the last twenty seconds
REFRESHED = 10  # slots: so long a threshold holds, for it takes half a millisecond


class PooledTail:
    """What counts as slow: the P99 of both sides' last slots together, so that it favours neither
    and follows the machine."""

    def __init__(self) -> None:
        self._threshold_s, self._new = math.inf, 0  # nothing is slow yet
        self._slots: deque[Sequence[float] | NDArray[np.float64]] = deque(maxlen=POOLED_SLOTS)

    def threshold_s(self) -> float:
        """Of what was added so far, but for the last few slots; infinite before the first."""
        return self._threshold_s

    def add(self, latencies_s: Sequence[float] | NDArray[np.float64]) -> None:
        """The latencies of one more slot, of either side; those that failed are infinite."""
        self._slots.append(latencies_s)
        self._new += 1
        if self._new >= min(REFRESHED, len(self._slots)):
            self._new = 0
            pooled = np.concatenate(list(self._slots))
            self._threshold_s = float(np.quantile(pooled, 0.99, method="higher"))
