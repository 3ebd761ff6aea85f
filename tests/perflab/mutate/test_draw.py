"""Mutants: one change of one function each, the same for the same seed, and Python."""

import ast
from pathlib import Path

import pytest

from perflab.mutate.draw import SLOWER, CoreFile, Mutant, MutantDraws, MutantKind, core_files
from perflab.mutate.weakenings import OPERATORS, weak_places
from tests.house import ROOT

BOX = '''
"""A box."""


class Box:
    limit: int = 3

    def __init__(self, limit: int = 3) -> None:
        self.limit = limit

    def put(self, value: int, loud: bool = False) -> bool:
        """Put it in."""
        if value > self.limit:
            return False
        if not loud or value == 7:
            self.last = value
        self.tell(value, loud=True)
        return value < 10

    def tell(self, value: int, loud: bool) -> None:
        print(f"{value + 1}", loud)

    def promise(self) -> int:
        """Of those below."""
        raise NotImplementedError

    def nothing(self) -> None: ...
'''
FILE = CoreFile("box.py", BOX)


def drawn(file: CoreFile, seed: int) -> list[Mutant]:
    draws = MutantDraws(file)
    every = (
        draws.of(symbol, node, kind, seed)
        for symbol, node in file.functions()
        for kind in MutantKind
    )
    return [each for each in every if each is not None]


def of_box(seed: int) -> list[Mutant]:
    return drawn(FILE, seed)


def test_functions_that_do_something_have_mutants() -> None:
    assert [symbol for symbol, _ in FILE.functions()] == ["Box.__init__", "Box.put", "Box.tell"]
    kinds = {(each.symbol, each.kind) for each in of_box(1)}
    assert ("Box.put", MutantKind.SLOWDOWN) in kinds
    assert ("Box.put", MutantKind.WEAKENING) in kinds


def test_a_seed_decides_and_other_functions_do_not() -> None:
    alone = CoreFile("box.py", BOX[: BOX.index("    def tell")])
    of_put = [each.said for each in drawn(alone, 5) if each.symbol == "Box.put"]
    assert of_put == [each.said for each in of_box(5) if each.symbol == "Box.put"]
    assert len({tuple(each.said for each in of_box(seed)) for seed in range(12)}) > 6


def test_every_operator_is_drawn_and_what_it_makes_is_another_program() -> None:
    seen = set()
    before = ast.dump(ast.parse(BOX))
    for seed in range(200):
        for mutant in of_box(seed):
            seen.add(mutant.operator)
            assert ast.dump(ast.parse(mutant.text)) != before
            assert mutant.first <= mutant.line <= mutant.last or mutant.kind == "slowdown"
    assert seen == {*OPERATORS, *SLOWER, "one more message"}


def test_what_a_function_can_be_weakened_by() -> None:
    [put] = [node for symbol, node in FILE.functions() if symbol == "Box.put"]
    said = {place.said for place in weak_places(put)}
    assert said == {
        "value > self.limit → False",
        "value > self.limit → (value <= self.limit)",
        "value > self.limit → (value >= self.limit)",
        "False → True",
        "not loud or value == 7 → (not loud and value == 7)",
        "not loud → bool(loud)",
        "value == 7 → (value != 7)",
        "7 → 8",
        "self.last = value → nothing",
        "self.tell(value, loud=True) → nothing",
        "self.tell(value, loud=True) → self.tell(value)",
        "True → False",
        "value < 10 → (value >= 10)",
        "value < 10 → (value <= 10)",
        "10 → 11",
    }
    [tell] = [node for symbol, node in FILE.functions() if symbol == "Box.tell"]
    assert [place.said for place in weak_places(tell)] == [
        "print(f'{value + 1}', loud) → nothing"
    ]  # not in the string


def test_what_looks_for_our_own_mistakes_is_no_place_for_one() -> None:
    text = "def pairs(a, b):\n    assert len(a) == 3\n    return list(zip(a, b, strict=True))\n"
    [(_, node)] = CoreFile("pairs.py", text).functions()
    assert list(weak_places(node)) == []


@pytest.mark.parametrize("file", ["replication/replica.py", "aio/connection.py", "wire/codec.py"])
def test_the_core_has_a_slowdown_for_each_function_and_no_two_the_same(file: str) -> None:
    core = CoreFile(file, (ROOT / "p2pcore" / file).read_text(encoding="utf-8"))
    mutants = drawn(core, 1)
    symbols = [symbol for symbol, _ in core.functions()]
    assert [each.symbol for each in mutants if each.kind == "slowdown"] == symbols
    assert len({each.text for each in mutants}) == len(mutants)


def test_commands_and_the_simulator_are_left_out(tmp_path: Path) -> None:
    for name in ("__main__", "node", "cli/words", "sim/world", "overlay/table"):
        file = tmp_path / "p2pcore" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(BOX, encoding="utf-8")
    assert [each.file for each in core_files(tmp_path)] == ["node.py", "overlay/table.py"]
