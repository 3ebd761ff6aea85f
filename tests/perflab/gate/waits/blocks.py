"""Blocks of a made-up machine: half a millisecond with noise, three times that in spells."""

from random import Random

from perflab.gate.waits.life import BlockPair, WaitBlock


def life(rng: Random, *, pairs: int = 100, late_us: int = 0, one_of: int = 1) -> list[BlockPair]:
    """One of equal sides, but that one of so many operations of head's takes so much longer."""
    spell, found = 1.0, []
    for _ in range(pairs):
        if rng.random() < 0.05:
            spell = rng.choice((1.0, 1.0, 3.0))

        def block(late_us: int, spell: float = spell) -> WaitBlock:
            times = [
                round(500 * spell * (1 + rng.expovariate(4)))
                + late_us * (rng.random() * one_of < 1)
                for _ in range(30)
            ]
            return WaitBlock(tuple(times[:15]), tuple(times[15:]))

        found.append(BlockPair(block(0), block(late_us), 0.4 * (spell > 1)))
    return found
