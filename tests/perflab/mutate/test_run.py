"""A run goes on where it stopped, says what it found in tables, and refuses another's directory."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from perflab.__main__ import main
from perflab.gate.policy import load_policy
from perflab.mutate.cover import CoverMap
from perflab.mutate.draw import Mutant
from perflab.mutate.figures import FigureJudge
from perflab.mutate.record import (
    RESULTS,
    Guard,
    MutantResult,
    MutationPlan,
    MutationRecordError,
)
from perflab.mutate.report import END, Scores, put_into, report
from perflab.mutate.reviewed import Reviewed, filed
from perflab.mutate.run import MutationRun, chosen
from perflab.mutate.trial import MutantTrial
from tests.house import ROOT
from tests.perflab.gate.cause.test_find import repository
from tests.perflab.mutate.test_causes import causes_in

__all__ = ["repository"]  # a fixture

KINDS = ("slowdown", "weakening")
PLAN = MutationPlan(commit="0123456789", core="ab" * 32, seed=1)


def result(symbol: str, kind: str, guard: Guard, room: str = "overlay") -> MutantResult:
    return MutantResult(
        file=f"{room}/table.py", symbol=symbol, kind=kind, operator="a call", line=3,
        said="a < b → (a <= b)", guard=guard.value, by=["x"] if guard == Guard.TEST else [],
        reached=2,
    )  # fmt: skip


SOME = [
    result("hear", "weakening", Guard.TEST),
    result("find", "weakening", Guard.NOBODY),
    result("find", "slowdown", Guard.FIGURE),
    result("drop", "slowdown", Guard.NOBODY),
    result("fill", "slowdown", Guard.UNREACHED),
    result("serve", "weakening", Guard.TIMEOUT, "aio"),
]


def run_in(directory: Path, plan: MutationPlan = PLAN) -> MutationRun:
    return MutationRun(root=ROOT, directory=directory, plan=plan, say=lambda _: None)


def mutants(many: int) -> list[Mutant]:
    return chosen(ROOT, "slowdown", 1, "wire/codec.py:*", many)


def test_a_run_that_was_interrupted_goes_on(tmp_path: Path) -> None:
    """Of functions that no figure executes: nothing is to be measured for these."""
    asked = [*mutants(1), *chosen(ROOT, "weakening", 1, "wire/reasons.py:*", 1)]
    directory = tmp_path / "run"
    first = asked[0]
    known = result("x", "slowdown", Guard.FIGURE)
    whole = json.dumps(asdict(known) | {"file": first.file, "symbol": first.symbol}) + "\n"
    assert run_in(directory).go([], 1, 60.0) == []
    (directory / RESULTS).write_text(whole + '{"file": "wire/re', encoding="utf-8")
    assert [each.guard for each in run_in(directory).go(asked[:1], 1, 60.0)] == [Guard.FIGURE]
    assert (directory / "base" / "p2pcore" / "node.py").is_file()


class AskingNobody(MutationRun):
    """No figure reaches anything, and there is no test."""

    def trial(self, left: Sequence[Mutant]) -> MutantTrial:
        figures = FigureJudge(str(self.directory), {}, load_policy())
        base = self.directory / "base"
        return MutantTrial(
            root=self.root, base=base, figures=figures, cover=CoverMap(core=""), seeds=()
        )


def test_what_nobody_noticed_is_tried_again_if_that_is_asked(tmp_path: Path) -> None:
    said: list[str] = []
    run = AskingNobody(root=ROOT, directory=tmp_path / "run", plan=PLAN, say=said.append)
    asked = mutants(2)
    assert [each.guard for each in run.go(asked, 2, 60.0)] == [Guard.UNREACHED] * 2
    results = run.directory / RESULTS
    assert len(results.read_text(encoding="utf-8").splitlines()) == 2
    assert len(run.go(asked, 2, 60.0)) == 2
    assert said[-1] == "2 of 2 were tried before"
    (run.directory / "tests-of-wire.json").touch()
    assert len(run.go(asked, 2, 60.0, again=True)) == 2
    assert len(results.read_text(encoding="utf-8").splitlines()) == 4
    assert len(filed(results)) == 2
    assert not list(run.directory.glob("tests-of-*"))
    assert run.go(mutants(3)[2:], 1, 0.0) == []
    assert said[-1] == "the budget is over; 1 are left"


def test_causes_are_asked_as_it_goes_and_end_it(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is seen is told here: to measure it is not the question."""

    def of(trial: MutantTrial, mutant: Mutant, place: Path) -> MutantResult:
        seen = result(mutant.symbol, mutant.kind, Guard.FIGURE)
        return replace(seen, file=mutant.file, by=["instructions.store_put"])

    monkeypatch.setattr(MutantTrial, "of", of)
    said: list[str] = []
    run = AskingNobody(root=repository, directory=tmp_path / "run", plan=PLAN, say=said.append)
    asked = chosen(repository, "slowdown", 1, "storage/memory.py:MemoryStore.*", 3)
    assert len(run.go(asked[1:2], 1, 60.0)) == 1
    first = causes_in(run.directory, repository, 1)
    assert run.go(asked, 1, 60.0, causes=first) == filed(run.directory / RESULTS)
    assert [each.name.partition(",")[0] for each in first.found] == [_function(asked[1])]
    assert said[-1] == "enough causes are known; 2 are left"
    more = causes_in(run.directory, repository, 2)
    assert len(run.go(asked, 1, 60.0, causes=more)) == 2
    names = [each.name.partition(",")[0] for each in more.found]
    assert names == [_function(asked[1]), _function(asked[0])]
    said.clear()
    run.go(asked, 1, 60.0, causes=causes_in(run.directory, repository, 2))
    assert said == ["2 of 3 were tried before", "enough causes are known; 1 are left"]


