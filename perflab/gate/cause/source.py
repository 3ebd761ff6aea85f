"""A file of the core as functions: where each stands, and what of it runs.

Two functions are the same if they compile to the same bytecode: comments, docstrings, annotations
of local names, other names for local variables and other places in the file make no difference.

Rule: text in; knows nothing of git or of traces.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

__all__ = ["MODULE", "SourceFile", "SourceSpan", "SourceStatement"]

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef
MODULE = "<module>"
IDLE = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)


@dataclass(frozen=True, slots=True)
class SourceSpan:
    """A function or class in a file; lines from 1 on, both ends in."""

    qualname: str
    first: int
    body: int
    """The first line of its body: those before it are its head, which runs where it is defined."""
    last: int
    is_class: bool


@dataclass(frozen=True, slots=True)
class SourceStatement:
    """What a module or class does where it is defined: an assignment, an import, a definition."""

    owner: str
    """A class's qualified name, or "<module>"."""
    names: tuple[str, ...]
    """That it defines."""
    does: str
    """Equal for two that do the same; of a function, its decorators and defaults alone."""


@dataclass
class SourceFile:
    """One side of a file; empty where there is none, or it does not compile."""

    path: str
    text: str
    spans: list[SourceSpan] = field(default_factory=list)
    codes: dict[str, Any] = field(default_factory=dict)
    """What runs of each function and class body, by its qualified name."""
    names: dict[str, set[str]] = field(default_factory=dict)
    """The names of modules, classes and attributes that each refers to."""

    def __post_init__(self) -> None:
        self.statements: dict[int, SourceStatement] = {}
        """By each line of theirs."""
        self.running: set[int] = set()
        """Lines of which something runs: no comment, docstring or blank."""
        try:
            tree = ast.parse(self.text)
            self.running = _running(self.text, tree)
            self.spans = list(_spans(tree, ""))
            for first, last, statement in _statements(tree, MODULE):
                self.statements |= dict.fromkeys(range(first, last + 1), statement)
            _without_docstrings(tree)
            for code in _codes(compile(tree, self.path, "exec", dont_inherit=True)):
                self.codes.setdefault(code.co_qualname, []).append(_what_runs(code))
                self.names.setdefault(code.co_qualname, set()).update(_referred(code))
        except (SyntaxError, ValueError, RecursionError, tokenize.TokenError):
            self.spans = []

    def innermost(self, line: int) -> SourceSpan | None:
        """The function or class that a line belongs to."""
        found = [each for each in self.spans if each.first <= line <= each.last]
        return max(found, key=lambda each: each.first, default=None)

    def has(self, statement: SourceStatement) -> bool:
        """Whether this side does the same, wherever."""
        return statement in self.statements.values()


def _spans(node: ast.AST, prefix: str) -> Iterator[SourceSpan]:
    for each in ast.iter_child_nodes(node):
        if isinstance(each, Definition):
            qualname = prefix + each.name
            first = min([each.lineno, *(one.lineno for one in each.decorator_list)])
            last = each.end_lineno or each.lineno
            is_class = isinstance(each, ast.ClassDef)
            yield SourceSpan(qualname, first, each.body[0].lineno, last, is_class)
            yield from _spans(each, f"{qualname}." if is_class else f"{qualname}.<locals>.")
        else:
            yield from _spans(each, prefix)


def _statements(node: ast.AST, owner: str) -> Iterator[tuple[int, int, SourceStatement]]:
    """Of modules and classes: the simple statements and the heads of functions, and their lines."""
    for each in ast.iter_child_nodes(node):
        if isinstance(each, ast.ClassDef):
            inner = each.name if owner == MODULE else f"{owner}.{each.name}"
            head = [*each.decorator_list, *each.bases, *each.keywords]
            first = min([each.lineno, *(one.lineno for one in each.decorator_list)])
            told = " ".join(map(ast.dump, head))
            yield first, each.body[0].lineno - 1, SourceStatement(owner, (each.name,), told)
            yield from _statements(each, inner)
        elif isinstance(each, Function):
            head = [*each.decorator_list, *each.args.defaults, *filter(None, each.args.kw_defaults)]
            first = min([each.lineno, *(one.lineno for one in each.decorator_list)])
            told = " ".join([each.name, *map(ast.dump, head)])
            yield first, each.body[0].lineno - 1, SourceStatement(owner, (each.name,), told)
        elif isinstance(each, ast.stmt) and not hasattr(each, "body"):
            last = each.end_lineno or each.lineno
            yield each.lineno, last, SourceStatement(owner, _defined(each), ast.dump(each))
        else:
            yield from _statements(each, owner)


def _defined(each: ast.stmt) -> tuple[str, ...]:
    if isinstance(each, ast.Assign):
        return tuple(one.id for one in each.targets if isinstance(one, ast.Name))
    if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
        return (each.target.id,)
    if isinstance(each, ast.Import | ast.ImportFrom):
        return tuple((one.asname or one.name).split(".")[0] for one in each.names)
    return ()


def _running(text: str, tree: ast.AST) -> set[int]:
    found = {
        line
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in IDLE and token.string
        for line in range(token.start[0], token.end[0] + 1)
    }
    for each in ast.walk(tree):
        if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant):
            found -= set(range(each.lineno, (each.end_lineno or each.lineno) + 1))
    return found


def _without_docstrings(tree: ast.AST) -> None:
    for each in ast.walk(tree):
        if (
            isinstance(each, ast.Module | Definition)
            and each.body
            and isinstance(each.body[0], ast.Expr)
            and isinstance(each.body[0].value, ast.Constant)
            and isinstance(each.body[0].value.value, str)
        ):
            each.body[0].value.value = ""


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _codes(each)


def _what_runs(code: CodeType) -> Any:
    """Equal for two that do the same; functions within are looked at by themselves."""
    constants = [
        each.co_qualname if isinstance(each, CodeType) else (type(each).__name__, repr(each))
        for each in code.co_consts
    ]
    frees = len(code.co_cellvars), len(code.co_freevars), code.co_argcount, code.co_flags
    return code.co_code, constants, code.co_names, frees, code.co_exceptiontable


def _referred(code: CodeType) -> set[str]:
    return {*code.co_names}
