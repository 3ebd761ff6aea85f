"""Percentiles of counts by buckets.

Rule: arithmetic, the same as PromQL's `histogram_quantile`: even within a bucket.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["quantile_s", "within"]


def within(bounds_s: Sequence[float], buckets: Sequence[float], rank: float) -> int | None:
    """The number of the bucket that a percentile lies in; None with fewer values than have one
    beyond it. `buckets` are cumulative, the last one of all."""
    total = buckets[-1]
    if total < 100 / (100 - rank) - 1e-6:
        return None
    wanted = total * rank / 100
    return next((n for n, count in enumerate(buckets) if count >= wanted), len(bounds_s))


def quantile_s(bounds_s: Sequence[float], buckets: Sequence[float], rank: float) -> float | None:
    """A percentile in seconds; None with too few values, infinite beyond the last bound."""
    number = within(bounds_s, buckets, rank)
    if number is None:
        return None
    if number == len(bounds_s):
        return float("inf")
    low_s, high_s = (0.0, *bounds_s)[number], bounds_s[number]
    below = buckets[number - 1] if number else 0.0
    inside = buckets[number] - below
    share = (buckets[-1] * rank / 100 - below) / inside if inside else 1.0
    return low_s + (high_s - low_s) * share
