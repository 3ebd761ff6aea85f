"""A module more in an import is found, and an import that fails is no figure."""

import datetime
import shutil
from pathlib import Path

import pytest

import p2pcore
from perflab.gate.imports import IMPORT_METRICS, count_import, take_imports
from perflab.gate.instructions import InstructionError, unavailable
from perflab.gate.judge import GateVerdict, judge
from perflab.gate.policy import load_policy
from perflab.gate.recorder import Recorder
from perflab.results.checkout import Commit

CORE = Path(p2pcore.__file__).parent
COMMIT = Commit("0" * 40, "Mutated")
MODULES = "counts.modules.import.core"


def test_a_module_more_is_counted(tmp_path: Path) -> None:
    shutil.copytree(CORE, tmp_path / "p2pcore", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "p2pcore" / "more.py").touch()
    with (tmp_path / "p2pcore" / "version.py").open("a", encoding="utf-8") as file:
        file.write("\nimport p2pcore.more\n")
    sheets = Recorder(COMMIT), Recorder(COMMIT)
    take_imports(sheets, (str(CORE.parent), str(tmp_path)), MODULES.__eq__, lambda: True)
    base, head = (sheet.measured() for sheet in sheets)
    outcome = judge(base, head, load_policy(), datetime.date.today())
    [each] = [one for one in outcome.judgements if one.name == MODULES]
    assert each.verdict is GateVerdict.REGRESSION
    assert each.base > 1
    assert each.head == each.base + 1


def test_the_edge_is_not_loaded_before_it_is_used() -> None:
    core, edge = (
        count_import(what, str(CORE.parent), instructions=False) for what in ("core", "edge")
    )
    assert core[MODULES] * 2 < edge["counts.modules.import.edge"]


def test_a_core_that_can_not_be_imported_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "p2pcore").mkdir()
    (tmp_path / "p2pcore" / "__init__.py").write_text("raise SystemExit(7)", encoding="utf-8")
    with pytest.raises(InstructionError, match="ended with 7"):
        count_import("core", str(tmp_path), instructions=False)


@pytest.mark.slow
@pytest.mark.skipif(bool(unavailable()), reason=unavailable() or "valgrind is there")
def test_instructions_of_an_import_are_nearly_the_same_again() -> None:
    name = "instructions.import_core"
    one, two = (count_import("core", str(CORE.parent), instructions=True)[name] for _ in range(2))
    assert one > 10**6
    assert abs(one / two - 1) < 0.01


def test_without_valgrind_instructions_are_skipped_with_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    sheets = Recorder(COMMIT), Recorder(COMMIT)
    take_imports(sheets, (str(CORE.parent),) * 2, lambda _: True, lambda: True)
    metrics = sheets[0].measured().metrics
    assert metrics.keys() == set(IMPORT_METRICS)
    assert metrics["instructions.import_edge"].skipped == "valgrind is not installed"
