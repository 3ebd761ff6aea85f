"""`python -m perflab explain`: of what alerts told, and of a gate's verdict."""

import json
from pathlib import Path
from typing import Any

import pytest

from perflab.__main__ import main
from perflab.results.culprits import CULPRITS, StepCulprit, write_culprits
from tests.perflab.alerts.test_command import NAME, Project
from tests.perflab.culprit.test_steps import CULPRIT, MEASURED, project, recorded, stepped

__all__ = ["project"]

RED = {
    "verdict": "regression", "kind": "exact", "unit": "bytes", "base": 100.0, "head": 110.0,
    "ratio": 1.1, "low": 1.1, "high": 1.1, "smallest": 1.0, "mean": None, "rounds": 1, "why": "",
    "accepted": None,
}  # fmt: skip
VERDICT: dict[str, Any] = {
    "version": 1,
    "base": {"commit": "a" * 40, "subject": "Base"},
    "head": {"commit": "b" * 40, "subject": "Head"},
    "about": {"machine": "box"},
    "cause": None,
    "benchmarks": {
        "counts.bytes.store.8": RED,
        "counts.messages.store.8": {**RED, "unit": "messages", "base": 0.0, "ratio": None},
        "cpu.clock": {**RED, "verdict": "improvement", "kind": "paired", "ratio": 0.9},
        "counts.bytes.delete.8": {**RED, "verdict": "unchanged", "ratio": 1.0},
    },
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "verdict.json").write_text(json.dumps(VERDICT), encoding="utf-8")
    return folder


def test_a_step_of_the_history_is_listed_and_explained(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded(project, "exact", stepped())
    main(["alerts"])
    capsys.readouterr()
    assert main(["explain"]) == 0
    assert f"1  alarm        +25 %  {NAME}  on box" in capsys.readouterr().out
    assert main(["explain", "1"]) == 0
    (page,) = (project.root / ".asv" / "alerts" / "explain").glob("*.html")
    content = json.loads(page.with_suffix(".json").read_text())
    assert content["commit"] == project.commits[30]
    assert content["step"] == [24, 30]
    assert len(content["series"]) == len(MEASURED)
    assert content["no_cause"] == "no trace stands for this figure"
    assert content["reproduce"].startswith("asv continuous ")
    assert "bisect --steps finds the one" in page.read_text()


def test_the_commit_that_was_found_is_the_page_s(project: Project) -> None:
    recorded(project, "paired", stepped())
    main(["alerts"])
    (found,) = json.loads((project.root / ".asv" / "alerts" / "alerts.json").read_text())[
        "findings"
    ]
    culprit = StepCulprit(
        machine=found["machine"], environment=found["environment"], series=NAME,
        good=found["good"], last=found["last"], commits=9, commit=project.commits[CULPRIT],
        subject="Commit", probability=0.99, builds=5, certain=True,
    )  # fmt: skip
    write_culprits(project.root / ".asv" / "alerts" / CULPRITS, [culprit])
    assert main(["explain", "--all", "--no-trace"]) == 0
    (page,) = (project.root / ".asv" / "alerts" / "explain").glob("*.json")
    content = json.loads(page.read_text())
    assert content["commit"] == project.commits[CULPRIT]
    assert content["where"] == "99 %, by 5 builds among 9 commits"
    assert content["traced"] == [project.commits[CULPRIT - 1], project.commits[CULPRIT]]
    assert content["low"] < content["ratio"] < content["high"]


def test_the_reddest_figure_of_a_gate_is_explained(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", str(run)]) == 0
    content = json.loads((run / "explain.json").read_text())
    assert content["figure"] == "counts.messages.store.8"  # from 0 is more than a tenth
    assert content["ratio"] is None
    assert {each["figure"] for each in content["moved"]} == {"counts.bytes.store.8", "cpu.clock"}
    assert main(["explain", str(run), "counts.bytes.store.8", "--output", str(run / "x")]) == 0
    text = (run / "x" / "explain.md").read_text()
    assert "### counts.bytes.store.8: +10 %" in text
    assert "--only counts.bytes.store.8 --anyway" in text
    assert (run / "x" / "explain.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "has no step; `python -m perflab alerts` looks"),
        (["nowhere", "counts.x"], "nowhere is no folder of a gate's run"),
        (["RUN", "counts.byte"], "this gate has no figure 'counts.byte'; red are"),
        (["RUN/.."], "is no verdict of a gate"),
    ],
)
def test_what_is_not_there_is_one_line_and_two(
    arguments: list[str], words: str, run: Path, project: Project,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert main(["explain", *(each.replace("RUN", str(run)) for each in arguments)]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("change", [{"version": 2}, {"benchmarks": {"x": {}}}, {"benchmarks": []}])
def test_a_damaged_verdict_is_one_line_and_two(
    change: dict[str, Any], run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "verdict.json").write_text(json.dumps({**VERDICT, **change}))
    assert main(["explain", str(run)]) == 2
    assert "verdict" in capsys.readouterr().err


def test_a_name_that_is_none_lists_those_there_are(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded(project, "exact", stepped())
    main(["alerts"])
    assert main(["explain", "nothing"]) == 2
    told = capsys.readouterr()
    assert "no step is called 'nothing'" in told.err
    assert NAME in told.out
