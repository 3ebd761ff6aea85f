"""Which pairs of blocks count, and what is slow in them."""

from random import Random

from perflab.gate.waits.figures import MEDIANS, SLOW, calm, figures_of
from perflab.gate.waits.life import BlockPair, WaitBlock
from tests.perflab.gate.waits.blocks import life

P99, P999 = SLOW[0.01], SLOW[0.001]


def pair(base: list[int], head: list[int], taken: float = 0.0) -> BlockPair:
    return BlockPair(WaitBlock(tuple(base), (1,)), WaitBlock(tuple(head), (1,)), taken)


def test_a_disturbed_pair_is_dropped_whatever_its_latencies() -> None:
    quiet, disturbed = pair([1], [999]), pair([5], [5], 0.5)
    assert calm([quiet, disturbed, quiet]) == [quiet, quiet]


def test_where_it_is_seldom_calm_all_pairs_count() -> None:
    pairs = [pair([1], [1], taken) for taken in (0.4, 0.0, 0.9, 0.0, 0.8)]
    assert calm(pairs) == pairs


def test_medians_are_of_each_kind_in_seconds() -> None:
    block = BlockPair(WaitBlock((30, 10, 20), (700,)), WaitBlock((60, 50, 40), (800,)), 0.0)
    found = figures_of([block, block])
    assert found[MEDIANS["store"]] == [(20e-6, 50e-6)] * 2
    assert found[MEDIANS["retrieve"]] == [(700e-6, 800e-6)] * 2


def test_slow_is_what_is_beyond_base_s_own_in_the_other_blocks() -> None:
    blocks = [pair(list(range(1, 101)), list(range(1, 101))) for _ in range(9)]
    # Of 909 others the nine slowest are nine times 100: what is above 99 is slow.
    assert figures_of([*blocks, pair([101] * 50, [7])])[P99][-1] == (50, 0)
    # The other pairs' limit is 101, for base's last block has 50 operations that slow.
    assert figures_of([*blocks, pair([101] * 50, [7])])[P99][0] == (0, 0)
    assert figures_of([*blocks, pair([7], [99, 100, 2000])])[P99][-1] == (0, 2)


def test_equal_sides_have_as_many_slow_operations() -> None:
    found = figures_of(life(Random(3), pairs=1000))
    for name in (P99, P999):
        more = sum(head > base for base, head in found[name])
        fewer = sum(head < base for base, head in found[name])
        assert more + fewer > 20
        assert abs(more - fewer) < 3 * (more + fewer) ** 0.5
