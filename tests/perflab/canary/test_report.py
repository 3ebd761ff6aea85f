"""The answer comes first, the record comes back as it was, and a run can be watched."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from perflab.canary.judge import FIGURES, CanaryJudge
from perflab.canary.record import (
    FORMAT,
    PAIRS,
    RESULT,
    VERSION,
    CanaryRecordError,
    CanaryResult,
    SlotFigures,
    read_canary,
    read_pairs,
    write_canary,
    write_pair,
)
from perflab.canary.report import canary_html, canary_markdown
from perflab.canary.view import CanaryLines, CanaryTable
from tests.perflab.canary.slots import USUAL, pair

RUN = [pair(number, warm_up=number < 5, cpu_s=0.033) for number in range(40)]


def result() -> CanaryResult:
    judge = CanaryJudge(FIGURES)
    for each in RUN:
        judge.take(each)
    return CanaryResult(
        format=FORMAT,
        version=VERSION,
        began="2026-11-29T12:00:00+00:00",
        command="python -m perflab canary",
        commit="1a2b3c4d" * 5,
        question="candidate b beside baseline a",
        baseline="a",
        candidate="b",
        seed=0,
        settings={"rate": 1000.0},
        machine={"processor": "P", "cores": 2},
        versions={"python": "3.13"},
        interrupted=False,
        ruling=judge.end("time is over"),
        figures=judge.standings(),
        operations=4000,
    )


def test_markdown_has_the_answer_first_and_a_row_for_each_figure() -> None:
    lines = canary_markdown(result()).splitlines()
    assert lines[0] == "# roll back"
    assert any(line.startswith("decided by cpu: cpu +10 %") for line in lines)
    assert sum(line.startswith("| ") for line in lines) == 2 + len(FIGURES)
    assert any("WORSE" in line and "processor time of the nodes" in line for line in lines)


def test_the_page_stands_alone_and_has_a_picture_of_each_figure() -> None:
    page = canary_html(result(), RUN)
    assert "<h1>Roll back</h1>" in page
    assert page.count("<svg") == len(FIGURES)
    assert "http" not in page.replace("http://www.w3.org", "")


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    write_canary(result(), tmp_path)
    assert read_canary(tmp_path) == result()
    with (tmp_path / PAIRS).open("wb", 0) as file:
        for each in RUN:
            write_pair(each, file)
        file.write(b'{"number": 7')  # cut off in the middle
    assert list(read_pairs(tmp_path)) == RUN


@pytest.mark.parametrize(
    ("text", "words"),
    [("{}", "missing required field"), ("[1", "truncated"), ('{"format": "x"}', "missing")],
)
def test_other_files_are_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / RESULT).write_text(text)
    with pytest.raises(CanaryRecordError, match=words):
        read_canary(tmp_path)


def test_other_versions_are_refused(tmp_path: Path) -> None:
    write_canary(replace(result(), version=VERSION + 1), tmp_path)
    with pytest.raises(CanaryRecordError, match=f"version {VERSION + 1}"):
        read_canary(tmp_path)


@pytest.mark.parametrize(
    "changed", [{"operations": 0}, {"failed": 101}, {"beyond": -1}, {"p50_s": -1.0}]
)
def test_slots_that_cannot_be_are_refused(changed: dict[str, float]) -> None:
    with pytest.raises(CanaryRecordError):
        SlotFigures(**USUAL | changed)


def test_lines_tell_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    view, judge = CanaryLines(), CanaryJudge(FIGURES)
    for each in RUN:
        judge.take(each)
        view.pair(each, judge)
    view.end()
    (line,) = capsys.readouterr().out.splitlines()
    assert "pairs: p50 +0" in line


def test_the_table_is_drawn_and_leaves_the_terminal() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=160)
    view, judge = CanaryTable("b beside a", 60, console), CanaryJudge(FIGURES)
    for each in RUN:
        judge.take(each)
        view.pair(each, judge)
    view.end()
    assert "Ctrl-C ends" in out.getvalue()
    assert "could have seen" in out.getvalue()
