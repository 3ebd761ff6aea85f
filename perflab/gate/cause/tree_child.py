"""A child process that takes down who calls whom in micro benchmarks, or in an import.

Rule: takes down; what a difference means is `rank.py`'s matter.
"""

from __future__ import annotations

import gc
import json
from typing import Any

from benchmarks.common.counting.call_tree import CallTree
from benchmarks.micro.catalogue import COUNTED
from perflab.gate.imports import IMPORTS

__all__ = ["run_child"]

WARM_UP, RUNS = 3, 1


def run_child(arguments: list[str]) -> None:
    """The order is a JSON list of [is it an import, what]; answers one line each: the tree, and of
    how many operations it is, or the error."""
    gc.disable()  # when it runs, and what it calls then, is not the operation's doing
    for is_import, what in json.loads(arguments[0]):
        try:
            tree, counted = _of_import(what) if is_import else _of_micro(what)
            print(json.dumps({"tree": tree, "counted": counted}), flush=True)
        except Exception as error:  # the parent is told which one
            print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)


def _of_import(what: str) -> tuple[list[Any], int]:
    tree = CallTree()
    with tree:
        exec(IMPORTS[what], {})
    return tree.root.as_list(), 1


def _of_micro(name: str) -> tuple[list[Any], int]:
    prepared, tree = COUNTED[name].prepare(), CallTree()
    for _ in range(WARM_UP):
        prepared.run(prepared.fresh())
    states = [prepared.fresh() for _ in range(RUNS)]
    with tree:
        for state in states:
            prepared.run(state)
    return tree.root.as_list(), RUNS * COUNTED[name].operations
