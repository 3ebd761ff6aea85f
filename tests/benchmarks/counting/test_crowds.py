"""Crowds are as large as they say, and what they are told is answered rightly, again and again."""

import pytest

from benchmarks.common.counting.crowds import (
    CROWDS,
    SOON,
    CrowdedSwarm,
    contact_crowd,
    record_crowd,
)
from benchmarks.common.counting.meters import LineMeter
from benchmarks.micro.populations import KINDS, POPULATION_GROWTHS, POPULATIONS, population

FEW = {"records": SOON + 1024, "links": 20, "contacts": 300}
CASES = [(kind, name) for kind, names in KINDS.items() for name in names]


@pytest.mark.parametrize(("kind", "name"), CASES, ids=[f"{k}-{n}" for k, n in CASES])
def test_each_micro_gives_the_right_result_and_again(kind: str, name: str) -> None:
    prepared = population(kind, name, FEW[kind]).prepare()  # compares its result
    for _ in range(2):
        prepared.run(prepared.fresh())


def test_each_growth_is_between_half_of_a_crowd_and_the_whole() -> None:
    assert len(POPULATION_GROWTHS) == len(CASES)
    for small, large in POPULATION_GROWTHS.values():
        assert POPULATIONS.keys() >= {small, large}
        assert 2 * int(small.rpartition("_")[2]) == int(large.rpartition("_")[2])
    assert set(CROWDS) == set(KINDS)


def test_both_nodes_hold_all_records_and_have_nothing_to_tell_each_other() -> None:
    crowd = record_crowd(SOON + 100)
    first, second = (node.machine.store for node in crowd.swarm.nodes)
    assert len(first) == len(second) == SOON + 100
    assert list(first.sums()) == list(second.sums())
    assert len(crowd.keys) == 50  # every second one has an end far away


def test_a_node_has_heard_of_all_contacts_and_nobody_is_asked() -> None:
    crowd = contact_crowd(100)
    assert crowd.node.table.size > 50  # buckets are full
    assert not crowd.node.drain()


def test_who_comes_is_there_until_it_goes() -> None:
    crowd = CrowdedSwarm(3, 0)
    before = len(crowd.node.links.by_id)
    link = crowd.come("client")
    assert len(crowd.node.links.by_id) == before + 1
    crowd.go(link)
    assert len(crowd.node.links.by_id) == before


def test_lines_and_the_longest_slice() -> None:
    meter = LineMeter()

    def loop(rounds: int) -> int:
        total = 0
        for number in range(rounds):
            total += number
        return total

    assert meter(loop, 100) == 4950
    assert meter.counts == [203, 203]
    meter(loop, 10)
    assert meter.counts == [226, 203]
