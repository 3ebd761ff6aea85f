"""Which slots are whose, by one picture of who there is.

Theory of operation. Two nodes differ where one lacks what both should have. So they compare that,
and nothing else: what else they hold would differ for ever. Both must judge alike which slots
that is. Who asks says by which members it judges, and both work out the same from those. In all
slots but those at borders deep in the id space, either all keys are a node's or none; there, each
key is looked at.

Who asks adds up what both should have; who answers, what should be the asker's. That is the same
unless the answerer holds records that are not its own any more, which the asker may lack.

Rule: knows ids and keys; a record counts by its key alone.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from hashlib import blake2b
from typing import NamedTuple

from p2pcore.contact import point_of
from p2pcore.ids import ID_BITS, Key
from p2pcore.storage.memory import face_of
from p2pcore.storage.slots import SUM_MASK, hash_of
from p2pcore.storage.store import RecordStore
from p2pcore.wire.limits import GROUPS, SLOT_BITS, SLOTS, SUM_BYTES

__all__ = ["NONE", "Custody", "Shares", "group_sums", "salted", "shares_of", "view_of"]

HALF = SLOT_BITS // 2
HALF_MASK = (1 << HALF) - 1
SUM_SHIFT = 64 - 8 * SUM_BYTES
MAX_BORDER = 500  # records looked at in slots of which a part is compared
NONE, SOME, ALL = 0, 1, 3  # of a slot's keys: the bits of two nodes' shares are joined by `&`

Shares = bytes
"""By slot: NONE, SOME or ALL of its keys are a node's."""


class _Place(NamedTuple):
    """A node among others, by points."""

    point: int
    others: Sequence[int]


def view_of(members: Iterable[bytes]) -> int:
    """A number that stands for a picture of who there is."""
    return int.from_bytes(blake2b(b"".join(sorted(members)), digest_size=4).digest())


def shares_of(node: int, others: Sequence[int], replicas: int) -> Shares:
    """What is a node's, if it and these are all there are."""
    shift = ID_BITS - SLOT_BITS
    start = node >> shift
    weights = [0] * (SLOT_BITS + 1)  # others by the first bit in which they differ from the node
    for other in others:
        weights[(start ^ other >> shift).bit_length()] += 1
    # Another is closer to a slot than the node is, if the slot differs in that bit as well.
    low, high = _sums(weights[1 : HALF + 1]), _sums(weights[HALF + 1 :])
    lows = [low[start & HALF_MASK ^ bits] for bits in range(HALF_MASK + 1)]
    highs = [high[start >> HALF ^ bits] for bits in range(HALF_MASK + 1)]
    closer = bytes([above + below for above in highs for below in lows])
    undecided = weights[0]
    shares = [
        ALL if n + undecided < replicas else SOME if n < replicas else NONE for n in range(256)
    ]
    return closer.translate(bytes(shares))


class Custody:
    """The keys that are compared with one node.

    Args:
        replicas: N.
        asker: the point of the node that asks.
        members: the points of those by which it judges.
        answerer: the point of who answers, where only that counts which both should have.
    """

    def __init__(
        self, replicas: int, asker: int, members: Sequence[int], answerer: int | None = None
    ) -> None:
        self._replicas = replicas
        self._places = [_Place(asker, members)]
        if answerer is not None:
            others = [asker, *(member for member in members if member != answerer)]
            self._places.append(_Place(answerer, others))

    @cached_property
    def shares(self) -> Shares:
        """What is compared of each slot; worked out where something is held."""
        joint = -1
        for place in self._places:
            joint &= int.from_bytes(shares_of(place.point, place.others, self._replicas))
        return joint.to_bytes(SLOTS)

    @property
    def count(self) -> int:
        """How many slots have keys that are compared."""
        return SLOTS - self.shares.count(NONE)

    def has(self, key: bytes) -> bool:
        """Whether a key is compared."""
        share = self.shares[key[0] << 4 | key[1] >> 4]
        if share != SOME:
            return share == ALL
        point = point_of(key)
        return all(self._is_near(place, point) for place in self._places)

    def _is_near(self, place: _Place, point: int) -> bool:
        distance = place.point ^ point
        return sum(other ^ point < distance for other in place.others) < self._replicas

    def keys(self, store: RecordStore, slot: int, count: int) -> list[Key]:
        """Those of a slot that are compared; `count` of them at most."""
        keys = store.keys(slot, b"", count)
        return keys if self.shares[slot] == ALL else [key for key in keys if self.has(key)]

    def sums(self, store: RecordStore) -> dict[int, int]:
        """The sums of what is compared, by slot, where they are not 0."""
        if not len(store):
            return {}
        shares = self.shares
        held = [(slot, total) for slot, total in store.sums() if total and shares[slot] != NONE]
        sums = dict(held)
        looks = 0
        for slot in sorted(slot for slot, _ in held if shares[slot] == SOME):
            looks += store.count(slot)
            if looks > MAX_BORDER:
                break  # the rest is compared whole: it may seem to differ, and is never overlooked
            records = [(key, store.held(key)) for key in self.keys(store, slot, MAX_BORDER)]
            hashes = [hash_of(key, face_of(record)) for key, record in records if record]
            sums[slot] = sum(hashes) & SUM_MASK
        return {slot: total for slot, total in sums.items() if total}


def group_sums(sums: dict[int, int]) -> list[int]:
    """The sums of all groups."""
    totals = [0] * GROUPS
    for slot, total in sums.items():
        totals[slot // GROUPS] += total
    return [total & SUM_MASK for total in totals]


def salted(sums: Iterable[int], salt: int) -> bytes:
    """SUM_BYTES of each, mixed with the salt by a multiplication: two that differ are the same in
    one of 2^47 salts (multiply-shift hashing, Dietzfelbinger et al., 1997). 0 stays 0."""
    factor = salt | 1
    return b"".join(
        [((total * factor & SUM_MASK) >> SUM_SHIFT).to_bytes(SUM_BYTES) for total in sums]
    )


def _sums(weights: list[int]) -> list[int]:
    """By every combination of bits, the sum of the weights of those that are set."""
    sums = [0]
    for weight in weights:
        sums += [before + weight for before in sums]
    return sums
