"""Nodes of which one does far too much work: whoever is the first to leave a note that it will."""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

from benchmarks.common import swarm
from benchmarks.common.children import serve_parent

NOTE = "P2PCORE_TEST_NOTE"  # names the file
PIECE_S = 0.005  # of work, before the loop's other callbacks have their turn


class _BusyHost(swarm._Host):
    async def start(self) -> dict[str, Any]:
        ready = await super().start()
        if _first():
            self._work(asyncio.get_running_loop())
        return ready

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        end_s = time.thread_time() + PIECE_S
        while time.thread_time() < end_s:
            pass
        loop.call_soon(self._work, loop)


def _first() -> bool:
    try:
        Path(os.environ[NOTE]).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def run_child(arguments: list[str]) -> None:
    order = json.loads(arguments[0])
    serve_parent(_BusyHost(order), order["loop"], order.get("source"))
