"""Spells of the machine are cancelled, whatever their size; a change of the subject is not."""

import math
import random
import statistics
from collections.abc import Callable

import pytest
from asv_runner.statistics import compute_stats

from benchmarks.common.ruler.pairs import (
    AGREE,
    Pair,
    PairError,
    agreeing,
    at_reference,
    cut,
    samples,
    slowness,
)
from benchmarks.common.ruler.versions import beside
from benchmarks.common.sampling import PAIRS, tail, timed, unjudged

SUBJECT_S, RULER_S, REFERENCE_S = 300e-6, 100e-6, 120e-6


def played(speed: Callable[[int], float], *, factor: float = 1.0, noise: float = 0.0) -> list[Pair]:
    """A series of blocks, ruler, subject, ruler, on a machine that is so slow at each block."""
    rng = random.Random(1)

    def took(seconds: float, moment: int) -> float:
        return seconds * speed(moment) * math.exp(rng.gauss(0, noise))

    return [
        Pair(
            took(factor * SUBJECT_S, at + 1),
            took(RULER_S, at),
            took(RULER_S, at + 2),
        )
        for at in range(0, 3 * 64, 3)
    ]


def spells(moment: int) -> float:
    """Half of the time at 1.8 times the seconds, in spells of 17 blocks."""
    return 1.8 if moment // 17 % 2 else 1.0


def test_a_steady_machine_gives_the_seconds_at_its_reference() -> None:
    for speed in (0.5, 1.0, 1.8):
        found = at_reference(played(lambda _, speed=speed: speed), REFERENCE_S)
        assert found == pytest.approx(SUBJECT_S * REFERENCE_S / RULER_S)


def test_spells_are_cancelled_and_a_change_is_not() -> None:
    quiet = at_reference(played(lambda _: 1.0, noise=0.03), REFERENCE_S)
    noisy = at_reference(played(spells, noise=0.03), REFERENCE_S)
    slower = at_reference(played(spells, factor=1.15, noise=0.03), REFERENCE_S)
    assert noisy / quiet == pytest.approx(1.0, abs=0.02)
    assert slower / noisy == pytest.approx(1.15, abs=0.02)
    raw = [statistics.median(pair.subject_s for pair in part) for part in cut(played(spells), 8)]
    assert max(raw) / min(raw) > 1.5  # what was cancelled


def test_a_whole_run_in_a_spell_differs_in_slowness_alone() -> None:
    """The least value is no way out of it, and needs none."""
    there, elsewhere = played(lambda _: 1.8), played(lambda _: 1.0)
    assert at_reference(there, REFERENCE_S) == pytest.approx(at_reference(elsewhere, REFERENCE_S))
    assert slowness(there, REFERENCE_S) == pytest.approx(1.8 * RULER_S / REFERENCE_S)
    assert slowness(there, REFERENCE_S) == pytest.approx(1.8 * slowness(elsewhere, REFERENCE_S))


def test_a_pair_whose_rulers_disagree_is_dropped() -> None:
    good = [Pair(3.0, 1.0, 1.0), Pair(3.0, 1.0, AGREE)]
    begins = Pair(9.0, 1.0, 1.01 * AGREE)
    assert agreeing([*good, begins]) == good
    assert agreeing([begins]) == [begins]  # one of one: a poor figure is better than none
    assert agreeing([good[0], begins, begins]) == [good[0], begins, begins]


@pytest.mark.parametrize("seconds", [(-1.0, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, math.nan)])
def test_times_that_no_clock_gives_are_refused(seconds: tuple[float, float, float]) -> None:
    with pytest.raises(PairError, match="times are above zero"):
        Pair(*seconds)


def test_no_pair_no_figure() -> None:
    with pytest.raises(PairError, match="no pair"):
        at_reference([], 1.0)


def test_parts_follow_each_other_and_leave_nothing_out() -> None:
    assert [list(part) for part in cut(range(7), 3)] == [[0, 1], [2, 3], [4, 5, 6]]
    assert [list(part) for part in cut(range(2), 8)] == [[0], [1]]
    assert cut([], 3) == []


def test_asv_gets_samples_and_how_slow_the_machine_was() -> None:
    assert samples([0.00123456789], 1.3) == {"samples": [0.0012346], "number": 1300}
    assert samples([1.0], 0.0001)["number"] == 1  # asv has no 0
    found = timed(iter(played(spells)), REFERENCE_S)
    assert len(found["samples"]) == 8
    assert PAIRS % 8 == 0


# What asv makes of them


def called_different(one: dict[str, object], other: dict[str, object]) -> bool:
    """As asv does: not without a finite interval on both sides."""
    from asv._stats import is_different

    (_, first), (_, second) = compute_stats(one["samples"], 1), compute_stats(other["samples"], 1)
    return bool(is_different(None, None, first, second))


def test_asv_can_tell_timed_figures_apart() -> None:
    base, head = (
        timed(played(spells, factor=factor, noise=0.03), REFERENCE_S) for factor in (1.0, 1.15)
    )
    assert called_different(base, head)
    assert not called_different(base, base)


def test_asv_does_not_judge_observed_figures() -> None:
    rng = random.Random(2)

    def latencies(factor: float) -> list[list[float]]:
        return [[factor * rng.lognormvariate(0, 0.5) for _ in range(50)] for _ in range(64)]

    for factor in (1.3, 2.0):
        for per_mille, parts in ((950, 5), (990, 5), (999, 2)):
            figures = [tail(latencies(each), per_mille, parts) for each in (1.0, factor)]
            assert not called_different(*figures)
    assert not called_different(unjudged([0.0] * 64), unjudged([0.0] * 60 + [9.0, 7.0, 8.0, 9.0]))


def test_a_tail_is_that_of_many_blocks() -> None:
    blocks = [[1.0] * 99 + [2.0 + part] for part in range(5) for _ in range(10)]
    assert tail(blocks, 990)["samples"] == [1.0, 1.0]
    assert tail(blocks, 991)["samples"] == [3.0, 5.0]  # the second and the fourth of five
    assert unjudged([0.0, 4.0] * 5)["samples"] == [2.0, 2.0]
    assert unjudged([1.0, 2.0])["samples"] == [1.0, 2.0]
    assert unjudged([1.0])["samples"] == [1.0, 1.0]


def test_the_version_of_a_ruler_is_one_of_the_benchmark() -> None:
    assert beside("3", 1) != beside("3", 2) != beside("2", 2)
