"""Where a function can be made to do one thing less, or one thing wrong.

Rule: looks at syntax; which of the places it is, `draw.py` says.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from perflab.gate.symbol_edits import EditedSource, EditError

__all__ = ["OPERATORS", "WeakPlace", "weak_places"]

CHECK = "a check left out"
FIELD = "a field forgotten"
STEP = "a step left out"
COMPARISON = "a comparison turned"
BOUND = "a bound off by one"
CONSTANT = "a constant changed"
OPERATORS = (CHECK, FIELD, STEP, COMPARISON, BOUND, CONSTANT)

TURNED: dict[type[ast.cmpop], ast.cmpop] = {
    ast.Eq: ast.NotEq(), ast.NotEq: ast.Eq(), ast.Is: ast.IsNot(), ast.IsNot: ast.Is(),
    ast.In: ast.NotIn(), ast.NotIn: ast.In(), ast.Lt: ast.GtE(), ast.GtE: ast.Lt(),
    ast.Gt: ast.LtE(), ast.LtE: ast.Gt(),
}  # fmt: skip
BOUNDS: dict[type[ast.cmpop], ast.cmpop] = {
    ast.Lt: ast.LtE(), ast.LtE: ast.Lt(), ast.Gt: ast.GtE(), ast.GtE: ast.Gt(),
}  # fmt: skip
LEAVING = (ast.Return, ast.Raise, ast.Continue, ast.Break)
SHOWN = 60  # characters of what is changed

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class WeakPlace:
    """One change that is possible."""

    operator: str
    line: int
    said: str
    change: Callable[[EditedSource], None]
    """Raises EditError where the text does not allow it."""


def weak_places(function: Function) -> Iterator[WeakPlace]:
    """Every one, in the order of the syntax."""
    in_init = function.name in ("__init__", "__post_init__")
    for node in _walk(function):
        if isinstance(node, ast.If) and not node.orelse and isinstance(node.body[-1], LEAVING):
            yield _spliced(CHECK, node.test, "False")
        elif isinstance(node, ast.Compare) and len(node.ops) == 1:
            yield from _compared(node)
        elif isinstance(node, ast.BoolOp):
            other = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
            yield _spliced(COMPARISON, node, f"({ast.unparse(ast.BoolOp(other, node.values))})")
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield _spliced(COMPARISON, node, f"bool({ast.unparse(node.operand)})")
        elif isinstance(node, ast.Constant):
            yield from _constant(node)
        elif isinstance(node, ast.Call):
            yield from _forgotten(node)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call | ast.Await):
            yield _left_out(STEP, node)
        elif isinstance(node, ast.Assign | ast.AugAssign) and not in_init and _is_field(node):
            yield _left_out(FIELD, node)


def _walk(function: Function) -> Iterator[ast.AST]:
    """What is in its body, without annotations, strings with values in them, and docstrings."""
    waiting: list[ast.AST] = list(reversed(function.body))
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.JoinedStr | ast.Assert) or _is_own_check(node):
            continue
        below = [
            each
            for name, value in ast.iter_fields(node)
            if name not in ("annotation", "returns")
            for each in (value if isinstance(value, list) else [value])
            if isinstance(each, ast.AST)
        ]
        waiting += reversed(below)


def _is_own_check(node: ast.AST) -> bool:
    """`zip(…, strict=True)`: as an assertion does, it looks for a mistake of our own."""
    return isinstance(node, ast.keyword) and node.arg == "strict"


def _compared(node: ast.Compare) -> Iterator[WeakPlace]:
    for operator, others in ((COMPARISON, TURNED), (BOUND, BOUNDS)):
        other = others.get(type(node.ops[0]))
        if other is not None:
            turned = ast.Compare(node.left, [other], node.comparators)
            yield _spliced(operator, node, f"({ast.unparse(turned)})")


def _constant(node: ast.Constant) -> Iterator[WeakPlace]:
    match node.value:
        case bool():
            yield _spliced(CONSTANT, node, str(not node.value))
        case int():
            yield _spliced(CONSTANT, node, str(node.value + 1))
        case float():
            yield _spliced(CONSTANT, node, str(2 * node.value or 1.0))


def _forgotten(node: ast.Call) -> Iterator[WeakPlace]:
    """A call without one of its arguments by name."""
    for forgotten in node.keywords:
        if forgotten.arg is not None and not _is_own_check(forgotten):
            kept = [each for each in node.keywords if each is not forgotten]
            yield _spliced(FIELD, node, ast.unparse(ast.Call(node.func, node.args, kept)))


def _is_field(node: ast.Assign | ast.AugAssign) -> bool:
    """Whether all that it assigns are attributes, or what they hold under a key."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    places = [each.value if isinstance(each, ast.Subscript) else each for each in targets]
    return all(isinstance(each, ast.Attribute) for each in places)


def _spliced(operator: str, node: ast.expr, text: str) -> WeakPlace:
    def change(source: EditedSource) -> None:
        source.splice(node, text)

    said = f"{_short(ast.unparse(node))} → {_short(text)}"
    return WeakPlace(operator, node.lineno, said, change)


def _left_out(operator: str, node: ast.stmt) -> WeakPlace:
    def change(source: EditedSource) -> None:
        begin, end = node.lineno - 1, node.end_lineno or node.lineno
        before = source.lines[begin].encode()[: node.col_offset].decode()
        if before.strip():
            raise EditError("something stands before it")
        source.lines[begin:end] = [f"{before}pass\n"]

    return WeakPlace(operator, node.lineno, f"{_short(ast.unparse(node))} → nothing", change)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
