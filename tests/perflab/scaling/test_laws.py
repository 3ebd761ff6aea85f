"""Which law is found for figures of a known one, and what is said beyond them."""

from random import Random

import pytest

from perflab.scaling.laws import grown, reaches
from perflab.scaling.record import ScalingError

SIZES = (64, 128, 256, 512, 1024, 2048, 4096)
KNOWN = {
    "constant": lambda n: 26.0,
    "a + b / N": lambda n: 3 - 150 / n,
    "a + b log2 N": lambda n: 5 + 20 * (n.bit_length() - 1),
    "c N^p": lambda n: 3 * n**0.5,
}


def points(law: str, noise: float = 0.0) -> list[tuple[int, float]]:
    rng = Random(law)
    return [(n, KNOWN[law](n) * (1 + rng.gauss(0, noise))) for n in SIZES for _ in range(3)]


@pytest.mark.parametrize("law", KNOWN)
def test_the_law_is_found_and_says_what_it_should_beyond(law: str) -> None:
    found = grown(points(law))
    truth = KNOWN[law](2**20)
    assert found.law == law
    assert found.off == pytest.approx(0, abs=1e-9)
    assert found.at(2**20).value == pytest.approx(truth)
    assert found.at(2**20).low <= truth * (1 + 1e-9)
    assert found.at(2**20).high >= truth * (1 - 1e-9)


@pytest.mark.parametrize("law", KNOWN)
def test_with_noise_the_interval_holds_the_truth(law: str) -> None:
    said = grown(points(law, noise=0.02)).at(2**20)
    assert said.low <= KNOWN[law](2**20) <= said.high


def test_a_law_that_was_off_has_a_wide_interval() -> None:
    bent = [(n, 5 + 20 * (n.bit_length() - 1) + (n / 1000) ** 2) for n in SIZES]
    found = grown(bent)
    said = found.at(2**20)
    assert found.off > 0.01
    assert said.high - said.low >= 2 * found.off * said.value * (1 - 1e-9)


def test_where_a_limit_is_reached() -> None:
    at, earliest, latest = reaches(grown(points("a + b log2 N")), 256)
    assert at == pytest.approx(2 ** ((256 - 5) / 20), rel=0.02)
    assert at is not None
    assert earliest is not None
    assert latest is not None
    assert earliest <= at <= latest
    assert reaches(grown(points("constant")), 27) == (None, None, None)


def test_zeros_have_laws_too() -> None:
    assert grown([(n, 0.0) for n in SIZES]).at(2**20).value == 0


@pytest.mark.parametrize("wrong", [[(n, 1.0) for n in SIZES[:3]], [(n, -1.0) for n in SIZES]])
def test_what_no_law_can_be_fitted_to(wrong: list[tuple[int, float]]) -> None:
    with pytest.raises(ScalingError):
        grown(wrong)
