"""Operations go from state to state as the table at the top of `operation.py` has it."""

import re
from types import MemberDescriptorType

import pytest

from p2pcore.replication import operation
from p2pcore.replication.operation import Operation, OperationState
from p2pcore.sim.explore.play import play
from p2pcore.sim.explore.scenarios import draw

ROW = re.compile(r"^    ([A-Z]+) +.*?  +([A-Z]+(?:, [A-Z]+)*)$", re.MULTILINE)
TABLE = {
    (OperationState[before], OperationState[after])
    for before, afters in ROW.findall(operation.__doc__ or "")
    for after in afters.split(", ")
}


class Watched:
    """In the place of the slot `_state`: notes each change."""

    def __init__(self, slot: MemberDescriptorType) -> None:
        self._slot = slot
        self.seen: set[tuple[OperationState, OperationState]] = set()

    def __get__(self, held: Operation, owner: type) -> OperationState:
        state: OperationState = self._slot.__get__(held, owner)
        return state

    def __set__(self, held: Operation, state: OperationState) -> None:
        before = getattr(held, "_state", state)
        if before is not state:
            self.seen.add((before, state))
        self._slot.__set__(held, state)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    watched = Watched(Operation.__dict__["_state"])
    monkeypatch.setattr(Operation, "_state", watched)
    return watched


def test_every_state_has_its_row() -> None:
    assert {before for before, _ in TABLE} == set(OperationState)


def test_a_partition_takes_operations_through_all_states(watched: Watched) -> None:
    assert play(draw("partition", seed=1)).ok
    assert watched.seen <= TABLE
    assert {after for _, after in watched.seen} == set(OperationState)
