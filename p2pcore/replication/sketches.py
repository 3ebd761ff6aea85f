"""What differs in a part of a slot, from very few bytes.

Theory of operation. Under a key that is new in each session, every record (its key, its version and
whether there is a value) is a number modulo the prime 2^61 - 1. The *sketch* of some records is the
sum of their numbers and the sum of the squares of these. Of the differences between two sides'
sketches the commonest case can be solved: where one side has a record `new` in place of `old`
(either of which may be none, as 0),

    first = new - old,    second = new^2 - old^2,    so    second = 2 new first - first^2,

which is tried with each record of one side. That it holds by chance, where more differs, has a
probability of 2^-61 for each. Where more differs, the *prints* of all records are sent: the last
bytes of these numbers. Parts are made so small that more differs in few of them.

A rateless sketch (Yang, Gilad and Alizadeh, SIGCOMM 2024) solves any number of differences, and
costs 8 to 45 us for each record in Python; this costs 1 us.

Source: sums of powers as in Minsky, Trachtenberg and Zippel, "Set reconciliation with nearly
optimal communication complexity", 2003.

Rule: numbers of records, and how they are packed; asks and answers nothing.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from math import exp, log

from p2pcore.ids import Key
from p2pcore.replication.custody import Custody
from p2pcore.storage.memory import Record, face_of
from p2pcore.storage.store import RecordStore
from p2pcore.wire.limits import (
    MAX_PART_BITS,
    PRINT_BYTES,
    SKETCH_BYTES,
    SLOT_BITS,
    SLOT_BYTES,
)

__all__ = [
    "MAX_CROWD", "MAX_LOOKS", "Numbers", "Records", "best_part_bits", "by_part", "packed_slots",
    "part_of", "print_of", "prints_in", "records_in", "sketch_of", "slots_in", "solved",
]  # fmt: skip

MAX_LOOKS = 500  # records listed and read for one question or answer: a millisecond
MAX_CROWD = 1400  # records in one slot, beyond which it is listed in pages instead

PRIME = (1 << 61) - 1
HALF_SKETCH = SKETCH_BYTES // 2
PRINT_MASK = (1 << 8 * PRINT_BYTES) - 1
LOOKED_AT_BITS = 32  # of a key, for its part
FULL = 0.999  # of slots that differ: of how many records can't be told any more

Records = list[tuple[Key, Record]]


class Numbers:
    """Makes numbers of records, under one session's salt."""

    def __init__(self, salt: int) -> None:
        self._base = blake2b(digest_size=8, key=salt.to_bytes(8))

    def of(self, key: bytes, record: Record) -> int:
        """The number of a record: never 0, which stands for none."""
        state = self._base.copy()
        state.update(key + face_of(record))
        return int.from_bytes(state.digest()) % PRIME or 1


def part_of(key: bytes, part_bits: int) -> int:
    """The number of a key's part, when each slot has 2^part_bits: those of all slots in a row."""
    return int.from_bytes(key[:4]) >> LOOKED_AT_BITS - SLOT_BITS - part_bits


def records_in(store: RecordStore, custody: Custody, slot: int) -> Records:
    """The records of a slot that are compared."""
    found = [(key, store.held(key)) for key in custody.keys(store, slot, MAX_CROWD)]
    return [(key, record) for key, record in found if record is not None]


def by_part(records: Records, slot: int, part_bits: int) -> list[Records]:
    """The records of a slot, in its parts."""
    parts: list[Records] = [[] for _ in range(1 << part_bits)]
    first = slot << part_bits
    for pair in records:
        parts[part_of(pair[0], part_bits) - first].append(pair)
    return parts


def sketch_of(numbers: Iterable[int]) -> bytes:
    """SKETCH_BYTES that tell of some records."""
    first, second = _sums(numbers)
    return first.to_bytes(HALF_SKETCH) + second.to_bytes(HALF_SKETCH)


def print_of(number: int) -> bytes:
    """The print of a record."""
    return (number & PRINT_MASK).to_bytes(PRINT_BYTES)


def solved(numbers: Sequence[int], sketch: bytes) -> list[int] | None:
    """Which of our records (by place) the other side lacks, whose sketch this is: one or none.
    None: more differs than can be told."""
    first, second = _sums(numbers)
    first = (first - int.from_bytes(sketch[:HALF_SKETCH])) % PRIME
    second = (second - int.from_bytes(sketch[HALF_SKETCH:])) % PRIME
    if not (first or second) or (second + first * first) % PRIME == 0:
        return []  # equal, or the other side has one more
    square = first * first
    for place, number in enumerate(numbers):
        if (2 * number * first - square - second) % PRIME == 0:
            return [place]
    return None


def best_part_bits(differing: int, slots: int, records: int) -> int | None:
    """How many parts each of so many differing slots, of `slots` in all, should have, when they
    hold so many records; None: so much differs that sketches don't pay."""
    here = records / differing
    changes = -log(1 - min(FULL, differing / slots))  # by Poisson: in each slot, on average
    best, least = None, here * PRINT_BYTES
    for bits in range(MAX_PART_BITS + 1):
        parts = 1 << bits
        rate = changes / parts
        unsolved = 1 - exp(-rate) * (1 + rate)
        cost = parts * SKETCH_BYTES + unsolved * here * PRINT_BYTES
        if cost < least:
            best, least = bits, cost
    return best


def _sums(numbers: Iterable[int]) -> tuple[int, int]:
    first = second = 0
    for number in numbers:
        first += number
        second += number * number
    return first % PRIME, second % PRIME


def packed_slots(slots: Iterable[int]) -> bytes:
    """SLOT_BYTES of each."""
    return b"".join([slot.to_bytes(SLOT_BYTES) for slot in slots])


def slots_in(data: bytes) -> list[int]:
    """The opposite of `packed_slots`."""
    return [int.from_bytes(data[at : at + SLOT_BYTES]) for at in range(0, len(data), SLOT_BYTES)]


def prints_in(data: bytes) -> list[bytes]:
    """Prints that were joined."""
    return [data[at : at + PRINT_BYTES] for at in range(0, len(data), PRINT_BYTES)]
