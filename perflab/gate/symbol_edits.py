"""Changes of source code that find their place by symbols, and so outlive changes of its lines.

A place is a file and a symbol: a function, a class, a method (with its class and a dot before it),
or a name that a module assigns. The file is parsed, and text is put in at the place that its syntax
has; all other lines stay as they are.

Rule: text in, text out; knows nothing of what it changes.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

__all__ = [
    "EditError",
    "SymbolEdit",
    "after",
    "before",
    "begin",
    "fields",
    "flipped",
    "moved",
    "renamed",
    "replaced",
    "twice",
    "within",
    "wrapped",
]

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef
FLIPPED: dict[type[ast.cmpop], str] = {ast.Lt: ">", ast.Gt: "<", ast.LtE: ">=", ast.GtE: "<="}
PLAIN_SIDES = (
    ast.Name,
    ast.Attribute,
    ast.Constant,
)  # it makes no difference who is first
PLAIN = "_plain_"  # before the name of what was wrapped


class EditError(Exception):
    """The source has no such symbol, or nothing of the kind in it; the message says which."""


@dataclass(frozen=True, slots=True)
class SymbolEdit:
    """One change of a file, at a symbol."""

    file: str
    symbol: str
    make: Callable[[EditedSource, ast.stmt], None]

    def apply(self, text: str) -> str:
        """The file's text with the change. Raises EditError."""
        source = EditedSource(text)
        try:
            self.make(source, source.find(self.symbol))
        except EditError as error:
            raise EditError(f"{self.file}, {self.symbol}: {error}") from None
        return "".join(source.lines)


class EditedSource:
    """A file, as lines and as syntax."""

    def __init__(self, text: str) -> None:
        self.lines = text.splitlines(keepends=True)
        self.tree = ast.parse(text)

    def find(self, symbol: str) -> ast.stmt:
        """The statement that defines or assigns a symbol. Raises EditError."""
        body: list[ast.stmt] = self.tree.body
        found: ast.stmt | None = None
        for name in symbol.split("."):
            found = next((each for each in body if name in _names(each)), None)
            if found is None:
                raise EditError(f"there is no {name}")
            body = found.body if isinstance(found, ast.ClassDef) else []
        assert found is not None
        return found

    def put(self, line: int, code: str, like: ast.stmt) -> None:
        """Code before a line (from 1 on), indented as that statement is."""
        self.lines.insert(line - 1, textwrap.indent(_ended(code), " " * like.col_offset))

    def splice(self, node: ast.expr, text: str) -> None:
        """Other text in the place of an expression on one line."""
        if node.lineno != node.end_lineno:
            raise EditError("an expression goes over several lines")
        data = self.lines[node.lineno - 1].encode()
        data = data[: node.col_offset] + text.encode() + data[node.end_col_offset :]
        self.lines[node.lineno - 1] = data.decode()


def begin(file: str, symbol: str, code: str) -> SymbolEdit:
    """Statements at the beginning of a function."""

    def make(source: EditedSource, node: ast.stmt) -> None:
        first = _body(node)[0]
        source.put(first.lineno, code, first)

    return SymbolEdit(file, symbol, make)


def before(file: str, symbol: str, code: str) -> SymbolEdit:
    """Statements before a definition."""
    return SymbolEdit(file, symbol, lambda source, node: source.put(_line(node), code, node))


def after(file: str, symbol: str, code: str) -> SymbolEdit:
    """Statements after a definition, or after what assigns a name."""
    return SymbolEdit(file, symbol, lambda source, node: source.put(_end(node) + 1, code, node))


def fields(file: str, symbol: str, code: str) -> SymbolEdit:
    """Further fields of a class, after its last one."""

    def make(source: EditedSource, node: ast.stmt) -> None:
        assert isinstance(node, ast.ClassDef)
        own = [each for each in node.body if isinstance(each, ast.AnnAssign)]
        if not own:
            raise EditError("it has no field")
        source.put(_end(own[-1]) + 1, code, own[-1])

    return SymbolEdit(file, symbol, make)


def within(file: str, symbol: str, header: str) -> SymbolEdit:
    """All of a function's body within a block, such as `with lock:`."""

    def make(source: EditedSource, node: ast.stmt) -> None:
        body = _body(node)
        for number in range(body[0].lineno - 1, _end(body[-1])):
            source.lines[number] = textwrap.indent(source.lines[number], " " * 4)
        source.put(body[0].lineno, header, body[0])

    return SymbolEdit(file, symbol, make)


