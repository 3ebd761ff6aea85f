"""The settings of the core that may be another from one network to the next: what an A/B compares.

Rule: names and defaults as the core that is installed here has them.
"""

from __future__ import annotations

from dataclasses import fields
from typing import NamedTuple

from benchmarks.common.parts import part

__all__ = ["Switch", "switches"]

AGREED = ("replication_factor", "write_quorum", "read_quorum")  # `NetworkSettings` has them
CONFIGS = (("nodes", "CoordinatorConfig"), ("clients", "ClientConfig"))


class Switch(NamedTuple):
    """A setting of the core's configuration."""

    default: bool | int | float
    of: tuple[str, ...]
    """"nodes", "clients", or both."""


def switches() -> dict[str, Switch]:
    """The settings of nodes and clients that one network may have otherwise than another, by name;
    not those that say where and who a node is, nor what all members must agree on."""
    found = dict[str, Switch]()
    for side, config in CONFIGS:
        for each in fields(part("config", config)):
            if isinstance(each.default, bool | int | float) and each.name not in AGREED:
                before = found.get(each.name, Switch(each.default, ()))
                found[each.name] = Switch(before.default, (*before.of, side))
    return found
