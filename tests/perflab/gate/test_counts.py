"""Real defects, put into copies of p2pcore: the gate finds each in the metric it belongs to.

Base is the checkout's core, head the same with one line more; both are counted by real processes.
"""

import datetime
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from queue import Queue

import pytest

import p2pcore
from perflab.gate import counts as gate_counts
from perflab.gate.instructions import InstructionError, count_instructions, unavailable
from perflab.gate.judge import GateOutcome, GateVerdict, judge
from perflab.gate.policy import load_policy
from perflab.gate.recorder import Recorder
from perflab.gate.seeded_defects import (
    CODEC,
    DEFECTS,
    NEUTRAL,
    Edit,
    EditError,
    apply,
    misplaced,
)
from perflab.gate.symbol_edits import begin
from perflab.results.checkout import Commit

CORE = Path(p2pcore.__file__).parent
COMMIT = Commit("0" * 40, "Mutated")

ELSEWHERE = (
    "one more call per request at the edge",
    "large frames are copied once more",
    "a timer looks at every record",
)
"""Those that `test_edge.py`, `test_sizes.py` and `test_populations.py` look for."""
SEEDED = [edit for edit in DEFECTS if edit.name not in ELSEWHERE]
SHORT = {edit.name: edit for edit in SEEDED if edit.must[0].startswith("counts.")} | {
    "a call per message": Edit(
        "a call per message",
        (begin(CODEC, "encode_frame", "len(b'')"),),
        ("counts.c_calls.store.8",),
        ("counts.allocations.store.8",),
    )
}
FATTER = next(edit for edit in DEFECTS if edit.name == "64 bytes more per record")
HARDER = [edit for edit in SEEDED if edit.must[0].startswith("instructions.")]


def mutated(place: Path, *edits: Edit) -> str:
    """A directory with a copy of p2pcore and these edits."""
    shutil.copytree(CORE, place / "p2pcore", ignore=shutil.ignore_patterns("__pycache__"))
    for edit in edits:
        apply(edit, place)
    return str(place)


def counted(head: str, pattern: str) -> GateOutcome:
    def wanted(name: str) -> bool:
        return fnmatchcase(name, pattern)

    sheets = Recorder(COMMIT, None, wanted), Recorder(COMMIT, None, wanted)
    gate_counts.take_operations(sheets, (str(CORE.parent), head), lambda: True)
    base, after = (sheet.measured() for sheet in sheets)
    return judge(base, after, load_policy(), datetime.date.today())


def blamed(outcome: GateOutcome) -> set[str]:
    return {each.name for each in outcome.regressions}


@pytest.mark.parametrize("name", SHORT)
def test_each_defect_is_found_where_it_belongs(name: str, tmp_path: Path) -> None:
    edit = SHORT[name]
    operation = "first_retrieve" if "hop" in name else "store"
    outcome = counted(mutated(tmp_path, edit), f"counts.*.{operation}.8")
    found = blamed(outcome)
    assert outcome.code == 1
    [must] = [each for each in edit.must if f".{operation}.8" in each]
    assert must in found
    assert not misplaced(edit, found)
    if must != f"counts.messages.{operation}.8":  # a message more is everything else more, too
        assert f"counts.messages.{operation}.8" not in found
    each = next(one for one in outcome.judgements if one.name == must)
    if name == "200 bytes more per frame":
        assert each.head - each.base == pytest.approx(6 * 200)
    if name == "one extra message":
        assert each.head - each.base == pytest.approx(3)  # replies of three replicas


def kept(head: str) -> GateOutcome:
    sheets = Recorder(COMMIT), Recorder(COMMIT)
    gate_counts.take_memory(sheets, (str(CORE.parent), head), lambda: True)
    base, after = (sheet.measured() for sheet in sheets)
    return judge(base, after, load_policy(), datetime.date.today())


def test_a_record_that_keeps_more_is_found_by_the_byte(tmp_path: Path) -> None:
    outcome = kept(mutated(tmp_path, FATTER))
    assert blamed(outcome) == {"memory.record.8", "memory.durable_record.8"} == set(FATTER.must)
    for each in outcome.regressions:
        assert each.head - each.base == 3 * 64  # of three replicas, in memory and with disks
    assert outcome.counts() == {GateVerdict.REGRESSION: 2, GateVerdict.UNCHANGED: 2}


