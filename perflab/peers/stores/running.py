"""A peer that is there to be asked: the measuring side.

Rule: starts and ends the peer's one process; what it does there is `process`'s.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.common.children import Child, ChildError
from benchmarks.common.disk import file_system, sync_cost_s
from benchmarks.common.entered import Entered
from benchmarks.common.records import LoopKind
from benchmarks.common.workload import WorkloadOutcome
from perflab.peers.question import Question
from perflab.peers.stores.certificates import write_certificates
from perflab.peers.stores.contract import Peer
from perflab.peers.stores.environments import PeerFolders

__all__ = ["RunningPeer", "side_name"]

OPEN_S = 90.0
ROUND_S = 180.0  # one question at one number in flight; it takes a second or two


def side_name(peer: Peer, client: str) -> str:
    """What the records call a peer as asked through a client."""
    return f"{peer.name} ({client})"


class RunningPeer(Entered):
    """Three members and their clients, from entering to leaving.

    `versions` names what is measured; `pids` are the members'; `file_system` is the kind that their
    data are on.
    """

    def __init__(self, peer: Peer, folders: PeerFolders, loop: LoopKind) -> None:
        self.peer = peer
        self.versions: dict[str, str] = {}
        self.pids: list[int] = []
        self.file_system = "unknown"
        self._folders = folders
        self._loop = loop
        self._child: Child | None = None

    def _enter(self) -> None:
        name = f"peer-{self.peer.name}-"
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix=name)))
        self.file_system = file_system(self._folder)
        self._stack.callback(self.end)
        self._child = Child("perflab.peers.stores.process", [json.dumps(self._order())])
        self._child.wait_ready()
        opened = self._child.ask({"ask": "open"}, OPEN_S)
        self.pids, self.versions = opened["pids"], opened["versions"]
        if self.peer.program is not None:
            program = self.peer.program
            self.versions[program.name] = self._folders.version(program)

    def end(self) -> None:
        """End it now; a second time does nothing."""
        child, self._child = self._child, None
        if child is not None:
            with contextlib.suppress(ChildError):  # whoever asked it has heard why
                child.stop()

    def sync_cost_s(self) -> list[float]:
        """Seconds of some syncs of this moment, where the members' data are."""
        return sync_cost_s(self._folder)

    def ask(
        self, client: str, operations: int, in_flight: int, edition: int
    ) -> dict[Question, WorkloadOutcome]:
        """Store and read back; RuntimeError if a value was wrong or an operation failed, ChildError
        if the peer is gone."""
        if self._child is None:
            raise ChildError("it was ended")
        question = {
            "ask": "round",
            "client": client,
            "operations": operations,
            "in_flight": in_flight,
            "edition": edition,
        }
        answer = self._child.ask(question, ROUND_S)
        stored = WorkloadOutcome(**answer["stored"]).require_clean()
        retrieved = WorkloadOutcome(**answer["retrieved"]).require_clean()
        return {"store": stored, self.peer.reads: retrieved}

    def _order(self) -> dict[str, Any]:
        program = self.peer.program
        path = None if program is None else self._folders.program(program)
        certificates = {
            name: str(file) for name, file in asdict(write_certificates(self._folder)).items()
        }
        return certificates | {
            "peer": self.peer.name,
            "clients": list(self.peer.clients),
            "packages": str(self._folders.packages(self.peer)),
            "folder": str(self._folder),
            "program": path,
            "environment": self._folders.environment(path),
            "loop": self._loop,
        }
