"""Calls and steps are taken down below whoever made them, and the same in every run."""

import asyncio
import contextlib
from typing import Any

from benchmarks.common.counting.call_tree import CallTree, place_of


def numbers(count: int) -> Any:
    yield from range(count)


def works(count: int) -> int:
    ordered = sorted(numbers(count), key=lambda number: -number)
    with contextlib.suppress(ValueError):
        raises()
    return len(ordered)


def raises() -> None:
    raise ValueError


def recursive(depth: int) -> int:
    return depth and recursive(depth - 1)


def grown(thing: Any, *arguments: Any) -> list[Any]:
    tree = CallTree()
    with tree:
        thing(*arguments)
    [found] = [each for each in tree.root.as_list()[3] if each[0].endswith(f":{thing.__name__}")]
    return list(found)


def below(node: list[Any], name: str) -> list[Any]:
    [found] = [each for each in node[3] if each[0].rpartition(":")[2].endswith(name)]
    return list(found)


def test_calls_are_below_who_made_them_and_what_raises_is_left() -> None:
    node = grown(works, 4)
    assert node[1] == 1
    assert below(below(node, "sorted"), "<lambda>")[1] == 4
    assert below(node, "raises")[1] == 1
    assert below(node, "len")[1] == 1  # of works, not of what raised


def test_steps_say_how_much_a_function_does_and_are_the_same_in_every_run() -> None:
    short, long, again = grown(works, 4), grown(works, 8), grown(works, 4)
    assert short == again
    assert (
        below(below(long, "sorted"), "<lambda>")[2]
        == 2 * (below(below(short, "sorted"), "<lambda>")[2])
    )


def test_a_tree_is_only_so_deep() -> None:
    depth, node, calls = 0, grown(recursive, 900), 0
    while node[3]:
        calls += node[1]
        depth, node = depth + 1, node[3][0]
    assert depth < 300
    assert calls + node[1] == 901


def test_coroutines_that_take_turns_are_each_below_who_resumed_them() -> None:
    async def turn(times: int) -> None:
        for _ in range(times):
            await asyncio.sleep(0)

    async def both() -> None:
        await asyncio.gather(turn(3), turn(3))

    one, other = CallTree(), CallTree()
    for tree in (one, other):
        with asyncio.Runner() as runner:
            runner.run(turn(1))  # what is made once
            with tree:
                runner.run(both())
    calls: dict[str, int] = {}
    stack = list(one.root.as_list()[3])
    while stack:
        name, count, _, more = stack.pop()
        calls[name.rpartition(".")[2]] = calls.get(name.rpartition(".")[2], 0) + count
        stack += more
    assert calls["turn"] == 2 * (3 + 1)
    assert one.root.below.keys() == other.root.below.keys()


def test_a_place_is_the_same_on_every_machine() -> None:
    assert place_of("/x/y/p2pcore/wire/codec.py") == "p2pcore/wire/codec.py"
    assert place_of("/usr/lib/python3.11/asyncio/events.py") == "asyncio/events.py"
