"""The examples of docs/simulation.md and of the package run as they stand."""

import re
from pathlib import Path
from textwrap import dedent

import pytest

import p2pcore.sim

PAGE = Path(__file__).parent.parent.parent / "docs" / "simulation.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 5


@pytest.mark.parametrize("number", range(5))
def test_example_runs(number: int) -> None:
    exec(compile(EXAMPLES[number], f"{PAGE.name}, example {number + 1}", "exec"), {})


def test_the_docstring_runs() -> None:
    code = re.search(r"\n\n((?:    .*\n|\n)+)", p2pcore.sim.__doc__ or "")
    assert code is not None
    exec(dedent(code[1]), {})
