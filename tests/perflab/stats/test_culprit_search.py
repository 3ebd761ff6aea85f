"""The search for a culprit: every place, commits that cannot be measured, noise, and builds."""

import math
from collections.abc import Callable, Sequence
from random import Random

import pytest

from perflab.stats.culprit_search import CulpritSearch, builds_allowed, scatter_of

STEP = 0.1
TIMES = 200  # answers, at most


def searched(
    prior: Sequence[float], culprit: int, noise: float = 0.0, chance: Random | None = None,
    unknown: Sequence[int] = (), none: float = 0.02,
) -> CulpritSearch:  # fmt: skip
    """Play a search to its end; `culprit` may be beyond the last place: then it is none of them."""
    search = CulpritSearch(prior, STEP, noisy=bool(noise), none=none)
    for _ in range(TIMES):
        place = None if search.found else search.next()
        if place is None:
            break
        if place in unknown:
            search.cannot(place)
            continue
        level = STEP if place >= culprit else 0.0
        search.tell(place, [level + (chance.gauss(0, noise) if chance else 0.0)], noise)
    return search


def even(count: int) -> list[float]:
    return [1.0] * count


def uneven(count: int) -> list[float]:
    chance = Random(count)
    return [1e-4 if chance.random() < 0.6 else chance.random() for _ in range(count - 1)] + [1.0]


@pytest.mark.parametrize("prior", [even, uneven])
@pytest.mark.parametrize("count", [1, 2, 3, 11, 16, 64])
def test_every_culprit_is_found_with_few_builds(
    count: int, prior: Callable[[int], list[float]]
) -> None:
    for culprit in range(count):
        if prior(count)[culprit] < 1e-3:
            continue  # words alone: they are not
        search = searched(prior(count), culprit)
        assert search.best[0] == culprit
        assert search.found
        assert search.builds <= builds_allowed(count) <= math.log2(count) + 3


@pytest.mark.parametrize("unknown", range(15))
def test_unknown_commits_are_searched_around(unknown: int) -> None:
    for culprit in range(16):
        search = searched(even(16), culprit, unknown=[unknown])
        hidden = culprit in (unknown, unknown + 1)
        assert search.left == ((unknown, unknown + 1) if hidden else (culprit, culprit))
        assert search.found is not hidden


def test_a_diff_can_say_what_cannot_be_measured() -> None:
    prior = [0.0001] * 7 + [1.0] + [0.0001] * 8
    assert searched(prior, 7, unknown=[7]).best[0] == 7


@pytest.mark.parametrize("noise", [0.03, 0.1])
def test_noise_is_measured_through(noise: float) -> None:
    """Of 60 searches among 16 commits; a search says itself how often it is wrong: in 2 %."""
    right = builds = 0
    for seed in range(60):
        chance = Random(seed)
        prior = [chance.random() ** 2 + 0.01 for _ in range(16)]
        culprit = chance.choices(range(16), prior)[0]
        search = searched(prior, culprit, noise, chance)
        right += search.best[0] == culprit
        builds = max(builds, search.builds)
    assert right >= 57
    assert builds <= builds_allowed(16)


@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_none_of_them_is_an_answer(noise: float) -> None:
    search = searched(even(8), 8, noise, Random(1), none=0.1)
    assert search.best == (-1, pytest.approx(1.0, abs=0.03))
    assert search.found


def test_what_begins_or_ends_at_zero_is_an_answer_without_doubt() -> None:
    for step, ratios in ((math.inf, [math.inf]), (-20.0, [-math.inf])):
        search = CulpritSearch(even(4), step)
        search.tell(2, ratios)
        search.tell(1, [0.0])
        assert search.best == (2, 1.0)


def test_one_disturbed_answer_does_not_decide() -> None:
    search = CulpritSearch(even(2), STEP, noisy=True)
    for ratio in (0.0, 5.0, 0.0, 0.0, 0.01, 0.0):
        search.tell(0, [ratio], 0.03)
    assert search.best[0] == 1


def test_what_is_built_is_asked_before_what_is_not() -> None:
    search = CulpritSearch(even(16), STEP)
    assert search.next() == 7
    assert search.next(built=[9]) == 9  # nearly as much
    assert search.next(built=[15]) == 7
    search.tell(9, [STEP])
    assert not search.welcomes(12)
    assert search.welcomes(4)


@pytest.mark.parametrize(("prior", "step"), [([], 0.1), ([0.0], 0.1), ([-1, 2], 0.1), ([1.0], 0.0)])
def test_what_is_no_search_is_refused(prior: list[float], step: float) -> None:
    with pytest.raises(ValueError, match=r"prior|step"):
        CulpritSearch(prior, step)


def test_scatter_is_learnt_and_takes_no_notice_of_spikes() -> None:
    chance = Random(3)
    groups = [[level + chance.gauss(0, 0.01) for _ in range(12)] for level in (0.0, 0.1)]
    assert scatter_of(groups, 0.05) == pytest.approx(0.025, abs=0.01)
    groups[0][3] = 4.0
    assert scatter_of(groups, 0.05) < 0.04
    assert scatter_of([[0.3]], 0.05) == pytest.approx(0.05)
