"""The child process of test_children: echoes, breaks at the start or hangs at the end."""

import signal
from typing import Any

from benchmarks.common import children


class Echo:
    def __init__(self, mood: str) -> None:
        self._mood = mood

    async def start(self) -> dict[str, Any]:
        import os

        if self._mood == "broken":
            raise RuntimeError("the reason it is broken")
        return {"pid": os.getpid()}

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        if "fail" in question:
            raise ValueError(question["fail"])
        return {"echo": question}

    async def stop(self) -> None:
        while self._mood == "hanging":
            signal.pause()  # the loop must hang here: that is the case under test


def run_child(arguments: list[str]) -> None:
    children.GRACE_S = 1.0 if arguments == ["hanging"] else children.GRACE_S
    children.serve_parent(Echo(arguments[0]), "asyncio")
