"""A mutant that a figure saw is a commit among harmless hunks, and its hunk is named."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from perflab.mutate.causes import CAUSES, MutantCauses
from perflab.mutate.draw import CALL
from perflab.mutate.record import MutationRecordError
from tests.perflab.gate.cause.test_find import repository
from tests.perflab.mutate.test_trial import PUT, mutant

__all__ = ["causes_in", "repository"]  # a fixture, and what other tests ask with, too

RED = ["instructions.store_put"]


def causes_in(
    directory: Path, repository: Path, most: int, say: Callable[[str], object] = print
) -> MutantCauses:
    """Of the mutants that are filed in a directory, or will be."""
    scratch = Path(tempfile.mkdtemp(dir=repository.parent))
    return MutantCauses(
        root=repository, file=directory / CAUSES, scratch=scratch, most=most, seed=1, say=say
    )


def test_those_that_were_seen_are_asked_once_and_filed(repository: Path, tmp_path: Path) -> None:
    called = mutant(PUT, CALL)
    (tmp_path / CAUSES).write_text('{"name": "tor', encoding="utf-8")
    said: list[str] = []
    causes = causes_in(tmp_path, repository, 5, said.append)
    causes.open([called])
    assert (causes.found, causes.lacks(called)) == ([], True)
    for _ in range(2):
        causes.ask(called, RED)
    [found] = causes.found
    assert (found.kind, found.place, causes.enough) == (CALL, 1, False)
    assert [line.rpartition(", ")[2] for line in said] == ["1 of 5"]
    filed = json.loads((tmp_path / CAUSES).read_text(encoding="utf-8"))
    assert filed["name"].startswith("storage/memory.py:MemoryStore.put, ")
    again = causes_in(tmp_path, repository, 1)
    again.open([called])
    assert (again.found, again.lacks(called), again.enough) == ([found], False, True)
    again.open([])  # of other mutants
    assert (again.found, again.enough) == ([], False)


def test_what_is_found_while_processes_are_ended_is_not_filed(
    repository: Path, tmp_path: Path
) -> None:
    called = mutant(PUT, CALL)
    causes = causes_in(tmp_path, repository, 1)
    causes.open([called])
    causes.stopped.set()
    causes.ask(called, RED)
    assert not (tmp_path / CAUSES).exists()


def test_a_core_that_is_not_committed_is_refused(repository: Path, tmp_path: Path) -> None:
    core = repository / "p2pcore" / "node.py"
    core.write_text("changed = True\n", encoding="utf-8")
    with pytest.raises(MutationRecordError, match="uncommitted"):
        causes_in(tmp_path, repository, 1).open([])
