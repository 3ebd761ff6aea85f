"""Who does more per call of itself is at fault, and so is the hunk that changed it."""

from typing import Any

import pytest

from perflab.gate.cause.hunks import ChangedHunk
from perflab.gate.cause.rank import Rise, ranked, rise_between, risen_functions
from perflab.gate.cause.trees import totals

P = "p2pcore/a.py:"


def node(name: str, calls: int, steps: int, *below: list[Any]) -> list[Any]:
    return [P + name, calls, steps, list(below)]


def rise(base: list[Any], head: list[Any]) -> Rise:
    both = [totals((["", 0, 0, [each]], 1)) for each in (base, head)]
    return rise_between(both[0], both[1], lambda side, file, line: f"{file}:{line}")


def tree(
    top: int, send: int, encode: tuple[int, int], look: int = 3, *more: list[Any]
) -> list[Any]:
    """Steps of top and send, calls and steps of encode, calls of look, and what encode calls."""
    return node(
        "top", 1, top,
        node("send", 2, send, node("encode", *encode, *more)), node("look", look, 10 * look),
    )  # fmt: skip


BASE = tree(10, 20, (2, 40))
DEARER = tree(10, 20, (2, 44))


@pytest.mark.parametrize(
    ("head", "guilty"),
    [
        (DEARER, "encode"),
        # it calls twice as often: what is called does no more per call
        (tree(10, 22, (4, 80)), "send"),
        (tree(14, 20, (2, 40), 9), "top"),
        (tree(10, 20, (2, 40), 3, ["x:len", 2, 0, []]), "encode"),
    ],
)
def test_who_does_more_per_call_of_itself_is_first(head: list[Any], guilty: str) -> None:
    found = rise(BASE, head)
    assert risen_functions(found)[0].name == P + guilty
    assert found.own[P + guilty] > 0.9 * sum(found.own.values())


def test_changed_functions_are_told_first() -> None:
    found = rise(BASE, tree(14, 20, (2, 44), 9))
    first, *_ = risen_functions(found, [hunk("encode")])
    assert (first.name, first.changed) == (P + "encode", True)
    assert first.share < 0.5


def test_equal_trees_have_no_rise() -> None:
    assert rise(BASE, BASE).own == {}


def test_bytes_are_those_of_who_asked_for_them() -> None:
    before, after = (
        totals([("p2pcore/a.py", 3, 100)]),
        totals([("p2pcore/a.py", 3, 160), ("b.py", 1, 5)]),
    )
    found = rise_between(before, after, lambda side, file, line: f"{file}:{line + side}")
    assert found.own == {"p2pcore/a.py:4": 160, "b.py:2": 5}  # they stand elsewhere in head
    assert risen_functions(found)[0].kept == (0.0, 160.0)


def hunk(function: str = "", *, names: str = "", line: int = 1) -> ChangedHunk:
    functions = {P + function} if function else set()
    return ChangedHunk("p2pcore/a.py", line, 1, ["+x"], functions, set(), set(names.split()))


def test_hunks_come_in_the_order_of_how_near_they_are() -> None:
    hunks = [hunk(line=1), hunk("elsewhere", line=2), hunk("look", line=3), hunk("send", line=4),
             hunk(names="LIMIT", line=5), hunk("encode", line=6)]  # fmt: skip
    blamed, others = ranked(
        hunks,
        [rise(BASE, DEARER)],
        lambda names, function: names & ({"LIMIT"} if function == P + "encode" else set()),
    )
    assert [each.line for each in blamed] == [6, 5, 4, 3]
    assert others == 2  # nothing of the one runs, and the other runs elsewhere
    assert "which does more" in blamed[0].why
    assert "encode uses" in blamed[1].why


def test_without_a_trace_what_runs_is_named() -> None:
    blamed, others = ranked([hunk("encode"), hunk()], [], lambda *_: set())
    assert [each.touches for each in blamed] == [("encode",)]
    assert others == 1


def test_what_makes_an_object_can_be_behind_it_without_being_in_a_trace() -> None:
    serving = node("Top.serve", 1, 10)
    found = rise(serving, serving)
    hunks = [hunk("Top.__init__"), hunk("Other.__init__", line=2)]
    blamed, others = ranked(hunks, [found], lambda names, function: set())
    assert [(each.line, others) for each in blamed] == [(1, 1)]
    assert "makes Top, which runs there" in blamed[0].why
