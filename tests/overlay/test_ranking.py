"""Rankings: the remembered order of a cell is the order of every point in it."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pcore.contact import Contact
from p2pcore.ids import ID_BITS
from p2pcore.overlay import ranking as module
from p2pcore.overlay.ranking import Ranking

ids = st.binary(min_size=32, max_size=32)
# Ids that have nearly all bits in common are what cells could get wrong.
close_ids = st.builds(lambda head, tail: bytes(31) + bytes([head ^ tail]), st.integers(0, 3),
                      st.integers(0, 255))  # fmt: skip
points = st.integers(0, 2**ID_BITS - 1) | st.integers(0, 255)


@given(st.sets(ids | close_ids, max_size=30), st.lists(points, max_size=20))
def test_every_point_gets_the_sorted_order(node_ids: set[bytes], goals: list[int]) -> None:
    contacts = [Contact.of(node_id, "10.0.0.1:1") for node_id in sorted(node_ids)]
    ranking = Ranking(contacts)
    for point in goals:
        expected = sorted(contacts, key=lambda contact: contact.point ^ point)
        assert ranking.nearest_first(point) == expected
    for point in goals:
        expected = sorted(contacts, key=lambda contact: contact.point ^ point)
        assert ranking.nearest_first(point) == expected, "remembered"


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CELLS", 8)
    rng = Random(1)
    ranking = Ranking(Contact.of(rng.randbytes(32), "10.0.0.1:1") for _ in range(100))
    for _ in range(100):
        ranking.nearest_first(rng.getrandbits(ID_BITS))
        assert len(ranking._orders) <= 8
