"""What each slot of a store holds, in numbers: how many keys, and two sums that replicas compare.

Theory of operation. A slot is the first SLOT_BITS of a key. Its *sum* is the sum, modulo 2^64, of
one strong hash for each record in it: of the key, the version, and whether there is a value. So a
record is changed without looking at the others, sums of slots add up to sums of many slots, and two
replicas that hold the same have the same sums. (Sums and not XOR: what is there twice does not
cancel out.) Every member can work these hashes out, so they tell where to look and no more: what is
found there is compared by hashes whose key is new in each session (`replication/sketches.py`).

The *digest* is what earlier versions compare: the sum of key x version modulo a prime. Digests are
worked out when the first of these asks, and kept up from then on.

A few slots are kept in dicts, many in arrays: 80 KiB for all.

Rule: knows nothing of records beyond what `face` says of each.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterable
from hashlib import blake2b
from typing import TypeAlias

from p2pcore.wire.limits import SLOT_BITS, SLOTS

__all__ = ["SUM_MASK", "Slots", "hash_of", "slot_of", "start_of"]

SUM_MASK = (1 << 64) - 1
HASH_BYTES = 8
_KEY_BYTES = 8  # of a key are its factor in a digest
_SLOT_SHIFT = 8 * _KEY_BYTES - SLOT_BITS
_SLOT_BYTES = 2  # of a key have its slot
_SHORT_SHIFT = 8 * _SLOT_BYTES - SLOT_BITS
_PRIME = (1 << 61) - 1
_MOST_SPARSE = 512  # slots in dicts, which take as much as all in arrays
_number = int.from_bytes

_Table: TypeAlias = "defaultdict[int, int] | array[int]"


def slot_of(key: bytes) -> int:
    """The slot of a key: its first SLOT_BITS bits."""
    return _number(key[:_KEY_BYTES]) >> _SLOT_SHIFT


def start_of(slot: int) -> bytes:
    """What is below every key of a slot, and above those of the slots before."""
    return (slot << _SLOT_SHIFT).to_bytes(_KEY_BYTES)


class Slots:
    """The numbers of one store's slots."""

    __slots__ = ("_counts", "_digests", "_sums")

    def __init__(self) -> None:
        self._counts: _Table = defaultdict(int)
        self._sums: _Table = defaultdict(int)
        self._digests: _Table | None = None

    def change(self, key: bytes, old: bytes | None, new: bytes | None) -> int:
        """A record's face was `old` and is `new`; None: there was, or is, no such record. Returns
        by how much there are more records."""
        slot = _number(key[:_KEY_BYTES]) >> _SLOT_SHIFT
        change = growth = 0
        if new is not None:
            change = _number(blake2b(key + new, digest_size=HASH_BYTES).digest())
            growth = 1
        if old is not None:
            change -= _number(blake2b(key + old, digest_size=HASH_BYTES).digest())
            growth -= 1
        sums = self._sums
        sums[slot] = (sums[slot] + change) & SUM_MASK
        if self._digests is not None:
            delta = _number(new or b"") - _number(old or b"")
            digest = self._digests[slot] + _number(key[:_KEY_BYTES]) * delta
            self._digests[slot] = digest % _PRIME
        if growth:
            self._count(slot, growth)
        return growth

    def fill(self, faces: Iterable[tuple[bytes, bytes]]) -> None:
        """Keys of all records, and their faces, where there is nothing yet."""
        counts, sums = [0] * SLOTS, [0] * SLOTS
        for key, face in faces:
            slot = _number(key[:_SLOT_BYTES]) >> _SHORT_SHIFT
            counts[slot] += 1
            sums[slot] += _number(blake2b(key + face, digest_size=HASH_BYTES).digest())
        for slot, count in enumerate(counts):
            if count:
                self._sums[slot] = sums[slot] & SUM_MASK
                self._count(slot, count)

    def _count(self, slot: int, growth: int) -> None:
        counts = self._counts
        counts[slot] += growth
        if isinstance(counts, array):
            return
        if not counts[slot]:  # nothing is held there, so the sums are 0
            del counts[slot], self._sums[slot]
            if self._digests is not None:
                del self._digests[slot]
        elif len(counts) > _MOST_SPARSE:
            self._counts = _dense("I", counts)
            self._sums = _dense("Q", self._sums)
            if self._digests is not None:
                self._digests = _dense("Q", self._digests)

    def count(self, slot: int) -> int:
        """How many records are in a slot."""
        return _at(self._counts, slot)

    @property
    def has_digests(self) -> bool:
        """True from `begin_digests` on."""
        return self._digests is not None

    def begin_digests(self, faces: Iterable[tuple[bytes, bytes]]) -> None:
        """Work out the digests of all slots, of which these are the keys and faces. Some 0.4 us for
        each record."""
        digests: defaultdict[int, int] = defaultdict(int)
        for key, face in faces:
            factor = _number(key[:_KEY_BYTES])
            digests[factor >> _SLOT_SHIFT] += factor * _number(face)
        for slot, digest in digests.items():
            digests[slot] = digest % _PRIME
        self._digests = _dense("Q", digests) if isinstance(self._counts, array) else digests

    def digest(self, slot: int) -> int:
        """The digest of a slot, after `begin_digests`."""
        assert self._digests is not None
        return _at(self._digests, slot)

    def digests(self) -> Iterable[tuple[int, int]]:
        """(slot, digest) of every slot that has records, in order, after `begin_digests`."""
        held = [slot for slot, count in _pairs(self._counts) if count]
        return [(slot, self.digest(slot)) for slot in sorted(held)]

    def sums(self) -> Iterable[tuple[int, int]]:
        """(slot, sum) of every slot that has records, and of others, where it is 0."""
        return _pairs(self._sums)


def hash_of(key: bytes, face: bytes) -> int:
    """What a record adds to the sum of its slot."""
    return _number(blake2b(key + face, digest_size=HASH_BYTES).digest())


def _at(table: _Table, slot: int) -> int:
    return table[slot] if isinstance(table, array) else table.get(slot, 0)


def _pairs(table: _Table) -> Iterable[tuple[int, int]]:
    return enumerate(table) if isinstance(table, array) else table.items()


def _dense(code: str, table: _Table) -> "array[int]":
    dense = array(code, bytes(SLOTS * array(code).itemsize))
    for slot, number in _pairs(table):
        dense[slot] = number
    return dense
