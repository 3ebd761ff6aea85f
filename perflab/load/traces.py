"""The operations that a load run followed through their stages: the form of the file, its reader.

traces-N.jsonl, beside the other files of client process N (`record.py`): an operation a line,
written when it has ended. All times are nanoseconds of the run's own clock. What a node measured,
it measured with its own clock: `waited_ns` and `served_ns` are differences. `read_ns` is moved onto
the run's clock as if the two were one, which is so only on one machine.

Rule: reads files only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from perflab.forms import decoded, lines
from perflab.load.record import LoadRecordError

__all__ = ["FOLLOWED", "Followed", "FollowedReply", "read_traces", "traces_file"]

MOST_NS = 10**18  # thirty years

FOLLOWED = ("retrieve", "store", "insert", "delete")
"""Kinds of operation that can be followed: those that ask for one record, once."""


@dataclass(frozen=True, kw_only=True)
class FollowedReply:
    """A node's reply to a request of the operation, in the order in which they came."""

    node: str
    """Its address."""
    read_ns: int
    """When the node read the request."""
    waited_ns: int
    """From then until the request's turn came, behind what was read with it."""
    served_ns: int
    """From then until its reply was ready."""
    replied_ns: int
    """When the client read the reply."""
    final: bool
    """Whether the operation was over with it."""


@dataclass(frozen=True, kw_only=True)
class Followed:
    """One operation."""

    kind: Literal["retrieve", "store", "insert", "delete"]
    outcome: str
    due_ns: int
    begun_ns: int
    written_ns: int | None
    """When its requests had been given to the sockets; None if there were none."""
    ended_ns: int
    replies: list[FollowedReply]
    """Without those of nodes that can't tell; [] if the replicas had to be looked up first."""

    def __post_init__(self) -> None:
        times = [self.due_ns, self.begun_ns, self.written_ns or 0, self.ended_ns]
        for each in self.replies:
            times += [each.read_ns, each.waited_ns, each.served_ns, each.replied_ns]
        if max(times) > MOST_NS or min(times) < -MOST_NS:
            raise ValueError(f"a time beyond {MOST_NS} ns")


def traces_file(process: int) -> str:
    return f"traces-{process}.jsonl"


def read_traces(directory: Path, clients: int) -> list[Followed]:
    """The operations of all client processes by their ends; [] where none was followed.

    A last line that was cut off is left out; LoadRecordError for anything else.
    """
    found = []
    for process in range(clients):
        path = directory / traces_file(process)
        if path.exists():
            found += [decoded(line, Followed, path.name, LoadRecordError) for line in lines(path)]
    return sorted(found, key=lambda each: each.ended_ns)
