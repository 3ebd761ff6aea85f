"""Nodes that keep 100 bytes of each message they receive: a leak made on purpose."""

import json
from typing import Any

from benchmarks.common import swarm
from benchmarks.common.children import serve_parent

LEAK_BYTES = 100
kept: list[bytes] = []


class _LeakyHost(swarm._Host):
    async def start(self) -> dict[str, Any]:
        from p2pcore.session.dispatch import Dispatch

        receive = Dispatch.receive_read

        def leak(self: Dispatch, link_id: Any, messages: Any, *what: Any) -> int:
            messages = list(messages)
            kept.extend(bytes(LEAK_BYTES - b"".__sizeof__()) for _ in messages)
            return receive(self, link_id, messages, *what)

        Dispatch.receive_read = leak  # type: ignore[method-assign, assignment]
        return await super().start()


def run_child(arguments: list[str]) -> None:
    order = json.loads(arguments[0])
    serve_parent(_LeakyHost(order), order["loop"])
