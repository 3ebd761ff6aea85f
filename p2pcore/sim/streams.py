"""Random streams by name: small, and the same on every version of Python.

A world hands out one stream per (seed, node, purpose), so that one more draw in one place does not
reshuffle the rest. A `random.Random` takes 2.5 KB; a node asks for four, and a world has thousands
of nodes. So a stream is one 64-bit counter here, and the few methods that the machines use are
written out: `shuffle` and its like have changed between versions of Python before.

Source: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators" (SplitMix64), 2014.
"""

from collections.abc import Callable, MutableSequence, Sequence
from hashlib import blake2b
from math import log
from random import Random
from typing import Any, TypeVar, cast

__all__ = ["Stream", "streams_of"]

T = TypeVar("T")

_MASK = (1 << 64) - 1
_GAMMA = 0x9E3779B97F4A7C15
_TO_UNIT = 2.0**-53


class Stream:
    """What the machines use of `random.Random`, from a state of 64 bits."""

    __slots__ = ("_state",)

    def __init__(self, name: str) -> None:
        self._state = int.from_bytes(blake2b(name.encode(), digest_size=8).digest())

    def bits64(self) -> int:
        """64 random bits."""
        self._state = state = (self._state + _GAMMA) & _MASK
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & _MASK
        state = (state ^ state >> 27) * 0x94D049BB133111EB & _MASK
        return state ^ state >> 31

    def random(self) -> float:
        """0.0 up to, but not including, 1.0."""
        return (self.bits64() >> 11) * _TO_UNIT

    def uniform(self, a: float, b: float) -> float:
        """Between a and b."""
        return a + (b - a) * self.random()

    def getrandbits(self, k: int) -> int:
        """k random bits."""
        bits = 0
        for _ in range((k + 63) // 64):
            bits = bits << 64 | self.bits64()
        return bits >> (-k % 64)

    def randbytes(self, n: int) -> bytes:
        """n random bytes."""
        return self.getrandbits(8 * n).to_bytes(n)

    def below(self, n: int) -> int:
        """0 up to, but not including, n. (The bias is below n / 2**64.)"""
        return self.bits64() * n >> 64

    def randrange(self, start: int, stop: int | None = None) -> int:
        """An integer from start up to, but not including, stop; or below start."""
        return self.below(start) if stop is None else start + self.below(stop - start)

    def choice(self, items: Sequence[T]) -> T:
        """One of these."""
        return items[self.below(len(items))]

    def shuffle(self, items: MutableSequence[Any]) -> None:
        """Put the items in a random order, in place."""
        for last in range(len(items) - 1, 0, -1):
            other = self.below(last + 1)
            items[last], items[other] = items[other], items[last]

    def sample(self, items: Sequence[T], k: int) -> list[T]:
        """k different ones of these, in a random order."""
        pool = list(items)
        for place in range(k):
            other = place + self.below(len(pool) - place)
            pool[place], pool[other] = pool[other], pool[place]
        return pool[:k]

    def expovariate(self, rate: float) -> float:
        """Exponentially distributed, with a mean of 1 / rate."""
        return -log(1.0 - self.random()) / rate


def streams_of(seed: int, owner: str) -> Callable[[str], Random]:
    """Gives the streams of one node by purpose. Typed as what the machines expect: `Random`
    itself cannot be made smaller."""
    return lambda purpose: cast(Random, Stream(f"{seed}/{owner}/{purpose}"))
