"""A child process that plays simulated networks, one question at a time.

A process of its own, so that worlds of thousands of nodes leave nothing behind in the process of
asv, and two can be played side by side.

Rule: knows no scenario; `scale` and `faults` do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

from benchmarks.common import subject
from benchmarks.common.children import Child, serve_parent, stop_all
from benchmarks.common.sampling import QUICK
from benchmarks.common.simulated import detection as sim_detection
from benchmarks.common.simulated import faults as sim_faults
from benchmarks.common.simulated import growth as sim_growth
from benchmarks.common.simulated import neighbours as sim_neighbours
from benchmarks.common.simulated import offered as sim_offered
from benchmarks.common.simulated import overload as sim_overload
from benchmarks.common.simulated import scale as sim_scale
from benchmarks.common.simulated import tail as sim_tail

__all__ = ["Figures", "Question", "play", "play_one", "players", "run_child"]

NAME = "benchmarks.common.simulated.lab"
AT_A_TIME = 2  # processes: there is nothing that they could disturb
ANSWER_S = 280.0  # for one world; ten times what the largest takes when nothing else runs
MOST_NODES_QUICK = 32

Figures = dict[str, float]
Question = dict[str, Any]
"""`play`, the name of a scenario, and its arguments."""

SCENARIOS: dict[str, Callable[..., Figures]] = {
    "operations": sim_scale.operations,
    "distant": sim_scale.distant,
    "joins": sim_scale.joins,
    "churn": sim_scale.churn,
    "members": sim_growth.members,
    "settled": sim_growth.settled,
    "calm": sim_faults.calm,
    "fault": sim_faults.fault,
    "overload": sim_overload.overload,
    "trigger": sim_overload.after_trigger,
    "neighbours": sim_neighbours.neighbours,
    "offered": sim_offered.offered,
    "tail": sim_tail.tail,
    "detection": sim_detection.detection,
}


def play(questions: Iterable[Question]) -> list[Figures]:
    """The figures of each, in order; two are played at a time. A quick run, whose figures are worth
    nothing, plays a network of MOST_NODES_QUICK in place of a larger one.

    Raises:
        ChildError: a scenario failed; the message has its words.
    """
    with players() as ask:
        return ask(questions)


@contextmanager
def players(at_a_time: int = AT_A_TIME) -> Iterator[Callable[[Iterable[Question]], list[Figures]]]:
    """Children that play as `play` does, call after call, until the end of the block."""
    idle: SimpleQueue[Child] = SimpleQueue()

    def ask(question: Question) -> Figures:
        child = idle.get()
        try:
            return child.ask(_smaller(question) if QUICK else question, ANSWER_S)
        finally:
            idle.put(child)

    children = [Child(NAME, [], subject.core_dir()) for _ in range(at_a_time)]
    try:
        for child in children:
            child.wait_ready()
            idle.put(child)
        with ThreadPoolExecutor(at_a_time) as pool:
            yield lambda questions: list(pool.map(ask, questions))
    finally:
        stop_all(children)


def _smaller(question: Question) -> Question:
    nodes = question.get("nodes", 0)
    return {**question, "nodes": MOST_NODES_QUICK} if nodes > MOST_NODES_QUICK else question


def play_one(question: Question, core_dir: str, answer_s: float = ANSWER_S) -> Figures:
    """The figures of one, with the p2pcore in this directory; none if it cannot do it.

    Raises ChildError: it failed, or took longer than `answer_s`.
    """
    child = Child(NAME, [], core_dir)
    try:
        child.wait_ready()
        return child.ask(question, answer_s)
    finally:
        child.stop()


class _Lab:
    """The child's service."""

    async def start(self) -> dict[str, Any]:
        return {}

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        try:
            subject.require("simulator")
            return SCENARIOS[question.pop("play")](**question)
        except NotImplementedError:
            return {}

    async def stop(self) -> None:
        pass


def run_child(arguments: list[str]) -> None:
    """A child process of `play`; it takes no arguments."""
    assert not arguments, f"{arguments} were not asked for"
    serve_parent(_Lab(), "asyncio")
