"""ids: where names lie in the 256-bit space."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pcore.errors import UsageError
from p2pcore.ids import (
    ID_BITS,
    MAX_NAME_BYTES,
    deciding_bits,
    key_of,
    node_id_of,
    shared_prefix_bits,
)

points = st.integers(0, 2**ID_BITS - 1)


@given(st.text(min_size=1, max_size=100))
def test_text_and_its_utf8_are_one_key(name: str) -> None:
    assert key_of(name) == key_of(name.encode()) == sha256(name.encode()).digest()


@pytest.mark.parametrize(
    "name", ["", b"", b"x" * (MAX_NAME_BYTES + 1), "ä" * 40_000, 7, None, bytearray(b"x"), "\ud800"]
)
def test_a_key_that_cannot_be_meant_is_refused(name: object) -> None:
    with pytest.raises(UsageError):
        key_of(name)  # type: ignore[arg-type]


def test_the_longest_key_is_accepted() -> None:
    assert len(key_of(b"x" * MAX_NAME_BYTES)) == 32


def test_node_id_is_the_hash_of_the_public_key() -> None:
    assert node_id_of(b"\1" * 32) == sha256(b"\1" * 32).digest()


@given(points, points)
def test_shared_prefix_bits_counts_leading_bits(a: int, b: int) -> None:
    texts = f"{a:0256b}", f"{b:0256b}"
    expected = next((i for i in range(ID_BITS) if texts[0][i] != texts[1][i]), ID_BITS)
    assert shared_prefix_bits(a, b) == expected


@given(points, points, points)
def test_more_shared_bits_means_closer(target: int, a: int, b: int) -> None:
    """What lets the contact table sort by buckets before it sorts by distance."""
    if shared_prefix_bits(target, a) > shared_prefix_bits(target, b):
        assert a ^ target < b ^ target


@given(st.sets(points, max_size=12), points, points)
def test_deciding_bits_decide_the_order(others: set[int], place: int, noise: int) -> None:
    """Two places with the same deciding bits see the same order, whatever the other bits are."""
    free = ID_BITS - deciding_bits(others)
    other_place = place >> free << free | noise & ((1 << free) - 1)
    ordered = sorted(others, key=lambda point: point ^ place)
    assert sorted(others, key=lambda point: point ^ other_place) == ordered
