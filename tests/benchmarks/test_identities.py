"""Ids that follow from names."""

from collections.abc import Iterator

import pytest

from benchmarks.common import subject
from benchmarks.common.identities import named
from benchmarks.common.parts import part

NETWORK = subject.NetworkSettings.of(1)


def node_id(identity: str) -> bytes:
    found: bytes = subject.make_node(NETWORK, [], identity=identity).node_id  # type: ignore[attr-defined]
    return found


def test_the_same_name_gives_the_same_node() -> None:
    assert node_id("one/0") == node_id("one/0") != node_id("one/1")


def test_without_a_name_chance_decides() -> None:
    assert node_id("") != node_id("")


@pytest.fixture
def drawn() -> Iterator[object]:
    identity = part("aio.identity", "Identity")
    before = identity.__dict__["new"]
    yield identity
    assert identity.__dict__["new"] is before


def test_an_error_leaves_identities_to_chance_again(drawn: type) -> None:
    with pytest.raises(RuntimeError), named("one"):
        raise RuntimeError