def wrapped(file: str, symbol: str, code: str) -> SymbolEdit:
    """Another definition of that name; the old one is called `_plain_NAME`."""

    def make(source: EditedSource, node: ast.stmt) -> None:
        _body(node)
        name = symbol.split(".")[-1]
        line = source.lines[node.lineno - 1]
        source.lines[node.lineno - 1] = line.replace(f"def {name}", f"def {PLAIN}{name}", 1)
        source.put(_end(node) + 1, "\n" + code, node)

    return SymbolEdit(file, symbol, make)


def twice(file: str, symbol: str, call: str) -> SymbolEdit:
    """The first statement of a function that calls this, once more."""

    def make(source: EditedSource, node: ast.stmt) -> None:
        for each in _walk(node):
            if isinstance(each, ast.Expr) and any(
                isinstance(one, ast.Call) and ast.unparse(one.func) == call
                for one in ast.walk(each)
            ):
                source.lines.insert(_end(each), _text(source, each))
                return
        raise EditError(f"no statement in it calls {call}")

    return SymbolEdit(file, symbol, make)


def replaced(file: str, symbol: str, old: str, new: str) -> SymbolEdit:
    """The first expression of a function that is `old`."""

    def make(source: EditedSource, node: ast.stmt) -> None:
        for each in _walk(node):
            if isinstance(each, ast.expr) and ast.unparse(each) == old:
                source.splice(each, new)
                return
        raise EditError(f"it has no {old}")

    return SymbolEdit(file, symbol, make)


def flipped(file: str, symbol: str) -> SymbolEdit:
    """The first comparison of two things in a function, with its sides the other way round."""

    def make(source: EditedSource, node: ast.stmt) -> None:
        for each in _walk(node):
            if (
                isinstance(each, ast.Compare)
                and len(each.ops) == 1
                and type(each.ops[0]) in FLIPPED
                and all(isinstance(one, PLAIN_SIDES) for one in (each.left, each.comparators[0]))
            ):
                sides = ast.unparse(each.comparators[0]), ast.unparse(each.left)
                source.splice(each, f"{sides[0]} {FLIPPED[type(each.ops[0])]} {sides[1]}")
                return
        raise EditError("it compares no two things")

    return SymbolEdit(file, symbol, make)


def renamed(file: str, symbol: str) -> SymbolEdit:
    """Every name that a function assigns, with an underscore more."""

    def make(source: EditedSource, node: ast.stmt) -> None:
        names = [each for each in _walk(node) if isinstance(each, ast.Name)]
        kept = _parameters(node)
        local = {each.id for each in names if isinstance(each.ctx, ast.Store)} - kept
        if not local:
            raise EditError("it assigns no name")
        for each in sorted(names, key=lambda name: (name.lineno, name.col_offset), reverse=True):
            if each.id in local:
                source.splice(each, f"{each.id}_")

    return SymbolEdit(file, symbol, make)


def moved(file: str, symbol: str) -> SymbolEdit:
    """A method, to the end of its class."""

    def make(source: EditedSource, node: ast.stmt) -> None:
        owner = source.find(symbol.rpartition(".")[0])
        assert isinstance(owner, ast.ClassDef)
        if owner.body[-1] is node:
            raise EditError("it is the last of its class")
        text = source.lines[_line(node) - 1 : _end(node)]
        source.lines[_end(owner) : _end(owner)] = ["\n", *text]
        del source.lines[_line(node) - 1 : _end(node)]

    return SymbolEdit(file, symbol, make)


def _names(node: ast.stmt) -> list[str]:
    if isinstance(node, Definition):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [each.id for each in node.targets if isinstance(each, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []


def _body(node: ast.stmt) -> list[ast.stmt]:
    """A function's statements, without its docstring."""
    if not isinstance(node, Function):
        raise EditError("it is no function")
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    if not body or body[0].lineno == node.lineno:
        raise EditError("its body stands on its first line, or is a docstring alone")
    return body


def _parameters(node: ast.stmt) -> set[str]:
    """Of the function and of all within it."""
    return {each.arg for each in ast.walk(node) if isinstance(each, ast.arg)}


def _walk(node: ast.stmt) -> list[ast.stmt | ast.expr]:
    """The statements and expressions in a statement, in the order in which they stand there."""
    found = [each for each in ast.walk(node) if isinstance(each, ast.stmt | ast.expr)]
    return sorted(found, key=lambda each: (each.lineno, each.col_offset))


def _line(node: ast.stmt) -> int:
    """The first line of a statement, that of its first decorator if it has one."""
    decorators = node.decorator_list if isinstance(node, Definition) else []
    return min([node.lineno, *(each.lineno for each in decorators)])


def _end(node: ast.stmt) -> int:
    assert node.end_lineno is not None
    return node.end_lineno


def _text(source: EditedSource, node: ast.stmt) -> str:
    return "".join(source.lines[node.lineno - 1 : _end(node)])


def _ended(code: str) -> str:
    return code if code.endswith("\n") else f"{code}\n"
