"""Both sides do a question again, under a trace: who calls whom, or what is still held.

A child process for each question and side, two at a time; what is not begun when the time is over
is left out.

Rule: starts processes and reads what they say; what a difference means is `rank.py`'s matter.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, TypeVar

from benchmarks.common import entry
from benchmarks.common.children import child_environment
from benchmarks.common.counting.count_lab import CountLab
from benchmarks.common.counting.edge_lab import EdgeLab
from benchmarks.common.counting.memory_lab import MemoryLab, Site
from perflab.gate.cause.questions import Question, QuestionKind
from perflab.gate.counts import Job, side_by_side

__all__ = [
    "CallTotals",
    "Sums",
    "TraceError",
    "Traced",
    "take_edge_trees",
    "take_micro_trees",
    "take_trees",
    "totals",
]

Key = TypeVar("Key")
PROCESS_S = 100.0  # twenty times what it takes


class TraceError(RuntimeError):
    """A question could not be traced; the message says why."""


class Sums(dict[Key, float]):
    """Numbers by what they are of, 0 of all others."""

    def __missing__(self, key: Key) -> float:
        return 0.0


@dataclass
class CallTotals:
    """What a traced question did, per operation, by function."""

    calls: Sums[str] = field(default_factory=Sums)
    steps: Sums[str] = field(default_factory=Sums)
    edges: Sums[tuple[str, str]] = field(default_factory=Sums)
    """Calls, by who calls and what is called."""
    within: Sums[str] = field(default_factory=Sums)
    """Steps of it and of all that it calls."""
    kept: Sequence[Site] = ()
    """Where memory was the question: nothing else is there then."""


Traced = tuple[list[Any], int] | list[Site]


def take_trees(
    questions: Iterable[Question], cores: Sequence[str], time_left: Callable[[], bool]
) -> dict[Question, tuple[Any, ...]]:
    """What each side did, as it came from its process (`totals` reads it), or the error."""
    jobs: list[Job] = [
        ((question, side), partial(_traced, question, core))
        for question in questions
        for side, core in enumerate(cores)
    ]
    found = side_by_side(jobs, time_left)
    asked = dict.fromkeys(question for question, _ in found)
    return {each: tuple(found[each, side] for side in range(len(cores))) for each in asked}


@cache  # whoever tries many heads has one base
def _traced(question: Question, core: str) -> Traced:
    match question.kind:
        case QuestionKind.OPERATION:
            with CountLab(int(question.where), "tree", 0, core) as lab:
                tree, counted = lab.tree(question.what)
        case QuestionKind.EDGE:
            tree, counted = take_edge_trees(question.where, core).get(question.what, ([], 0))
        case QuestionKind.KEPT:
            return _sites(int(question.where), core).get(question.what, [])
        case QuestionKind.EDGE_KEPT:
            with EdgeLab(question.where, core) as edge:
                return edge.sites()
        case _:
            tree, counted = _of_child(question, core)
    if not counted:
        raise TraceError("this commit's p2pcore has no such thing")
    return tree, counted


@cache
def take_edge_trees(loop: str, core: str) -> dict[str, tuple[list[Any], int]]:
    with EdgeLab(loop, core) as lab:
        return {what: (tree, counted) for what, (tree, counted) in lab.trees().items()}


@cache
def _sites(nodes: int, core: str) -> dict[str, list[Site]]:
    with MemoryLab(nodes, core) as lab:
        return lab.sites()


def _of_child(question: Question, core: str) -> tuple[list[Any], int]:
    [answer] = _answers([question], core)
    if "error" in answer:
        raise TraceError(answer["error"])
    return answer["tree"], answer["counted"]


def take_micro_trees(questions: Sequence[Question], core: str) -> dict[Question, Traced]:
    """Of micro benchmarks, all in one process; those that fail there are left out."""
    answers = _answers(questions, core)
    return {
        question: (answer["tree"], answer["counted"])
        for question, answer in zip(questions, answers, strict=True)
        if "tree" in answer
    }


def _answers(questions: Sequence[Question], core: str) -> list[dict[str, Any]]:
    order = [[each.kind is QuestionKind.IMPORT, each.what] for each in questions]
    command = [sys.executable, "-s", "-P", entry.__file__, "perflab.gate.cause.tree_child", core]
    try:
        done = subprocess.run(
            [*command, json.dumps(order)], stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=PROCESS_S, check=False,
            env=child_environment() | {"PYTHONHASHSEED": "0"},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise TraceError(f"it took more than {PROCESS_S:g} s") from None
    if done.returncode:
        raise TraceError(f"it ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def totals(traced: Traced) -> CallTotals:
    """By function, per operation."""
    if not isinstance(traced, tuple):
        return CallTotals(kept=traced)
    root, counted = traced
    found = CallTotals()
    stack: list[tuple[list[Any], str]] = [(below, "") for below in root[3]]
    order: list[tuple[list[Any], str]] = []
    while stack:  # no recursion: trees are deep
        node, caller = stack.pop()
        order.append((node, caller))
        stack += [(below, node[0]) for below in node[3]]
    sums: dict[int, float] = {}
    for node, caller in reversed(order):  # what is below comes first
        name, calls, steps, below = node
        sums[id(node)] = steps + sum(sums[id(each)] for each in below)
        found.calls[name] += calls / counted
        found.steps[name] += steps / counted
        found.edges[caller, name] += calls / counted
        found.within[name] += sums[id(node)] / counted
    return found
