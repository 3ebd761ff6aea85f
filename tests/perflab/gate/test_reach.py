"""What reaches a change comes first, as much as fits, and nothing is measured twice or left out."""

from pathlib import Path

import pytest

import p2pcore
from perflab.gate import reach as reach_module
from perflab.gate import run
from perflab.gate.cause.questions import Question, QuestionKind
from perflab.gate.clock import USUAL_S, BudgetClock
from perflab.gate.policy import load_policy
from perflab.gate.reach import FIRST_S, first_figures, reach_of, seconds_of
from perflab.gate.recorder import Recorder
from perflab.gate.run import STAGES
from perflab.gate.seeded_defects import Edit, apply
from perflab.gate.symbol_edits import begin
from perflab.results.checkout import Commit, commit_of
from tests.perflab.gate.test_end_to_end import repository as whole
from tests.perflab.results.test_checkout import git

__all__ = ["whole"]  # a fixture

CORE = str(Path(p2pcore.__file__).parents[1])
BOX = """
LIMIT = 3

def put(value):
    return value + LIMIT

def get():
    return 1
"""
PUT, GET = "p2pcore/box.py:put", "p2pcore/box.py:get"
REACH = {
    Question(QuestionKind.OPERATION, "store", "8"): {PUT: 0.5, GET: 0.1},
    Question(QuestionKind.OPERATION, "retrieve", "8"): {GET: 0.6},
    Question(QuestionKind.MICRO, "store_put"): {PUT: 1.0},
    Question(QuestionKind.MICRO, "store_get"): {GET: 1.0},
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "p2pcore").mkdir()
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    commit(tmp_path, BOX)
    return tmp_path


def commit(root: Path, text: str) -> Commit:
    (root / "p2pcore" / "box.py").write_text(text, encoding="utf-8")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "Box")
    return commit_of(root, "HEAD")


@pytest.mark.parametrize(
    ("old", "new", "put", "get"),
    [
        ("value + LIMIT", "value + LIMIT + 0", True, False),
        ("LIMIT = 3", "LIMIT = 4", True, False),  # a name that put uses
        ("return 1", "return 2", False, True),
        ("return 1", "return 1  # one", False, False),
    ],
)
def test_figures_that_reach_what_changed_come_first(
    old: str, new: str, put: bool, get: bool, repository: Path
) -> None:
    base = commit_of(repository, "HEAD")
    head = commit(repository, BOX.replace(old, new))
    first = first_figures(repository, (base, head), REACH, STAGES, lambda _: True)
    assert ("instructions.store_put" in first.names) is put
    assert ("instructions.store_get" in first.names) is get
    assert ("counts.messages.store.32" in first.names) is (put or get)
    assert ("counts.messages.retrieve.8" in first.names) is get
    assert first.reached >= len(first.names)
    assert not any(name.startswith(("cpu.", "simulated.")) for name in first.names)


def test_only_as_much_comes_first_as_fits_and_what_is_reached_most(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = commit_of(repository, "HEAD")
    head = commit(repository, BOX.replace("return 1", "return 2").replace("LIMIT\n", "LIMIT + 0\n"))
    names = [name.removeprefix("instructions.") for name in STAGES["instructions"]]
    reach = {
        Question(QuestionKind.MICRO, name): {PUT: (1 + place) / len(names)}
        for place, name in enumerate(names)
    }
    first = first_figures(repository, (base, head), reach, STAGES, lambda _: True)
    assert first.seconds > FIRST_S >= seconds_of(first.names, STAGES)
    chosen = [name for name in STAGES["instructions"] if name in first.names]
    assert chosen == list(STAGES["instructions"])[-len(chosen) :]


def test_cheap_stages_count_whole_and_instructions_by_their_number() -> None:
    [one, two, *_] = STAGES["instructions"]
    assert seconds_of([], STAGES) == 0
    assert seconds_of([one, two], STAGES) == pytest.approx(2 * seconds_of([one], STAGES))
    assert seconds_of(["counts.bytes.store.8"], STAGES) == USUAL_S["operations"]
    assert seconds_of(STAGES["instructions"], STAGES) == pytest.approx(USUAL_S["instructions"])


def test_what_a_base_reaches_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, figures = Commit("a" * 40, "Base"), ["instructions.store_put", "instructions.store_get"]
    found = reach_of(tmp_path, base, CORE, figures)
    put = found[Question(QuestionKind.MICRO, "store_put")]
    assert put["p2pcore/storage/memory.py:MemoryStore.put"] > 0.2
    assert sum(put.values()) <= 1.0
    monkeypatch.setattr(reach_module, "_taken", lambda *_: pytest.fail("asked again"))
    assert reach_of(tmp_path, base, CORE, figures) == found
    [file] = (tmp_path / ".asv" / "gate" / "reach").iterdir()
    file.write_text("{", encoding="utf-8")  # cut off
    with pytest.raises(pytest.fail.Exception):
        reach_of(tmp_path, base, CORE, figures)


def test_the_edge_reaches_what_it_executes(tmp_path: Path) -> None:
    """A trace that comes from a child is a list, and was taken for one of memory: no figure of the
    edge reached anything."""
    figure = "counts.c_calls.edge_store.asyncio"
    [(question, shares)] = reach_of(tmp_path, Commit("0" * 40, "Core"), CORE, [figure]).items()
    assert question == Question(QuestionKind.EDGE, "store", "asyncio")
    assert {name.split("/")[1] for name in shares} >= {"aio", "session", "replication", "storage"}
    assert sum(shares.values()) < 1  # the rest is the loop's


def test_a_sheet_takes_down_what_is_asked_for_now() -> None:
    sheet = Recorder(Commit("0" * 40, "Sheet"), None, lambda name: name != "never")
    with sheet.taking({"one", "never"}.__contains__):
        assert [name for name in ("one", "two", "never") if sheet.wanted(name)] == ["one"]
    assert [name for name in ("one", "two", "never") if sheet.wanted(name)] == ["one", "two"]


def test_a_gate_tells_first_what_is_reached_and_measures_the_rest_once(
    whole: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "FIRST_S", 0.0)  # so that few figures have an order, too
    base = commit_of(whole, "HEAD")
    apply(Edit("more", (begin("storage/memory.py", "MemoryStore.get", "len('')"),)), whole)
    git(whole, "commit", "--quiet", "--all", "--message", "More")
    commits = base, commit_of(whole, "HEAD")
    reached, other = "counts.c_calls.retrieve.8", "counts.modules.import.core"
    sheets = [Recorder(each, None, (reached, other).__contains__) for each in commits]
    run.take_all(
        whole, (sheets[0], sheets[1]), commits, load_policy(), BudgetClock(600),
        (reached, other).__contains__, anyway=False, by_reach=True,
    )  # fmt: skip
    for sheet in sheets:
        metrics = sheet.measured().metrics
        assert sorted(metrics) == [reached, other]
        assert all(len(metric.stages[0]) == 1 for metric in metrics.values())
    lines = capsys.readouterr().out.splitlines()
    told = [
        next(place for place, line in enumerate(lines) if words in line)
        for words in ("first 1 of 1 figures", "counting operations", f"slower are {reached}",
                      "counting modules")
    ]  # fmt: skip
    assert told == sorted(told)
