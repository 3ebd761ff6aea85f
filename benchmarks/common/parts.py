"""Single parts of p2pcore by name, under the names that they have had: half of the one door.

Rule: p2pcore is imported inside functions, for asv imports this module in every process.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["MOVED", "part"]

MOVED = (
    ("contact.Contact", "overlay.table.Contact"),
    ("versions.HybridClock", "replication.clock.HybridClock"),
    ("sim.LinkProfile", "sim.Link"),
)
"""Parts that had other names in older commits: the newest first. `part` knows each by all of them.
A name is entered here one commit before the core moves it, or the gate compares nothing."""


def part(module: str, name: str) -> Any:
    """`name` of `p2pcore.<module>`: the door for measuring one part alone (benchmarks/micro).

    Parts are not public, and come and go. One that has moved is found under each of its names.
    Where commits use one differently, its only user in micro/ knows how.

    Raises:
        NotImplementedError: this commit has no such part.
    """
    asked = f"{module}.{name}"
    for place in next((names for names in MOVED if asked in names), (asked,)):
        found = _look_up(*place.rsplit(".", 1))
        if found is not None:
            return found
    raise NotImplementedError(f"this commit's p2pcore has no {asked}")


def _look_up(module: str, name: str) -> Any:
    """`name` of `p2pcore.<module>`; None if this commit has no such thing there."""
    try:
        return getattr(import_module(f"p2pcore.{module}"), name, None)
    except ModuleNotFoundError as error:
        if f"p2pcore.{module}.".startswith(f"{error.name}."):
            return None
        raise  # the part is there, and what it needs is not
