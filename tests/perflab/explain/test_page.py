"""An explanation as a page: all of it is there, and nothing of a commit becomes markup."""

import json
import math
import subprocess
import tomllib
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from perflab.explain.form import Explanation, MovedFigure, SeriesPoint, trade_group
from perflab.explain.lines import accepting, reproducing
from perflab.explain.page import as_html, as_json, as_markdown
from perflab.gate.cause.form import BlamedHunk, Cause, RisenFunction, TracedQuestion
from perflab.gate.policy import POLICY, load_policy

HOSTILE = "Say <script>alert(1)</script> | @all"
EXPLAINED = Explanation(
    figure="counts.Calls.track_c_calls('store', 8)", unit="calls", kind="exact", state="alarm",
    before=110.0, after=121.0, ratio=1.1, low=1.1, high=1.1, power="any change of it is one",
    machine="box", base="a" * 40, commit="b" * 40, subject=HOSTILE,
    where="99 %, by 4 builds among 11 commits",
    series=tuple(
        SeriesPoint(place=place, commit=f"{place:040}", value=value)
        for place, value in ((0, 110.0), (5, 110.0), (17, 121.0))
    ),
    step=(5, 17), traced=("a" * 40, "b" * 40),
    cause=Cause(
        traced=(
            TracedQuestion(
                said="store, 8 nodes", figures=("counts.c_calls.store.8",),
                functions=(
                    RisenFunction(
                        name="p2pcore/node.py:Node.<locals>.f", calls=(80, 80), steps=(10, 20),
                        changed=True, share=1.0,
                    ),
                ),
            ),
        ),
        hunks=(
            BlamedHunk(
                path="p2pcore/node.py", line=7, lines=1, touches=("f",), score=1.0,
                why="changes f, which does more", text=("-    if a < b:", "+    if <b>:"),
            ),
        ),
        others=2, seconds=3.0,
    ),
    moved=(
        MovedFigure(
            figure="memory.Peak", group="memory", before=10.0, after=8.0, unit="bytes", ratio=0.8,
            sure="told",
        ),
    ),
    same=("counts.Calls.track_c_calls('delete', 8)  +9 %",), reproduce="asv continuous a b",
    accept=accepting("counts.x", 1.1, date(2026, 11, 29)),
)  # fmt: skip
WORDS = (
    "+10 %", "110 calls", "121 calls", "99 %, by 4 builds among 11 commits", "p2pcore/node.py",
    "changes f, which does more", "any change of it is one", "memory.Peak", "-20 %", "delete",
    "asv continuous a b", "perflab/gate/policy.toml", "bbbbbbbb",
)  # fmt: skip


def test_both_pages_have_all_of_it() -> None:
    markdown, page = as_markdown(EXPLAINED), as_html(EXPLAINED)
    for words in WORDS:
        assert words in markdown
        assert words.replace("'", "&#39;") in page
    assert "<script" not in page.lower()
    assert "&lt;script&gt;" in page
    assert "-    if a &lt; b:" in page
    assert "<script" not in markdown
    assert "   -    if a < b:" in markdown
    assert "@all" not in markdown
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")  # it needs nothing else
    assert page.count("<svg") == 1
    assert "the step" in page


def test_what_is_not_known_is_said() -> None:
    bare = replace(
        EXPLAINED, series=(), step=None, cause=None, no_cause="no trace stands for this figure",
        moved=(), same=(), before=0.0, after=3.0, ratio=math.inf, low=math.inf, high=math.inf,
        accept="", commit="", subject="", where="no commit made it (98 %)",
    )  # fmt: skip
    for text in (as_markdown(bare), as_html(bare)):
        assert "from 0" in text
        assert "no trace stands for this figure" in text
        assert "no commit made it" in text
    content = json.loads(as_json(bare))
    assert content["ratio"] is None
    assert content["cause"] is None


@pytest.mark.parametrize(
    "figure", ["counts.c_calls.store.8", "load.X.track_p50('a b', 64, [1])", 'x("100 %")']
)
def test_the_line_that_accepts_does(figure: str, tmp_path: Path) -> None:
    policy = tmp_path / "perflab" / "gate" / "policy.toml"
    policy.parent.mkdir(parents=True)
    policy.write_text(POLICY.read_text(encoding="utf-8"), encoding="utf-8")
    line = accepting(figure, 1.1, date(2026, 11, 29))
    assert "\n" not in line
    subprocess.run(["bash", "-c", line], cwd=tmp_path, check=True)
    entry = tomllib.loads(policy.read_text(encoding="utf-8"))["accept"][-1]
    assert entry["until"] == date(2027, 2, 27)
    accepted = load_policy(policy).acceptance(figure, 1.1, date(2026, 12, 1))
    assert accepted is not None
    assert accepted.reason == "WHY"
    assert load_policy(policy).acceptance(figure, 1.2, date(2026, 12, 1)) is None


def test_the_line_that_repeats_it_asks_the_gate_where_it_has_the_figure() -> None:
    gate = reproducing("cpu.clock", "hotpath.X", "a" * 40, "b" * 40)
    assert gate == f"python -m perflab gate {'a' * 12} {'b' * 12} --only cpu.clock --anyway"
    asv = reproducing("", "load.Sustained.track_p50('500')", "b" * 40 + "^", "b" * 40)
    assert asv == f"asv continuous {'b' * 12}^ {'b' * 12} --bench load.Sustained.track_p50"


@pytest.mark.parametrize(
    ("figure", "group"),
    [
        ("counts.messages.store.8", "messages"),
        ("counts.Bytes.track_bytes('store', 8)", "bytes sent"),
        ("memory.Connection.track_bytes_per_connection", "memory"),
        ("chaos.Losses.track_lost_records('crash')", "guarantees"),
        ("simulated.WarmChurn.track_failed(64)", "guarantees"),
        ("instructions.encode_store", "work"),
        ("baseline.Cpu.track_cpu_seconds('store', 64)", "processor time"),
        ("latency.Percentiles.track_p99('store at 1000/s')", "waiting"),
        ("disk.syncs", "disk"),
    ],
)
def test_figures_are_grouped_by_what_a_change_trades(figure: str, group: str) -> None:
    assert trade_group(figure) == group