def test_neutral_edits_keep_no_more_than_the_floor(tmp_path: Path) -> None:
    outcome = kept(mutated(tmp_path, *NEUTRAL))
    assert outcome.counts() == {GateVerdict.UNCHANGED: len(gate_counts.MEMORY_METRICS)}


def test_neutral_edits_change_no_count(tmp_path: Path) -> None:
    outcome = counted(mutated(tmp_path, *NEUTRAL), "counts.*.store.8")
    assert outcome.code == 0
    assert outcome.counts() == {GateVerdict.UNCHANGED: 5}


def test_an_edit_of_a_symbol_that_is_gone_says_so(tmp_path: Path) -> None:
    with pytest.raises(
        EditError, match=r"old: p2pcore/wire/codec\.py, nowhere: there is no nowhere"
    ):
        mutated(tmp_path, Edit("old", (begin(CODEC, "nowhere", ""),)))


def test_a_core_that_breaks_is_not_slower(tmp_path: Path) -> None:
    edit = Edit(
        "broken", (begin(CODEC, "encode_frame", "raise RuntimeError('broken on purpose')"),)
    )
    outcome = counted(mutated(tmp_path, edit), "counts.messages.store.8")
    assert outcome.code == 2
    [each] = outcome.judgements
    assert each.verdict is GateVerdict.FAILED
    assert "broken on purpose" in each.why


@pytest.mark.slow
@pytest.mark.skipif(bool(unavailable()), reason=unavailable() or "valgrind is there")
def test_a_little_more_work_shows_in_instructions_of_that_function_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_counts, "SEEDS", (0,))  # a process takes half a minute
    names = ["encode_store", "encode_stored", "lookup", "store_get", "store_put", "clock"]
    sheets = Recorder(COMMIT), Recorder(COMMIT)
    head = mutated(tmp_path, *(edit for edit in HARDER if "lock" not in edit.name))
    gate_counts.take_instructions(sheets, (str(CORE.parent), head), names, lambda: True)
    base, after = (sheet.measured() for sheet in sheets)
    outcome = judge(base, after, load_policy(), datetime.date.today())
    found = {each.name: (each.base, each.head) for each in outcome.regressions}
    assert found.keys() == {f"instructions.{name}" for name in names if name != "clock"}, found
    assert all(1.01 < each.ratio < 1.5 for each in outcome.regressions)


@pytest.mark.skipif(bool(unavailable()), reason=unavailable() or "valgrind is there")
def test_a_process_that_fails_under_callgrind_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "p2pcore").mkdir()
    (tmp_path / "p2pcore" / "__init__.py").write_text("raise SystemExit(7)", encoding="utf-8")
    with pytest.raises(InstructionError, match="ended with 7"):
        count_instructions(str(tmp_path), ["clock"], 0)


def test_without_valgrind_instructions_are_skipped_with_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    sheet = Recorder(COMMIT)
    core = str(CORE.parent)
    gate_counts.take_instructions((sheet, Recorder(COMMIT)), (core, core), ["clock"], lambda: True)
    assert sheet.measured().metrics["instructions.clock"].skipped == "valgrind is not installed"


def test_jobs_that_never_began_say_so_and_errors_stay_with_their_job() -> None:
    def fails() -> None:
        raise ValueError("7 is wrong")

    found = gate_counts.side_by_side([("good", lambda: 1), ("bad", fails)], lambda: True)
    assert found["good"] == 1
    assert str(found["bad"]) == "7 is wrong"
    found = gate_counts.side_by_side([("late", lambda: 1)], lambda: False)
    assert isinstance(found["late"], TimeoutError)


def test_an_interrupt_ends_what_the_jobs_have_started() -> None:
    started: Queue[subprocess.Popen[bytes]] = Queue()

    def waits_forever() -> int:
        process = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
        started.put(process)
        return process.wait()

    def looks() -> Iterator[bool]:
        yield True
        yield True
        raise KeyboardInterrupt  # before the third job, which the second one's end makes room for

    look = looks()
    processes: list[subprocess.Popen[bytes]] = []
    jobs = [
        ("one", waits_forever),
        ("two", lambda: processes.append(started.get())),
        ("three", int),
    ]
    with pytest.raises(KeyboardInterrupt):
        gate_counts.side_by_side(jobs, lambda: next(look))
    assert processes[0].poll() is not None
