"""How much each function does for a message of each kind, and what that takes in a simulation.

Theory of operation. A child process plays stores and retrieves in a static swarm, under a trace:
what ran while a message was read and handled, or sent, is a tree of calls with the bytecode
instructions of each function; a call into C counts as so many (`C_CALL`). So the work of a kind of
message, and each function's part in it, are exact counts. What a unit of work takes in time is the
same for all kinds: such that a message takes `message_us` on average in the base.

Rule: counts and sums; knows nothing of time but that one factor.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.common import entry
from benchmarks.common.children import child_environment
from benchmarks.common.counting.kind_meter import READ, SEND
from perflab.forms import one_line
from perflab.gate.cause.rank import C_CALL
from perflab.gate.cause.trees import Sums

__all__ = ["CoreWork", "WorkError", "work_of"]

PROCESS_S = 300.0  # sixty times what it takes
Kinds = dict[str, tuple[float, float]]
"""By kind of message: units of work to read and handle one, and to send one."""


class WorkError(RuntimeError):
    """A core could not be traced; the message says why."""


@dataclass
class CoreWork:
    """The work of one core, by way (read or send) and kind of message."""

    operations: int
    messages: Mapping[tuple[str, str], int]
    """Read, by "client" or "node", and kind."""
    own: dict[tuple[str, str], Sums[str]] = field(default_factory=dict)
    """Units of all messages of a kind by function, with what it calls in C."""
    within: dict[tuple[str, str], Sums[str]] = field(default_factory=dict)
    """The same with all that a function calls."""

    def count(self, kind: str) -> int:
        """How many messages of a kind."""
        return sum(count for (_, each), count in self.messages.items() if each == kind)

    def kinds(self, less: Mapping[str, float] | None = None, *, callees: bool = False) -> Kinds:
        """Units for a message of each kind, if functions cost less by a share: they alone, or
        with all that they call."""
        less = less or {}
        part = self.within if callees else self.own
        found: Kinds = {}
        for kind in sorted({kind for _, kind in self.messages}):
            read, send = (
                (
                    sum(self.own[way, kind].values())
                    - sum(share * part[way, kind][name] for name, share in less.items())
                )
                / self.count(kind)
                if (way, kind) in self.own
                else 0.0
                for way in (READ, SEND)
            )
            found[kind] = read, send
        return found

    def functions(self, *, callees: bool = False) -> dict[str, float]:
        """The share of all work by function of p2pcore, the largest first."""
        whole = sum(sum(each.values()) for each in self.own.values())
        shares: Sums[str] = Sums()
        for sums in (self.within if callees else self.own).values():
            for name, units in sums.items():
                shares[name] += units / whole
        ours = [each for each in shares if each.startswith("p2pcore/")]
        return {name: shares[name] for name in sorted(ours, key=lambda each: (-shares[each], each))}

    def most_of(self, function: str, *, callees: bool = False) -> tuple[str, float]:
        """The kind of message, to read or to send, of which it is most, and its share of that."""
        part = self.within if callees else self.own
        shares = {
            f"{way} {kind}": part[way, kind][function] / sum(own.values())
            for (way, kind), own in self.own.items()
        }
        kind = max(sorted(shares), key=lambda each: shares[each])
        return kind, shares[kind]

    def at_nodes(self, kinds: Kinds) -> float:
        """Units of all nodes for an operation."""
        units = 0.0
        for (reader, kind), count in self.messages.items():
            units += count * kinds[kind][0 if reader == "node" else 1]
        return units / self.operations

    def mean(self) -> float:
        """Units for a message, to read or to send it, on average."""
        kinds = self.kinds()
        count = sum(map(self.count, kinds))
        return sum(self.count(kind) * sum(units) for kind, units in kinds.items()) / (2 * count)


def work_of(core: str) -> CoreWork:
    """What a p2pcore that is installed in a directory does. Raises WorkError."""
    command = [sys.executable, "-s", "-P", entry.__file__, "perflab.critical.work_child", core]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PROCESS_S,
            check=False, env=child_environment() | {"PYTHONHASHSEED": "0"},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise WorkError(f"it took more than {PROCESS_S:g} s") from None
    if done.returncode:
        raise WorkError(f"it ended with {done.returncode}: {one_line(done.stderr)[-500:]}")
    answer = json.loads(done.stdout)
    messages = {(reader, kind): count for reader, kind, count in answer["messages"]}
    found = CoreWork(answer["operations"], messages)
    for way, kind, tree in answer["trees"]:
        found.own[way, kind], found.within[way, kind] = Sums(), Sums()
        _add_up(tree, found.own[way, kind], found.within[way, kind])
    return found


def _add_up(root: list[Any], own: Sums[str], within: Sums[str]) -> None:
    """Of each function; one that calls itself counts once."""
    above: list[str] = []

    def visit(node: list[Any]) -> float:
        name, _, steps, below = node
        outer = name not in above
        above.append(name)
        itself = float(steps)
        whole = 0.0
        for each in below:
            if _in_c(each[0]):
                itself += C_CALL * each[1]
            whole += visit(each)
        above.pop()
        if _in_c(name):
            return whole  # whoever calls it has its calls
        own[name] += itself
        if outer:
            within[name] += itself + whole
        return itself + whole

    for each in root[3]:
        visit(each)


def _in_c(name: str) -> bool:
    return not name.partition(":")[0].endswith(".py")
