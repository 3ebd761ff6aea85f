"""Nodes that are worse on purpose: they burn processor time for each message, or lose one write
that they have acknowledged. What they do is in their environment."""

import json
import os
from typing import Any

from benchmarks.common import swarm
from benchmarks.common.children import serve_parent

BURN = "P2PCORE_TEST_BURN"  # loops per message that a node receives
LOSE = "P2PCORE_TEST_LOSE"  # so many writes are kept, and the next is lost by all replicas


def _burn(loops: int) -> None:
    from p2pcore.session.dispatch import Dispatch

    receive = Dispatch.receive_read

    def slower(self: Dispatch, link_id: Any, messages: Any, *what: Any) -> int:
        messages = list(messages)
        for _ in range(loops * len(messages)):
            pass
        return receive(self, link_id, messages, *what)

    Dispatch.receive_read = slower  # type: ignore[method-assign, assignment]


def _lose(kept: int) -> None:
    from p2pcore.storage.memory import MemoryStore

    put, seen = MemoryStore.put, set[bytes]()
    lost: bytes = b""

    def careless(self: MemoryStore, key: Any, record: Any, *what: Any) -> Any:
        nonlocal lost
        seen.add(record.version)
        if not lost and len(seen) > kept:
            lost = record.version
        return None if record.version == lost else put(self, key, record, *what)

    MemoryStore.put = careless  # type: ignore[method-assign, assignment]


class _WorseHost(swarm._Host):
    async def start(self) -> dict[str, Any]:
        if BURN in os.environ:
            _burn(int(os.environ[BURN]))
        if LOSE in os.environ:
            _lose(int(os.environ[LOSE]))
        return await super().start()


def run_child(arguments: list[str]) -> None:
    order = json.loads(arguments[0])
    serve_parent(_WorseHost(order), order["loop"])
