"""Real mutants of the real core meet real figures, tests and checkers: a small sample."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from perflab.gate.cause.questions import Question, QuestionKind
from perflab.gate.policy import load_policy
from perflab.gate.reach import traced_for
from perflab.gate.seeds import Play
from perflab.mutate.cover import CoverError, CoverMap, cover_of, executing
from perflab.mutate.draw import CALL, COPY, CoreFile, Mutant, MutantDraws, MutantKind
from perflab.mutate.figures import FigureJudge
from perflab.mutate.record import Guard
from perflab.mutate.trial import TIMED_OUT, MutantTrial, TrialError, linked
from tests.house import ROOT

STORE = Question(QuestionKind.OPERATION, "store", "8")
ENCODE = "wire/codec.py", "encode_frame"
PUT = "storage/memory.py", "MemoryStore.put"
NO_TESTS = CoverMap(core="")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("base")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "p2pcore", place / "p2pcore", ignore=ignored)
    return place


def mutant(where: tuple[str, str], change: str) -> Mutant:
    """The one of a function with this operator, or that says this; some seed draws it."""
    file, symbol = where
    core = CoreFile(file, (ROOT / "p2pcore" / file).read_text(encoding="utf-8"))
    [node] = [node for name, node in core.functions() if name == symbol]
    draws = MutantDraws(core)
    for seed in range(200):
        for kind in MutantKind:
            each = draws.of(symbol, node, kind, seed)
            if each is not None and change in (each.operator, each.said):
                return each
    raise AssertionError(f"no seed says {change} of {symbol}")


def trial(base: Path, reach: set[str], cover: CoverMap, seeds: tuple[int, ...] = ()) -> MutantTrial:
    figures = FigureJudge(str(base), {STORE: dict.fromkeys(reach, 0.1)}, load_policy())
    return MutantTrial(root=ROOT, base=base, figures=figures, cover=cover, seeds=seeds)


def test_a_slowdown_is_seen_by_the_figures_that_it_can_show_in(base: Path, tmp_path: Path) -> None:
    called, copied = mutant(ENCODE, CALL), mutant(ENCODE, COPY)
    whole = trial(base, {called.function}, NO_TESTS)
    by = whole.of(called, tmp_path / "called").by
    assert "counts.c_calls.store.8" in by
    assert not any(name.startswith("counts.messages.") for name in by)
    result = whole.of(copied, tmp_path / "copied")
    assert (result.guard, result.reached) == (Guard.FIGURE, 1)
    assert "counts.allocations.store.8" in result.by
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("after", "seen"),
    [([9.0, 9.0, 9.0, 9.0], True), ([9.0, 5.0], False), ([5.0], False)],
)
def test_seeds_are_played_until_no_figure_can_be_worse(
    monkeypatch: pytest.MonkeyPatch, after: list[float], seen: bool
) -> None:
    figure, called = "events.c_calls.join.8", mutant(ENCODE, CALL)
    played: list[int] = []

    def find(core: str, seed: int) -> dict[str, float]:
        played.extend([seed] * (core == "head"))
        return {figure: after[seed] if core == "head" else 5.0}

    monkeypatch.setattr("perflab.mutate.figures.PLAYS", (Play("joins", (figure,), find),))
    monkeypatch.setattr("perflab.mutate.figures.LATE", ())
    question = traced_for(figure)
    assert question is not None
    judge = FigureJudge("base", {question: {called.function: 1.0}}, load_policy())
    assert judge.seen_by(called, "head") == [figure] * seen
    assert played == list(range(len(after)))


def test_a_base_that_cannot_be_measured_says_nothing_of_a_mutant(
    base: Path, tmp_path: Path
) -> None:
    called, broken = mutant(ENCODE, CALL), tmp_path / "broken" / "p2pcore"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise RuntimeError('broken')\n", encoding="utf-8")
    reach = {STORE: {called.function: 1.0}}
    figures = FigureJudge(str(broken.parent), reach, load_policy())
    whole = MutantTrial(root=ROOT, base=base, figures=figures, cover=NO_TESTS)
    with pytest.raises(TrialError, match="base could not be measured"):
        whole.of(called, tmp_path / "called")


def test_a_function_that_no_question_executes_is_said_to_be_so(base: Path, tmp_path: Path) -> None:
    result = trial(base, set(), NO_TESTS).of(mutant(ENCODE, CALL), tmp_path / "called")
    assert (result.guard, result.by, result.reached) == (Guard.UNREACHED, [], 0)


def test_a_weakening_is_noticed_by_a_test_that_executes_its_line(
    base: Path, tmp_path: Path
) -> None:
    file = tmp_path / "tests.json"
    cover = cover_of(ROOT, base, "this", file, ["test_address.py"])
    assert cover_of(ROOT, base, "this", file, ["nothing"]) == cover  # once
    weak = mutant(("address.py", "split_address"), "':' in host → (':' not in host)")
    chosen = executing(cover, weak)
    assert len(cover.tests) > len(chosen) > 0
    assert all(weak.line in each.lines[weak.file] for each in chosen)
    result = trial(base, set(), cover).of(weak, tmp_path / "weak")
    assert result.guard == Guard.TEST
    assert result.by[0].startswith("tests/test_address.py::")


def test_a_weakening_is_noticed_by_a_checker_or_by_nobody(base: Path, tmp_path: Path) -> None:
    lost = mutant(PUT, "self._records[key] = record → nothing")
    result = trial(base, set(), NO_TESTS, (1,)).of(lost, tmp_path / "lost")
    assert result.guard == Guard.CHECKER
    assert result.by[0].endswith(", seed 1")
    alone = trial(base, set(), NO_TESTS).of(lost, tmp_path / "lost")
    assert (alone.guard, alone.reached) == (Guard.UNREACHED, 0)


def test_a_mutant_that_goes_on_and_on_is_ended_by_its_processor_time(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perflab.mutate.trial.START_S", 1.0)
    monkeypatch.setattr("perflab.mutate.trial.SEED_S", 1.0)
    line = "        self.size_bytes += growth\n"
    text = (ROOT / "p2pcore" / PUT[0]).read_text(encoding="utf-8")
    assert line in text
    endless = text.replace(line, "        while True:\n            pass\n", 1)
    weak = replace(mutant(PUT, "self.size_bytes += growth → nothing"), text=endless)
    result = trial(base, set(), NO_TESTS, (1,)).of(weak, tmp_path / "weak")
    assert (result.guard, result.by) == (Guard.TIMEOUT, [TIMED_OUT])


def test_tests_that_do_not_run_are_an_error_with_their_words(base: Path, tmp_path: Path) -> None:
    with pytest.raises(CoverError, match="no_such_room"):
        cover_of(ROOT, base, "this", tmp_path / "tests.json", ["no_such_room.py"])


def test_links_leave_base_as_it_is(base: Path, tmp_path: Path) -> None:
    linked(base, tmp_path / "mutant")
    node = "p2pcore/node.py"
    assert (tmp_path / "mutant" / node).samefile(base / node)
