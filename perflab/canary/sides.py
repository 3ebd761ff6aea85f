"""The two sides of a canary: a network that runs already, or one that is served for it.

A served side is one process with all its nodes and one with its client, both with the p2pcore of a
commit (or with other settings). The nodes' ids, which decide what lies where, and the hash seed are
the same on both sides: they would be differences that no change has made. So is their place: nodes
on the last processor, clients on the first. As only one side has its turn, neither takes from the
other.

Rule: starts, asks and reads clocks; what figures mean is the judge's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.common import subject
from benchmarks.common.children import Child, ChildError
from benchmarks.common.disk import NodeStorage
from benchmarks.common.entered import Entered
from benchmarks.common.processors import process_cpu_s
from benchmarks.common.records import LoopKind
from perflab.canary.client import ClientOrder, SlotClient
from perflab.canary.plan import CanaryPlan

__all__ = ["CanarySide", "RunningSide", "ServedSide", "SideGoneError"]


class SideGoneError(RuntimeError):
    """A side whose processes are no longer there; one line."""


class CanarySide(Entered):
    """One of the two networks and its client, from entering to leaving."""

    name: str
    """For people: a commit, an address, a setting."""
    pids: list[int]
    """Of the nodes' processes; empty where they cannot be seen."""
    client: SlotClient
    client_order: ClientOrder
    _children: Sequence[Child] = ()
    """The nodes' processes, where they are ours."""

    def cpu_s(self) -> float | None:
        """The processor time that the nodes have had so far; None where they cannot be seen.

        Raises:
            SideGoneError: one of the processes has ended.
        """
        if any(child.exit_code is not None for child in self._children):
            raise SideGoneError(f"{self.name}: the nodes' process ended by itself")
        if not self.pids:
            return None
        try:
            return sum(process_cpu_s(pid) for pid in self.pids)
        except OSError:
            raise SideGoneError(f"{self.name}: a process of {self.pids} is gone") from None

    def freeze(self) -> None:
        """What the nodes have allocated so far is no garbage, and no collection looks at it."""
        for child in self._children:
            child.ask({"ask": "freeze"})

    def _open_client(self, order: ClientOrder, core_dir: str, hash_seed: int) -> None:
        self.client_order = order
        self.client = SlotClient(order, core_dir, hash_seed)
        self._stack.callback(_see_gone, self.client.child)
        self.client.child.wait_ready()


class RunningSide(CanarySide):
    """A network by addresses of its members; its processes are somebody else's."""

    def __init__(
        self,
        addresses: Sequence[str],
        network: subject.NetworkSettings,
        plan: CanaryPlan,
        *,
        run: str,
        loop: LoopKind,
        pids: Sequence[int],
    ) -> None:
        self.name, self.pids = ", ".join(addresses), list(pids)
        self._order = ClientOrder(
            plan=plan, run=run, network=network, bootstrap=list(addresses), loop=loop, switches={}
        )

    def _enter(self) -> None:
        self.cpu_s()  # a process that is not there says so before anything begins
        self._open_client(self._order, subject.core_dir(), hash_seed=0)


class ServedSide(CanarySide):
    """Nodes on loopback in a process of their own, with the p2pcore of a directory."""

    child_module = "benchmarks.common.swarm"

    def __init__(
        self,
        name: str,
        core_dir: str,
        plan: CanaryPlan,
        *,
        run: str,
        nodes: int,
        loop: LoopKind,
        switches: Mapping[str, Mapping[str, Any]],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._environment = dict(environment or {})
        self.name, self._core_dir, self._plan, self._run = name, core_dir, plan, run
        self._nodes, self._loop, self._switches = nodes, loop, switches
        self.pids = []

    def _enter(self) -> None:
        network, hash_seed = subject.NetworkSettings.of(self._nodes), self._plan.seed % 2**32
        order = {
            "network": asdict(network),
            "count": self._nodes,
            "bootstrap": [],
            "loop": self._loop,
            "storage": asdict(NodeStorage(identities=f"canary {self._plan.seed}")),
            "settings": dict(self._switches.get("nodes", {})),
        }
        nodes = Child(
            self.child_module,
            [json.dumps(order)],
            self._core_dir,
            self._environment | {"PYTHONHASHSEED": str(hash_seed)},
        )
        self._stack.callback(_see_gone, nodes)
        ready = nodes.wait_ready()
        _keep_on(nodes.pid, -1)
        self._children, self.pids = [nodes], [nodes.pid]
        client = ClientOrder(
            plan=self._plan,
            run=self._run,
            network=network,
            bootstrap=ready["addresses"][:2],
            loop=self._loop,
            switches=dict(self._switches.get("clients", {})),
        )
        self._open_client(client, self._core_dir, hash_seed)
        _keep_on(self.client.child.pid, 0)


def _see_gone(child: Child) -> None:
    """End a child; one that has ended by itself was told of already."""
    over = child.exit_code is not None
    try:
        child.stop()
    except ChildError:
        if not over:
            raise


def _keep_on(pid: int, place: int) -> None:
    """Keep a process on one processor of those that may be used, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(pid, {sorted(os.sched_getaffinity(0))[place]})
