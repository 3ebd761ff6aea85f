"""`python -m perflab` as a whole: as one end of a pipe, and what its texts say of commands."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.common.entry import SUITE_PARENT
from perflab.__main__ import COMMANDS


def test_a_reader_that_has_enough_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "perflab", "load", "--list"]
    done = subprocess.run(
        command, stdout=writing, stderr=subprocess.PIPE, text=True, cwd=SUITE_PARENT
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


BEGUN = """
import runpy, sys

class Interrupted:
    def find_spec(name, path, target=None):
        if name == "perflab.load":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupted)
runpy.run_module("perflab", run_name="__main__")
"""


def test_an_interrupt_while_it_begins_is_one_line() -> None:
    command = [sys.executable, "-c", BEGUN, "load"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=SUITE_PARENT)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


TOLD = re.compile(r"python -m ([a-z_.0-9]+)(?: (?=[a-z]+\b)([a-z]+))?")


def texts(file: Path) -> Iterator[str]:
    """What a module can say: its texts as they are printed, not as its lines are broken."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(getattr(each, "value", "")) for each in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize("tree", ["perflab", "benchmarks", "p2pcore"])
def test_commands_that_are_advised_are_there(tree: str) -> None:
    modules = ("perflab", "benchmarks", "p2pcore", "tests")
    told = {
        (match[1], match[2])
        for file in (Path(SUITE_PARENT) / tree).rglob("*.py")
        for text in texts(file)
        for match in TOLD.finditer(text)
        if match[1].split(".")[0] in modules
    }
    commands = {("perflab", name) for name in (each.name for each in COMMANDS)}
    for module, command in told:
        assert importlib.util.find_spec(f"{module.rstrip('.')}"), module
        if module == "benchmarks" or (module == "perflab" and command):
            assert (module, command) in commands
    assert told or tree == "benchmarks"
