"""The process of a peer: starts its members, holds its client, and asks it what it is told to.

Theory of operation. One child of the one who measures (see `children`), for each peer. What it
imports comes first from the folder of the peer's client libraries, then from the project's
environment, so that values, checks and the driver are the very ones the core is measured with.

Rule: knows no peer by name but through the table.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import shutil
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.common.children import serve_parent
from benchmarks.common.workload import Values, WorkloadOutcome, closed_loop
from perflab.peers.stores.contract import MEMBERS, Peer, PeerClient, Premises
from perflab.peers.stores.servers import Servers, free_ports
from perflab.peers.stores.table import MEASURED

__all__ = ["run_child"]

READY_S = 60.0  # from the start of the members to the first answer, on busy cores
WATCH_S = 0.25  # between looks at the members
CLOSE_S = 2.0


class _PeerProcess:
    """The child's service. Its order names the peer, folders, certificates and the loop."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._order = order
        self._peer: Peer = MEASURED[order["peer"]]
        self._servers = Servers(Path(order["folder"]))
        self._clients: dict[str, PeerClient] = {}

    async def start(self) -> dict[str, Any]:
        return {"peer": self._peer.name}  # a child has half a minute; `open` may take longer

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        match question:
            case {"ask": "open"}:
                return await self._open()
            case {"ask": "round"}:
                answer: dict[str, Any] = await self._watched(self._round(question))
                return answer
        raise ValueError(f"the process of a peer cannot answer {question}")

    async def stop(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_S):
                for client in self._clients.values():
                    await client.close()
        except Exception as error:  # members that hang: they are ended next
            print(f"a client did not close: {error!r}", file=sys.stderr)
        finally:
            self._servers.stop()
            # Whoever measures removes it, too, but may have been killed: there are keys in it.
            shutil.rmtree(self._order["folder"], ignore_errors=True)

    async def _open(self) -> dict[str, Any]:
        peer, premises = self._peer, self._premises()
        for command in peer.commands(premises):
            self._servers.start(command, self._order["environment"] | dict(peer.environment))
        try:
            async with asyncio.timeout(READY_S):
                for name in self._order["clients"]:
                    self._clients[name] = await self._watched(peer.connect(name, premises))
        except TimeoutError as error:
            words = "; ".join(self._servers.words(n) for n in range(len(self._servers.pids)))
            raise RuntimeError(f"not ready after {READY_S:.0f} s: {words}") from error
        return {"pids": self._servers.pids, "versions": self._versions()}

    def _premises(self) -> Premises:
        order, kinds = self._order, self._peer.ports
        ports = free_ports(MEMBERS * len(kinds))
        return Premises(
            folder=Path(order["folder"]),
            packages=Path(order["packages"]),
            program=order["program"],
            ports={kind: ports[n :: len(kinds)] for n, kind in enumerate(kinds)},
            authority=Path(order["authority"]),
            certificate=Path(order["certificate"]),
            key=Path(order["key"]),
            loop=order["loop"],
        )

    def _versions(self) -> dict[str, str]:
        """Those of all client libraries that were asked for, as they are here."""
        wanted = [each for several in self._peer.clients.values() for each in several]
        return {name: version(name) for name in (each.split("==")[0] for each in wanted)}

    async def _round(self, question: dict[str, Any]) -> dict[str, Any]:
        """Overwrite the records with a new edition, and read them back, each one compared."""
        name, client = question["client"], self._clients[question["client"]]
        async with asyncio.timeout(READY_S):
            await client.settle()
        values = Values(self._peer.size_bytes, question["edition"])
        many = {name: question[name] for name in ("operations", "in_flight")}
        key = f"{name}-record-{{}}".format  # two clients of the same members share no records
        stored = await closed_loop(lambda n: client.store(key(n), values.value(n)), **many)
        retrieved: WorkloadOutcome | None = None
        if not stored.errors:
            retrieved = await closed_loop(
                lambda n: client.retrieve(key(n)), check=values.check, **many
            )
        return {
            "stored": asdict(stored),
            "retrieved": None if retrieved is None else asdict(retrieved),
        }

    async def _watched(self, doing: Any) -> Any:
        """What comes of it; ServerError as soon as a member ends, and if one has ended meanwhile:
        two of three go on, but are not what is measured."""
        task = asyncio.ensure_future(doing)
        try:
            while not (await asyncio.wait([task], timeout=WATCH_S))[0]:
                self._servers.require_running()
            self._servers.require_running()
            return await task
        finally:
            task.cancel()


def run_child(arguments: list[str]) -> None:
    """The process of a peer; its order is one JSON object."""
    order = json.loads(arguments[0])
    sys.path.insert(0, order["packages"])
    importlib.invalidate_caches()
    serve_parent(_PeerProcess(order), order["loop"])
