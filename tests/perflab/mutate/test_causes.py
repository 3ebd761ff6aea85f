"""A mutant that a figure saw is a commit among harmless hunks, and its hunk is named."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from perflab.mutate.causes import CAUSES, try_mutants
from perflab.mutate.draw import CALL
from perflab.mutate.record import Guard, MutantResult, MutationRecordError
from tests.perflab.gate.cause.test_find import repository
from tests.perflab.mutate.test_trial import PUT, mutant

__all__ = ["repository"]  # a fixture

SEEN = MutantResult(
    file=PUT[0], symbol=PUT[1], kind="slowdown", operator=CALL, line=1, said="",
    guard=Guard.FIGURE, by=["instructions.store_put"],
)  # fmt: skip


def test_those_that_were_seen_are_tried_once(repository: Path, tmp_path: Path) -> None:
    called = mutant(PUT, CALL)
    said: list[str] = []
    asked = repository, tmp_path, [called]
    assert try_mutants(*asked, [replace(SEEN, guard=Guard.NOBODY)], 5, 1, said.append) == []
    [tried] = try_mutants(*asked, [SEEN], 5, 1, said.append)
    assert (tried.kind, tried.place, len(said)) == (CALL, 1, 1)
    assert try_mutants(*asked, [SEEN], 5, 1, said.append) == [tried]
    assert len(said) == 1
    filed = json.loads((tmp_path / CAUSES).read_text(encoding="utf-8"))
    assert filed["name"].startswith("storage/memory.py:MemoryStore.put, ")
    core = repository / "p2pcore" / "node.py"
    core.write_text("changed = True\n", encoding="utf-8")
    with pytest.raises(MutationRecordError, match="uncommitted"):
        try_mutants(*asked, [SEEN], 5, 1, said.append)
