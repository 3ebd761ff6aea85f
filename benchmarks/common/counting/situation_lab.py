"""A child process that plays situations of a static swarm (`situations.py`), one after the other.

Rule: started by the gate or a suite through `SituationLab`.
"""

from __future__ import annotations

import json
from typing import Any

from benchmarks.common import subject
from benchmarks.common.children import Child, WithChild, serve_parent
from benchmarks.common.counting.situations import SITUATIONS, Figures
from benchmarks.common.reach import unreached

__all__ = ["SituationLab", "run_child"]

ANSWER_S = 100.0  # fifty times what the longest takes when nothing else runs


class SituationLab(WithChild):
    """The caller's side. `core_dir` holds the p2pcore package to look at; by default it is the one
    installed here."""

    def __init__(self, core_dir: str | None = None) -> None:
        self._child = Child(
            "benchmarks.common.counting.situation_lab", [], core_dir or subject.core_dir()
        )

    def play(self, situation: str, seed: int) -> Figures:
        """The figures of one of SITUATIONS; none if this p2pcore can't do it."""
        return self._child.ask({"situation": situation, "seed": seed}, ANSWER_S)


class _Lab:
    """The child's service."""

    async def start(self) -> dict[str, Any]:
        return {}

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        try:
            return dict(SITUATIONS[question["situation"]](question["seed"]))
        except NotImplementedError as reason:
            if unreached(reason):
                raise  # it may be there, under another name
            return {}

    async def stop(self) -> None:
        pass


def run_child(arguments: list[str]) -> None:
    """A child process of SituationLab; it takes no arguments."""
    assert not arguments, f"{json.dumps(arguments)} were not asked for"
    serve_parent(_Lab(), "asyncio")
