"""Real traces of a real defect among harmless hunks: the guilty one is first, in every form."""

import dataclasses
import json
from pathlib import Path

import pytest

from perflab.gate import report
from perflab.gate.cause import trial
from perflab.gate.cause.find import cause_of, explained
from perflab.gate.cause.form import Cause
from perflab.gate.judge import GateOutcome
from perflab.gate.seeded_defects import DEFECTS, Edit, apply
from perflab.gate.symbol_edits import begin, renamed
from perflab.results.checkout import Commit, commit_of
from tests.perflab.gate.test_end_to_end import repository
from tests.perflab.gate.test_report import outcome
from tests.perflab.results.test_checkout import git

__all__ = ["outcome", "repository"]  # fixtures

STORE = next(edit for edit in DEFECTS if edit.name == "5 % more work in a store")
MARKED = begin("storage/memory.py", "MemoryStore.get", "'`@all` <b>'; len('')")


def of_change(repository: Path, *changes: Edit) -> tuple[Cause, tuple[Commit, Commit]]:
    base = commit_of(repository, "HEAD")
    for each in changes:
        apply(each, repository)
    git(repository, "commit", "--quiet", "--all", "--message", "A change")
    commits = base, commit_of(repository, "HEAD")
    before = repository.parent / "before"
    git(repository, "worktree", "add", "--quiet", "--detach", str(before), base.hash)
    return cause_of(repository, commits, (str(before), str(repository)), STORE.must), commits


def test_the_guilty_hunk_is_first_among_harmless_ones(repository: Path) -> None:
    harmless = Edit("harmless", (renamed("wire/codec.py", "encode_frame"), MARKED))
    cause, _ = of_change(repository, harmless, STORE)
    assert [each.touches for each in cause.hunks] == [("MemoryStore.put",)]
    assert cause.hunks[0].score == pytest.approx(1.0, abs=0.05)
    assert cause.others >= 2
    [traced] = cause.traced
    assert traced.figures == STORE.must
    [function] = traced.functions
    assert function.name == "p2pcore/storage/memory.py:MemoryStore.put"
    assert function.calls == (1, 1)
    assert function.steps[1] > function.steps[0]


def test_every_form_has_it_and_no_mark_of_a_commit(repository: Path, outcome: GateOutcome) -> None:
    cause, _ = of_change(repository, Edit("marked", (*STORE.changes, MARKED)))
    red = dataclasses.replace(outcome, cause=cause)
    text = report.as_table(red)
    assert "1. p2pcore/storage/memory.py:" in text
    assert "MemoryStore.put, which does more" in text
    marked = report.as_markdown(red)
    assert "#### Behind it" in marked
    assert "```diff" in marked
    assert marked.count("```") == 2 * marked.count("```diff")
    line = next(each for each in report.as_annotations(red) if "file=" in each)
    hunk = cause.hunks[0]
    assert line.startswith(f"::error file={hunk.path},line={hunk.line},endLine=")
    assert json.loads(report.as_json(red))["cause"]["hunks"][0]["line"] == hunk.line
    assert "cause" in json.loads(report.as_json(outcome))


def test_a_verdict_stands_where_no_cause_can_be_found(tmp_path: Path, outcome: GateOutcome) -> None:
    nowhere = Commit("0" * 40, "Nothing")
    red = explained(tmp_path, (nowhere, nowhere), outcome)
    assert red.code == outcome.code == 1
    assert red.cause is not None
    assert "BuildError" in red.cause.problem
    assert red.cause.problem in report.as_table(red)


def test_a_core_that_breaks_under_the_trace_is_told(repository: Path) -> None:
    broken = Edit("broken", (begin("storage/memory.py", "MemoryStore.put", "raise OSError(7)"),))
    cause, _ = of_change(repository, broken)
    [traced] = cause.traced
    assert "head was not traced" in traced.problem
    assert "OSError" in traced.problem
    assert [each.touches for each in cause.hunks] == [("MemoryStore.put",)]


def test_drawn_defects_are_named_among_ten_harmless_hunks(
    repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(trial, "FIGURES", ("instructions.store_put", "instructions.store_get"))
    assert trial.main(repository, 0, 2, tmp_path / "out") == 0
    tried = json.loads((tmp_path / "out" / "causes.json").read_text())
    assert [each["place"] for each in tried] == [1, 1]
    assert all(each["fillers"] >= 10 for each in tried)
    assert "| drawn | 2 | 2 (100%) | 2 (100%) |" in capsys.readouterr().out
    assert git(repository, "status", "--porcelain") == ""


def test_a_defect_in_a_module_of_few_functions_has_as_many_harmless_hunks_beside_it(
    repository: Path, tmp_path: Path
) -> None:
    lab = trial.CauseLab(repository, tmp_path, commit_of(repository, "HEAD"))
    change = begin("session/dispatch.py", "Dispatch.receive", "len(b'')")
    tried = lab.tried(Edit("a call", (change,), ("counts.c_calls.store.8",)), 0)
    assert tried.fillers >= 10
    assert tried.place == 1
