"""Ordered strings against a sorted list."""

from random import Random

import pytest

from p2pcore.storage.ordered import BLOCK, Ordered


@pytest.mark.parametrize("rising", [True, False])
def test_it_is_a_sorted_set(rising: bool) -> None:
    """Added in order (as ends are) or in any, and taken away again, with pages in between."""
    rng = Random(5)
    numbers = list(range(6 * BLOCK))
    if not rising:
        rng.shuffle(numbers)
    items = [number.to_bytes(4) + b"key" for number in numbers]
    ordered = Ordered()
    for item in items:
        ordered.add(item)
    assert ordered.after(b"", len(items) + 1) == sorted(items)
    assert max(map(len, ordered._blocks)) <= BLOCK
    gone = rng.sample(items, 5 * BLOCK)
    for item in gone:
        ordered.remove(item)
        ordered.remove(item)  # one that is not there
    left = sorted(set(items) - set(gone))
    assert len(ordered) == len(left)
    assert ordered.first == left[0]
    assert len(ordered._blocks) < 6 * BLOCK // (BLOCK // 8) // 2, "small blocks are joined"
    for item in rng.sample(items, 200):
        assert ordered.after(item, 3) == [each for each in left if each > item][:3]
    for item in left:
        ordered.remove(item)
    assert len(ordered) == len(ordered._blocks) == len(ordered._firsts) == 0
    assert ordered.first is None
    assert ordered.after(b"", 1) == []
