"""What runs differently is told from what only looks different."""

import pytest

from perflab.gate.cause.source import SourceFile

BEFORE = '''
"""A module."""
LIMIT = 3


class Box:
    size: int = 1

    def put(self, value):
        """Put."""
        total = value + LIMIT
        return total

    def get(self):
        return self.size
'''


def runs(text: str, qualname: str = "Box.put") -> object:
    return SourceFile("p2pcore/box.py", text).codes[qualname]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("        total =", "        # why\n        total ="),
        ('"""Put."""', '"""Put it\n        there."""'),
        ("total", "whole"),
        ("LIMIT = 3\n", "LIMIT = 3\n\n\n\n"),
        ("        total =", "        other: int\n        total ="),
    ],
)
def test_what_looks_different_runs_the_same(old: str, new: str) -> None:
    assert runs(BEFORE.replace(old, new)) == runs(BEFORE)


@pytest.mark.parametrize(
    ("old", "new"),
    [("value + LIMIT", "LIMIT + value"), ("        total =", "        len('')\n        total =")],
)
def test_what_runs_differently_is_seen(old: str, new: str) -> None:
    assert runs(BEFORE.replace(old, new)) != runs(BEFORE)


def test_a_line_belongs_to_the_innermost_function_and_statements_to_their_owner() -> None:
    file = SourceFile("p2pcore/box.py", BEFORE)
    lines = BEFORE.split("\n")
    at = {text.strip(): number for number, text in enumerate(lines, 1)}
    span = file.innermost(at["total = value + LIMIT"])
    assert span is not None
    assert span.qualname == "Box.put"
    limit, size = (file.statements[at[text]] for text in ("LIMIT = 3", "size: int = 1"))
    assert (limit.owner, limit.names) == ("<module>", ("LIMIT",))
    assert (size.owner, size.names) == ("Box", ("size",))
    assert at['"""Put."""'] not in file.running
    assert "LIMIT" in file.names["Box.put"]


def test_a_method_in_another_place_is_the_same_statement() -> None:
    put, get = BEFORE[BEFORE.index("    def put") : BEFORE.index("    def get")], "    def get"
    moved = BEFORE.replace(put, "") + "\n" + put
    one, other = SourceFile("a.py", BEFORE), SourceFile("a.py", moved)
    assert get in moved
    assert all(other.has(each) for each in one.statements.values())
    assert not SourceFile("a.py", BEFORE.replace("= 3", "= 4")).has(one.statements[3])


def test_what_is_no_python_is_empty() -> None:
    file = SourceFile("p2pcore/box.py", "def (:")
    assert file.codes == {}
    assert file.innermost(1) is None
