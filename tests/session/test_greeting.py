"""Greetings: who can talk to whom."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pcore.session.greeting import greeting, objection
from p2pcore.wire.limits import PROTOCOL_MAX, PROTOCOL_MIN
from p2pcore.wire.messages import Ready, Role, Settings

N322, N331 = Settings(3, 2, 2), Settings(3, 3, 1)
versions = st.integers(0, 5)


def node(
    settings: Settings | None = N322, address: str = "a:1", low: int = 1, high: int = 1
) -> Ready:
    return Ready(low, high, Role.NODE, address, settings)


CLIENT = Ready(1, 1, Role.CLIENT)


def test_our_greeting_states_all_that_is_asked_for() -> None:
    ready = greeting(Role.NODE, "host:1", N322)
    assert ready == Ready(PROTOCOL_MIN, PROTOCOL_MAX, Role.NODE, "host:1", N322)
    assert objection(ready, ready) is None


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [
        (node(), node(), None),
        (node(), CLIENT, None),
        (CLIENT, node(), None),
        (CLIENT, node(N331), None),
        (CLIENT, CLIENT, None),
        (node(), node(N331), "N=3 W=2 R=2 here, N=3 W=3 R=1 there"),
        (node(), node(None), "must state"),
        (CLIENT, node(None), "must state"),
        (node(), node(address=""), "where it listens"),
        (node(), node(low=2, high=9), "1 to 1 here, 2 to 9 there"),
        (node(low=3, high=4), node(low=1, high=2), "no protocol version"),
    ],
)
def test_objections(ours: Ready, theirs: Ready, words: str | None) -> None:
    text = objection(ours, theirs)
    assert (words in text) if words and text else text is words


@given(versions, versions, versions, versions)
def test_versions_agree_exactly_where_ranges_overlap(a: int, b: int, c: int, d: int) -> None:
    (a, b), (c, d) = sorted((a, b)), sorted((c, d))
    overlap = set(range(a, b + 1)) & set(range(c, d + 1))
    here, there = node(low=a, high=b), node(low=c, high=d)
    assert (objection(here, there) is None) == bool(overlap)
    assert (objection(there, here) is None) == bool(overlap)


def test_a_range_that_ends_before_it_begins_is_no_range() -> None:
    assert objection(node(), node(low=2, high=1)) is not None
