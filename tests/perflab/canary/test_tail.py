"""The threshold favours neither side, follows the machine, and is not moved by the newest slot."""

import math

import numpy as np

from perflab.canary.tail import POOLED_SLOTS, REFRESHED, PooledTail


def test_nothing_is_slow_before_the_first_slot() -> None:
    assert PooledTail().threshold_s() == math.inf


def test_one_of_a_hundred_of_both_sides_lies_beyond() -> None:
    tail, rng = PooledTail(), np.random.default_rng(1)
    slots = [rng.exponential(size=100) for _ in range(POOLED_SLOTS)]
    for slot in slots:
        tail.add(slot)
    beyond = np.mean(np.concatenate(slots) > tail.threshold_s())
    assert 0.008 < beyond < 0.0105


def test_it_follows_the_machine_and_forgets() -> None:
    tail = PooledTail()
    for level in (9.0, 1.0):
        for _ in range(POOLED_SLOTS + REFRESHED):
            tail.add([level] * 10)
        assert tail.threshold_s() == level


def test_it_holds_for_some_slots() -> None:
    tail = PooledTail()
    for _ in range(REFRESHED + 2):
        tail.add([1.0])
    before = tail.threshold_s()
    tail.add([math.inf])
    assert tail.threshold_s() == before == 1.0
