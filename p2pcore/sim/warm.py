"""Contact tables as a network that has run for long would have them.

Theory of operation. Bucket i of a node holds contacts that share exactly i leading bits with it. In
the order of their ids these stand together: the nodes with the same first i bits and another bit
after them. A full bucket has BUCKET_SIZE of them, drawn by chance; the nearest buckets have all.

Rule: pure functions of ids and one random stream.
"""

from bisect import bisect_left
from collections.abc import Iterator

from p2pcore.contact import Contact
from p2pcore.ids import ID_BITS
from p2pcore.overlay.table import BUCKET_SIZE
from p2pcore.sim.streams import Stream

__all__ = ["tables"]


def tables(contacts: list[Contact], rng: Stream) -> Iterator[list[Contact]]:
    """Whom each of these knows, in the order of `contacts`; nearest buckets last."""
    ranked = sorted(contacts, key=lambda contact: contact.point)
    points = [contact.point for contact in ranked]
    for contact in contacts:
        known: list[Contact] = []
        low, high = 0, len(ranked)  # those that share the bits so far, the owner among them
        for bit in range(ID_BITS - 1, -1, -1):
            if high - low < 2:
                break
            middle_point = (contact.point >> bit | 1) << bit
            middle = bisect_left(points, middle_point, low, high)
            if contact.point >> bit & 1:
                known += _some(ranked, low, middle, rng)
                low = middle
            else:
                known += _some(ranked, middle, high, rng)
                high = middle
        yield known


def _some(ranked: list[Contact], low: int, high: int, rng: Stream) -> list[Contact]:
    if high - low <= BUCKET_SIZE:
        return ranked[low:high]
    chosen: dict[int, None] = {}
    while len(chosen) < BUCKET_SIZE:
        chosen[low + rng.below(high - low)] = None
    return [ranked[place] for place in chosen]