def _function(mutant: Mutant) -> str:
    return f"{mutant.file}:{mutant.symbol}"


def test_no_mutant_lies_where_another_lay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stages remember what they have counted of a directory."""
    places: list[Path] = []

    def of(trial: MutantTrial, mutant: Mutant, place: Path) -> MutantResult:
        places.append(place)
        return result(mutant.symbol, mutant.kind, Guard.NOBODY)

    monkeypatch.setattr(MutantTrial, "of", of)
    AskingNobody(root=ROOT, directory=tmp_path, plan=PLAN, say=print).go(mutants(4), 2, 60.0)
    assert len(set(places)) == 4


def test_what_is_said_once_it_was_interrupted_is_not_filed(tmp_path: Path) -> None:
    """Ctrl-C ends the processes of trials, and a mutant whose process ends counts as noticed."""
    run = AskingNobody(root=ROOT, directory=tmp_path / "run", plan=PLAN, say=print)
    run.go([], 1, 60.0)
    [asked] = mutants(1)
    run.stopped.set()
    assert run.tried(run.trial([asked]), asked).guard == Guard.UNREACHED
    assert filed(run.directory / RESULTS) == []
    run.stopped.clear()
    result = run.tried(run.trial([asked]), asked)
    assert filed(run.directory / RESULTS) == [result]


def test_a_directory_of_another_core_or_of_something_else_is_refused(tmp_path: Path) -> None:
    run_in(tmp_path / "run").go([], 1, 60.0)
    with pytest.raises(MutationRecordError, match="with seed 1, not 2"):
        run_in(tmp_path / "run", MutationPlan(commit="", core=PLAN.core, seed=2)).go([], 1, 60.0)
    with pytest.raises(MutationRecordError, match="holds no run"):
        run_in(tmp_path).go([], 1, 60.0)
    (tmp_path / "run" / RESULTS).write_text('{"file": 3}\n', encoding="utf-8")
    with pytest.raises(MutationRecordError, match=RESULTS):
        filed(tmp_path / "run" / RESULTS)


def test_scores_are_of_what_can_be_noticed() -> None:
    scores = Scores(SOME)
    assert (scores.hot_slowdowns().found, scores.hot_slowdowns().of) == (1, 2)
    assert (scores.promised_weakenings().found, scores.promised_weakenings().of) == (1, 2)
    assert (scores.of("weakening").found, scores.of("weakening").of) == (2, 3)
    assert [each.symbol for each in scores.missed("slowdown")] == ["drop", "fill"]


def test_what_was_reviewed_is_out_and_listed_with_its_reason(tmp_path: Path) -> None:
    file = tmp_path / "reviewed.toml"
    file.write_text(
        '[[equivalent]]\nfunction = "overlay/table.py:find"\nsaid = "a < b → (a <= b)"\n'
        'reason = "they are never equal"\n',
        encoding="utf-8",
    )
    reviewed = Reviewed.load(file)
    reasons = [reviewed.reason(each) for each in SOME]
    assert reasons[1] == reasons[2] == "they are never equal"
    assert not any((reasons[0], *reasons[3:]))
    Reviewed.load()  # ours
    file.write_text("[[equivalent]]\nfunction = 3\n", encoding="utf-8")
    with pytest.raises(MutationRecordError, match="function"):
        Reviewed.load(file)


def test_tables_take_the_place_of_those_of_their_kind_that_a_page_has(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    begins = [f"<!-- {kind}s, made by python -m perflab mutate -->" for kind in KINDS]
    old = [f"{begin}\nold {kind}\n{END}\n" for begin, kind in zip(begins, KINDS, strict=True)]
    page.write_text(f"# Before\n{old[0]}Between\n{old[1]}After\n", encoding="utf-8")
    put_into(page, "weakening", report(PLAN, SOME, "weakening"))
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# Before\n{old[0]}Between\n{begins[1]}\n")
    assert text.endswith(f"{END}\nAfter\n")
    assert "3 weakenings were tried" in text
    assert "old weakening" not in text
    assert "| overlay | 1 | 2 |\n" in text
    assert "<code>a &lt; b → (a &lt;= b)</code>" in text
    put_into(page, "slowdown", report(PLAN, SOME, "slowdown"))
    text = page.read_text(encoding="utf-8")
    assert "old" not in text
    assert "| overlay | 1 | 2 | 1 |\n" in text
    assert "Executed by nobody (1): overlay/table.py: fill." in text
    page.write_text("# None\n", encoding="utf-8")
    with pytest.raises(MutationRecordError, match="has no lines"):
        put_into(page, "slowdown", "")


def test_the_command_lists_and_refuses(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    asked = ["mutate", "--only", "wire/reasons.py:*", "--kind", "both", "--list"]
    assert main(asked) == 0
    told = capsys.readouterr().out
    assert told.startswith("wire/reasons.py:")
    assert main(asked) == 0
    assert capsys.readouterr().out == told
    assert main(["mutate", "--only", "nowhere/*:*", "--list"]) == 2
    assert "no function of p2pcore matches" in capsys.readouterr().err
    for wrong in (["--sample", "0"], ["--budget", "3"], ["--budget", "0h"], ["--kind", "x"]):
        with pytest.raises(SystemExit) as end:
            main(["mutate", *wrong])
        assert end.value.code == 2
    page = tmp_path / "page.md"  # before anything is tried
    assert main(["mutate", "--only", "wire/reasons.py:*", "--docs", str(page)]) == 2
    told, said = capsys.readouterr()
    assert "page.md has no lines" in said
    assert told == ""
    full = tmp_path / "full"
    full.mkdir()
    (full / "file").touch()
    assert main(["mutate", "--only", "wire/reasons.py:*", "--out", str(full)]) == 2
    assert "holds no run" in capsys.readouterr().err
