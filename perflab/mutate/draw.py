"""One slowdown and one weakening for each function, drawn by seed: the mutants.

A *slowdown* leaves what a function does as it is and makes it dearer: exact figures have to see it.
A *weakening* leaves out or turns one thing of what it does: tests and the simulator's checkers have
to. What is drawn for a function follows from the seed, the file and the symbol, so other functions
that come or go change nothing for it.

Rule: text in, text out; knows nothing of who notices.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from random import Random

from perflab.gate.symbol_edits import EditedSource, EditError, SymbolEdit, begin, twice
from perflab.mutate.weakenings import WeakPlace, weak_places

__all__ = [
    "CALL",
    "COPY",
    "LOOP",
    "MESSAGE",
    "OUTSIDE",
    "CoreFile",
    "Mutant",
    "MutantDraws",
    "MutantKind",
    "core_files",
]

OUTSIDE = ("cli", "sim", "__main__")
"""Rooms of p2pcore that are left out: commands, and the simulator, which is a ruler itself."""
CALL, COPY, LOOP, MESSAGE = "one more call", "one copy", "a loop", "one more message"
TURNS = 64
SLOWER = {
    CALL: "len(b'')",
    COPY: "bytearray(bytes(64))",
    LOOP: f"_turn = {TURNS}\nwhile _turn:\n    _turn -= 1",
}
"""What is put before all that a function does. The loop calls and allocates nothing: it is some
5,000 instructions."""
SENDS = ("ask", "reply", "tell", "send", "Send")
"""Names by which the core sends: a statement that calls one is done twice."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


class MutantKind(StrEnum):
    """Who has to notice."""

    SLOWDOWN = "slowdown"
    WEAKENING = "weakening"


@dataclass(frozen=True, kw_only=True, slots=True)
class Mutant:
    """One change of one function."""

    file: str
    """Below p2pcore/."""
    symbol: str
    kind: MutantKind
    operator: str
    line: int
    """Of what is changed, in the file as it is."""
    first: int
    last: int
    """The lines of the function."""
    said: str
    """The change, for people and for the list of those that were reviewed."""
    text: str
    """The file with it."""
    change: SymbolEdit | None = None
    """The same, for a file that has other changes, too; of a slowdown."""

    @property
    def function(self) -> str:
        """As traces name it."""
        return f"p2pcore/{self.file}:{self.symbol}"

    @property
    def key(self) -> tuple[str, str, str]:
        return self.file, self.symbol, self.kind.value

    @property
    def name(self) -> str:
        return f"{self.file}:{self.symbol} {self.kind}"


@dataclass(frozen=True, slots=True)
class CoreFile:
    """A file of the core, and the functions in it that do something."""

    file: str
    text: str

    def functions(self) -> Iterator[tuple[str, Function]]:
        """The symbol of every function and method with a body, in order."""
        for node in ast.parse(self.text).body:
            if isinstance(node, Function):
                named = [(node.name, node)]
            elif isinstance(node, ast.ClassDef):
                methods = (each for each in node.body if isinstance(each, Function))
                named = [(f"{node.name}.{each.name}", each) for each in methods]
            else:
                continue
            yield from ((symbol, each) for symbol, each in named if _does_something(each))


def core_files(core: Path) -> list[CoreFile]:
    """Those of the p2pcore in a directory, in order, without what is OUTSIDE."""
    found = []
    for path in sorted((core / "p2pcore").rglob("*.py")):
        place = path.relative_to(core / "p2pcore")
        if place.parts[0].removesuffix(".py") not in OUTSIDE:
            found.append(CoreFile(place.as_posix(), path.read_text(encoding="utf-8")))
    return found


class MutantDraws:
    """Those of one file."""

    def __init__(self, file: CoreFile) -> None:
        self._file = file
        self._source = EditedSource(file.text)
        self._lines = tuple(self._source.lines)

    def of(self, symbol: str, node: Function, kind: MutantKind, seed: int) -> Mutant | None:
        """The one of a function that the seed draws; None if it has no place for any."""
        chance = Random(f"{seed}/{self._file.file}/{symbol}/{kind}")
        draw = self._slowdown if kind is MutantKind.SLOWDOWN else self._weakening
        return draw(symbol, node, chance)

    def _slowdown(self, symbol: str, node: Function, chance: Random) -> Mutant | None:
        operators = [*SLOWER, MESSAGE]
        chance.shuffle(operators)
        sends = _sends(node)
        for operator in operators:
            if operator == MESSAGE:
                if not sends:
                    continue
                call = chance.choice(sends)
                change, said = twice(self._file.file, symbol, call), f"{call}(…), twice"
            else:
                said = "; ".join(SLOWER[operator].replace(":\n   ", ":").split("\n"))
                change = begin(self._file.file, symbol, SLOWER[operator])
            if text := self._changed(node, partial(_make, change, node)):
                kind = MutantKind.SLOWDOWN
                found = self._mutant(symbol, node, kind, operator, node.lineno, said, text)
                return replace(found, change=change)
        return None

    def _weakening(self, symbol: str, node: Function, chance: Random) -> Mutant | None:
        """An operator is drawn first, and then one of its places: else what is frequent in code,
        such as constants, would be all that is tried."""
        places: dict[str, list[WeakPlace]] = {}
        for place in weak_places(node):
            places.setdefault(place.operator, []).append(place)
        while places:
            operator = chance.choice(sorted(places))
            place = places[operator].pop(chance.randrange(len(places[operator])))
            places = {name: left for name, left in places.items() if left}
            if text := self._changed(node, place.change):
                kind = MutantKind.WEAKENING
                return self._mutant(symbol, node, kind, operator, place.line, place.said, text)
        return None

    def _changed(self, node: Function, change: Callable[[EditedSource], None]) -> str:
        """The file's text with a change of one function; "" where its text does not allow it, or it
        would be no Python, or the same."""
        self._source.lines = list(self._lines)
        try:
            change(self._source)
        except EditError:
            return ""
        lines = self._source.lines
        end = (node.end_lineno or node.lineno) + len(lines) - len(self._lines)
        try:
            [changed] = ast.parse(textwrap.dedent("".join(lines[node.lineno - 1 : end]))).body
        except (SyntaxError, ValueError):
            return ""
        assert isinstance(changed, Function)
        same = [ast.dump(each) for each in changed.body] == [ast.dump(each) for each in node.body]
        return "" if same else "".join(lines)

    def _mutant(
        self, symbol: str, node: Function, kind: MutantKind, operator: str, line: int, said: str,
        text: str,
    ) -> Mutant:  # fmt: skip
        return Mutant(
            file=self._file.file, symbol=symbol, kind=kind, operator=operator, line=line,
            first=node.body[0].lineno, last=node.end_lineno or node.lineno, said=said, text=text,
        )  # fmt: skip


def _make(change: SymbolEdit, node: Function, source: EditedSource) -> None:
    change.make(source, node)


def _sends(node: Function) -> list[str]:
    """What the function calls, as statements of their own, to send something."""
    calls = [
        ast.unparse(each.func)
        for statement in ast.walk(node)
        if isinstance(statement, ast.Expr)
        for each in ast.walk(statement)
        if isinstance(each, ast.Call)
    ]
    return sorted({call for call in calls if call.rpartition(".")[2] in SENDS})


def _does_something(node: Function) -> bool:
    """It has a body: no promise of a protocol, nothing that a class below has to do."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    if not body:
        return False
    first = body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        return False  # `...`
    raised = first.exc if isinstance(first, ast.Raise) else None
    return raised is None or "NotImplementedError" not in ast.unparse(raised)
