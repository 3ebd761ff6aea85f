"""What waits at sockets are judged by: medians of blocks, and slow operations of blocks.

Theory of operation. A block's median says what every operation waits. A few that wait long move no
median: they are counted. Slow is what takes longer than base's own P99 (P99.9) in the other blocks
of that life. Base's block of a pair has no part in the limit that it is held to, as head's has
none; so on identical code either of the two has more slow ones as often as the other, however
heavy the tail is and however long a spell lasts: a coin has said which of them is base's.

A pair of blocks is dropped if others took the processor for too long in either of the two. That
rule looks at no latency, and at neither side.

Rule: numbers in, numbers out.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence

from benchmarks.common.records import nearest_rank
from perflab.gate.waits.life import NODES, BlockPair

__all__ = ["MEDIANS", "SLOW", "WAIT_METRICS", "Values", "calm", "figures_of"]

MEDIANS = {kind: f"waits.seconds.{kind}.{NODES}" for kind in ("store", "retrieve")}
SLOW = {0.01: f"waits.slow.beyond_p99.{NODES}", 0.001: f"waits.slow.beyond_p999.{NODES}"}
"""By the share of base's operations that are slow."""
WAIT_METRICS = (*MEDIANS.values(), *SLOW.values())
MOST_TAKEN = 0.05  # of a block's time, by others
LEAST_KEPT = 0.5  # of the pairs; where fewer are calm, all count: more of them say more

Values = Sequence[tuple[float, float]]
"""Of base and of head, a row for each pair."""


def calm(pairs: Sequence[BlockPair]) -> list[BlockPair]:
    """Those in which others left the processor alone; all of them, where that is less than half."""
    kept = [pair for pair in pairs if pair.taken <= MOST_TAKEN]
    return kept if len(kept) >= LEAST_KEPT * len(pairs) else list(pairs)


def figures_of(pairs: Sequence[BlockPair]) -> Mapping[str, Values]:
    """Each of WAIT_METRICS, for the pairs of one life."""
    found: dict[str, Values] = {
        MEDIANS["store"]: [
            (_p50(pair.base.stores_us), _p50(pair.head.stores_us)) for pair in pairs
        ],
        MEDIANS["retrieve"]: [
            (_p50(pair.base.retrieves_us), _p50(pair.head.retrieves_us)) for pair in pairs
        ],
    }
    base = [pair.base.stores_us + pair.base.retrieves_us for pair in pairs]
    head = [pair.head.stores_us + pair.head.retrieves_us for pair in pairs]
    for share, name in SLOW.items():
        limits = _limits(base, share)
        found[name] = [
            (sum(each > limit for each in one), sum(each > limit for each in other))
            for one, other, limit in zip(base, head, limits, strict=True)
        ]
    return found


def _p50(latencies_us: Sequence[int]) -> float:
    return nearest_rank(sorted(latencies_us), 500) / 1e6


def _limits(blocks: Sequence[Sequence[int]], share: float) -> list[int]:
    """For each block, what that share of the operations of all the others is above."""
    operations = sum(map(len, blocks))
    longest = max(map(len, blocks))
    most = math.ceil(operations * share) + longest + 1
    slowest = heapq.nlargest(
        most, ((us, place) for place, block in enumerate(blocks) for us in block)
    )
    limits = []
    for place, block in enumerate(blocks):
        above = max(1, round((operations - len(block)) * share))
        others = [us for us, whose in slowest if whose != place]
        limits.append(others[min(above, len(others) - 1)] if others else 0)
    return limits
