"""The scenario of bad neighbours: others keep their share where nodes take turns."""

from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.common import subject
from benchmarks.common.simulated import neighbours
from benchmarks.common.simulated.overload import TIMEOUT_S
from p2pcore.sim import Service


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "MESSAGE_US", 1500)
    monkeypatch.setattr(neighbours, "NODE_PER_S", 1e6 / 3000)


def test_one_that_wants_a_hundred_times_its_share_costs_others_nothing() -> None:
    found = neighbours.neighbours(1, "greedy")
    assert found["others_lost_ppm"] < 50_000
    assert 0 < found["beside_s_p99"] < TIMEOUT_S


def test_those_without_rules_leave_others_their_share() -> None:
    assert neighbours.neighbours(1, "rude")["others_lost_ppm"] < 200_000


def test_broken_nodes_that_read_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    part = subject.part

    def without_turns(room: str, name: str) -> Any:
        found: Callable[..., Any] = part(room, name)
        if found is not Service:
            return found
        return lambda **options: found(**options | {"in_turn": False})

    monkeypatch.setattr(subject, "part", without_turns)
    assert neighbours.neighbours(1, "rude")["others_lost_ppm"] > 500_000


def test_what_an_old_simulator_lacks_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    def old(*, message_us: int = 10) -> Service:
        return Service(message_us=message_us)

    part = subject.part
    monkeypatch.setattr(
        subject, "part", lambda room, name: old if name == "Service" else part(room, name)
    )
    with pytest.raises(NotImplementedError, match="in_turn"):
        neighbours.neighbours(1, "rude")
