"""Edits find their places by symbols: however the core's lines are written, they apply."""

import ast
import shutil
from pathlib import Path

import pytest

import p2pcore
from perflab.gate.seeded_defects import DEFECTS, NEUTRAL, Edit, apply
from perflab.gate.symbol_edits import (
    EditError,
    SymbolEdit,
    after,
    before,
    begin,
    fields,
    moved,
    renamed,
    replaced,
    twice,
    within,
    wrapped,
)

CORE = Path(p2pcore.__file__).parent
TEXT = '''"""A module."""

LIMIT = 3  # of é


def send(text: str, /) -> str:
    """Send it."""
    size = len(text)
    for each in range(LIMIT):
        print(each, "é", size)
    return text if size else ""


class Box:
    """Has things."""

    width: int
    height: int = 2

    @property
    def area(self) -> int:
        return self.width * self.height

    def put(self) -> None:
        self.width += LIMIT
'''


def changed(change: SymbolEdit) -> str:
    return change.apply(TEXT)


@pytest.mark.parametrize("edit", [*NEUTRAL, *DEFECTS], ids=lambda edit: edit.name)
@pytest.mark.parametrize("rewritten", [False, True])
def test_every_edit_applies_to_the_core_and_to_the_core_written_otherwise(
    edit: Edit, rewritten: bool, tmp_path: Path
) -> None:
    shutil.copytree(CORE, tmp_path / "p2pcore", ignore=shutil.ignore_patterns("__pycache__"))
    files = {tmp_path / "p2pcore" / change.file for change in edit.changes}
    for file in files if rewritten else ():  # other lines, no comment, other quotes
        file.write_text(ast.unparse(ast.parse(file.read_text())) + "\n")
    before = {file: file.read_text() for file in files}
    apply(edit, tmp_path)
    for file, text in before.items():
        assert file.read_text() != text
        compile(file.read_text(), file.name, "exec")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (begin("m", "send", "pass"), '    """Send it."""\n    pass\n    size ='),
        (
            before("m", "Box", "import os"),
            ' if size else ""\n\n\nimport os\nclass Box',
        ),
        (before("m", "Box.area", "x = 1"), "    x = 1\n    @property\n"),
        (after("m", "LIMIT", "LEAST = 1"), "LIMIT = 3  # of é\nLEAST = 1\n"),
        (fields("m", "Box", "depth: int = 1"), "    height: int = 2\n    depth: int = 1\n"),
        (within("m", "send", "if True:"), "    if True:\n        size = len(text)\n        for "),
        (wrapped("m", "Box.put", "def put(self): ..."), "    def _plain_put(self) -> None:\n"),
        (
            twice("m", "send", "print"),
            '(each, "é", size)\n        print(each, "é", size)\n',
        ),
        (replaced("m", "send", "len(text)", "len(text) + 1"), "    size = len(text) + 1\n"),
        (renamed("m", "send"), '        print(each_, "é", size_)\n    return text if size_ else'),
        (moved("m", "Box.area"), "        self.width += LIMIT\n\n    @property\n    def area"),
    ],
)
def test_each_change_is_made_where_its_symbol_stands(change: SymbolEdit, line: str) -> None:
    text = changed(change)
    assert line in text
    compile(text, "m", "exec")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (begin("m", "receive", "pass"), "m, receive: there is no receive"),
        (begin("m", "Box.take", "pass"), "m, Box.take: there is no take"),
        (begin("m", "Box", "pass"), "it is no function"),
        (twice("m", "send", "open"), "no statement in it calls open"),
        (replaced("m", "send", "more", "less"), "it has no more"),
        (renamed("m", "Box.area"), "it assigns no name"),
        (moved("m", "Box.put"), "it is the last of its class"),
    ],
)
def test_what_is_not_there_is_named(change: SymbolEdit, words: str) -> None:
    with pytest.raises(EditError, match=words):
        changed(change)
