"""A child process that times micro benchmarks of one commit block by block, when it is asked.

Two of them, base's and head's, are asked in turn: that is how the gate compares processor time.

Rule: one question, one block; which, how long and in what order is the parent's to decide.
"""

from __future__ import annotations

import json
import os
from typing import Any

from benchmarks.common.children import Child, WithChild, serve_parent
from benchmarks.common.reach import unreached
from benchmarks.micro.catalogue import MICROS
from benchmarks.micro.prepared import Prepared
from benchmarks.micro.timer import processor_seconds

__all__ = ["BlockLab", "run_child"]


class BlockLab(WithChild):
    """The parent's side.

    Args:
        core_dir: holds the p2pcore package to time.
        names: of the micro benchmarks.
        hash_seed: of the child's Python.
        processor: the number of the one that the child has to use; None for any.
    """

    def __init__(
        self, core_dir: str, names: list[str], hash_seed: int, processor: int | None
    ) -> None:
        order, environment = [json.dumps(names)], {"PYTHONHASHSEED": str(hash_seed)}
        self._child = Child("perflab.gate.block_lab", order, core_dir, environment)
        self._processor = processor

    def __enter__(self) -> BlockLab:
        super().__enter__()
        if self._processor is not None:
            os.sched_setaffinity(self._child.pid, {self._processor})
        self.missing: dict[str, str] = self._child.ready["missing"]
        """Names that this commit has no part for, and which."""
        self.unreached: list[str] = self._child.ready["unreached"]
        """Those of them whose part is not where the ruler looks for it."""
        self.wrong: dict[str, str] = self._child.ready["wrong"]
        """Names whose result is not what it must be."""
        return self

    def seconds(self, name: str, loops: int) -> float:
        """Processor time of so many runs, all their operations together."""
        seconds: float = self._child.ask({"name": name, "loops": loops})["seconds"]
        return seconds


class _Blocks:
    """The child's service."""

    def __init__(self, names: list[str]) -> None:
        self._names = names
        self._prepared: dict[str, Prepared] = {}

    async def start(self) -> dict[str, Any]:
        missing, wrong = {}, {}
        lost = []
        for name in self._names:
            try:
                self._prepared[name] = MICROS[name].prepare()
            except NotImplementedError as reason:
                missing[name] = str(reason)
                lost += [name] * unreached(reason)
            except Exception as error:  # the parent is told which one, and the others are timed
                wrong[name] = f"{type(error).__name__}: {error}"
        return {"missing": missing, "wrong": wrong, "unreached": lost}

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        return {"seconds": processor_seconds(self._prepared[question["name"]], question["loops"])}

    async def stop(self) -> None:
        pass


def run_child(arguments: list[str]) -> None:
    """A child process of BlockLab; its order is a JSON list of names."""
    serve_parent(_Blocks(json.loads(arguments[0])), "asyncio")
