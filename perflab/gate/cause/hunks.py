"""The hunks of a change of the core, each with the functions and names that it touches.

Rule: asks git and reads source; which hunk is to blame, `rank.py` says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from perflab.gate.cause.source import MODULE, SourceFile
from perflab.results.checkout import Commit
from perflab.results.git import CheckoutError, run_git

__all__ = ["ChangedHunk", "function_at", "hunks_of", "referring"]

CORE = "p2pcore"
MOST_HUNKS = 5000
MOST_LINE = 200  # characters, of what is shown
HEADER = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


@dataclass
class ChangedHunk:
    """Some lines of a file below p2pcore/ that head has in the place of others."""

    path: str
    line: int
    count: int
    """Lines in head, from `line` on."""
    text: list[str] = field(default_factory=list)
    functions: set[str] = field(default_factory=set)
    """Whose code differs, "p2pcore/wire/codec.py:encode_frame"."""
    near: set[str] = field(default_factory=set)
    """That it touches without a difference in what runs."""
    names: set[str] = field(default_factory=set)
    """Of modules and classes, that it defines otherwise."""

    @property
    def runs(self) -> bool:
        """Whether anything that runs differs."""
        return bool(self.functions or self.names)


def hunks_of(root: Path, base: Commit, head: Commit) -> list[ChangedHunk]:
    """All hunks in the core between two commits, in the order of the diff.

    Raises:
        CheckoutError: git cannot tell.
    """
    options = ("--unified=0", "--no-color", "--no-ext-diff", "--no-textconv", "--find-renames")
    diff = run_git(root, "diff", *options, base.hash, head.hash, "--", CORE)
    found: list[ChangedHunk] = []
    for old_path, new_path, old, new, text in _parsed(diff.decode(errors="replace")):
        if not new_path.endswith(".py") or len(found) == MOST_HUNKS:
            continue
        before, after = _file(root, base, old_path), _file(root, head, new_path)
        hunk = ChangedHunk(new_path, max(new.start, 1), len(new), text)
        for side, lines in ((before, old), (after, new)):
            for line in lines:
                if line in side.running:
                    _touch(hunk, side, line, before, after)
        found.append(hunk)
    return found


def referring(root: Path, head: Commit, hunk_names: set[str], function: str) -> set[str]:
    """Those of these names that a function of head refers to."""
    path, _, qualname = function.partition(":")
    if not path.startswith(f"{CORE}/"):
        return set()
    return hunk_names & _file(root, head, path).names.get(qualname, set())


def function_at(root: Path, commits: tuple[Commit, Commit], side: int, path: str, line: int) -> str:
    """The function that a line of a file is in, on one of two sides; the file itself elsewhere."""
    if not path.startswith(f"{CORE}/"):
        return path
    span = _file(root, commits[side], path).innermost(line)
    return f"{path}:{MODULE if span is None else span.qualname}"


Parsed = tuple[str, str, range, range, list[str]]


def _parsed(diff: str) -> Iterator[Parsed]:
    """Both paths, the lines on both sides, and the text, of each hunk."""
    old_path = new_path = ""
    hunk: Parsed | None = None
    left = 0  # lines of the hunk: one of them may look like a header
    for line in diff.split("\n"):
        if left and line[:1] in "+-\\":
            assert hunk is not None
            hunk[4].append(line[:MOST_LINE])
            left -= line[:1] != "\\"
        elif line.startswith("--- "):
            old_path = line[4:].removeprefix("a/").rstrip("\t")
        elif line.startswith("+++ "):
            new_path = line[4:].removeprefix("b/").rstrip("\t")
        elif match := HEADER.match(line):
            if hunk is not None:
                yield hunk
            first, count, new_first, new_count = (int(each or 1) for each in match.groups("1"))
            old, new = range(first, first + count), range(new_first, new_first + new_count)
            hunk, left = (old_path, new_path, old, new, []), count + new_count
        elif line.startswith("diff ") and hunk is not None:
            yield hunk
            hunk = None
    if hunk is not None:
        yield hunk


@cache
def _file(root: Path, commit: Commit, path: str) -> SourceFile:
    try:
        text = run_git(root, "show", f"{commit.hash}:{path}").decode(errors="replace")
    except CheckoutError:  # it is not there on this side
        text = ""
    return SourceFile(path, text)


def _touch(
    hunk: ChangedHunk, side: SourceFile, line: int, before: SourceFile, after: SourceFile
) -> None:
    span, statement = side.innermost(line), side.statements.get(line)
    other = before if side is after else after
    if statement is not None and not other.has(statement):
        hunk.names |= {*statement.names, statement.owner.rpartition(".")[2]} - {MODULE}
        hunk.functions.add(f"{after.path}:{statement.owner}")
    if span is not None and not span.is_class:
        one, two = (each.codes.get(span.qualname) for each in (before, after))
        touched = hunk.functions if one != two else hunk.near
        touched.add(f"{after.path}:{span.qualname}")
