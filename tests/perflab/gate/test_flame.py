"""Two trees become one, and the page says what does more; of equal commits, nothing."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from perflab.__main__ import main
from perflab.gate.flame import merged, page
from perflab.results.checkout import Commit

COMMITS = Commit("a" * 40, "Base </script>"), Commit("b" * 40, "Head")
BEFORE = ["", 0, 0, [["a.py:top", 2, 20, [["built in:len", 2, 0, []], ["a.py:gone", 2, 8, []]]]]]
AFTER = ["", 0, 0, [["a.py:top", 4, 60, [["built in:len", 8, 0, []], ["a.py:new", 4, 4, []]]]]]


def test_two_trees_become_one_per_operation() -> None:
    [top] = merged(BEFORE, AFTER, 2, 4)[5]
    assert top[:5] == ["a.py:top", 10, 15, 1, 1]
    assert {each[0]: each[1:5] for each in top[5]} == {
        "built in:len": [10, 20, 1, 2],  # a call of C counts as ten steps
        "a.py:gone": [4, 0, 1, 0],
        "a.py:new": [0, 1, 0, 1],
    }


def test_the_page_has_all_of_it_and_needs_nothing_else() -> None:
    text = page("store <8> nodes", COMMITS, ((BEFORE, 2), (AFTER, 4)))
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    data: list[Any] = json.loads(found[1])
    assert data == merged(BEFORE, AFTER, 2, 4)
    assert "store &lt;8&gt; nodes" in text
    assert "Base &lt;/script&gt;" in text
    assert not re.search(r'(?:src|href)="', text)


def test_an_unknown_figure_is_bad_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = str(tmp_path / "flame.html")
    assert main(["flame", "HEAD", "HEAD", "--of", "cpu.nothing", "--output", output]) == 3
    assert "no trace stands for 'cpu.nothing'" in capsys.readouterr().err


def test_equal_commits_do_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "flame.html"
    figure = "instructions.store_put"
    assert main(["flame", "HEAD", "HEAD", "--of", figure, "--output", str(output)]) == 0
    data = re.search(r'id="data">(.*?)</script>', output.read_text(encoding="utf-8"), re.DOTALL)
    assert data is not None
    stack = json.loads(data[1])[5]
    assert stack
    while stack:
        name, before, after, calls, calls_after, below = stack.pop()
        assert (before, calls) == (after, calls_after), name
        stack += below
