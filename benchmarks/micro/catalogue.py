"""Every micro benchmark by its name, in groups that are run together.

The names are asv's parameters: a name whose meaning changes gets a new `version` of its suite.
"""

from __future__ import annotations

from benchmarks.micro.codec import DECODE, ENCODE
from benchmarks.micro.disk import DISK
from benchmarks.micro.edge import EDGE
from benchmarks.micro.lives import LIVES
from benchmarks.micro.machines import MACHINES
from benchmarks.micro.overlay import OVERLAY
from benchmarks.micro.populations import POPULATIONS
from benchmarks.micro.prepared import Micro
from benchmarks.micro.replica import REPLICA
from benchmarks.micro.sizes import SIZES
from benchmarks.micro.tls import TLS

__all__ = ["COUNTED", "GROUPS", "MICROS"]

GROUPS: dict[str, dict[str, Micro]] = {
    "encode": ENCODE,
    "decode": DECODE,
    "overlay": OVERLAY,
    "replica": REPLICA,
    "machines": MACHINES,
    "disk": DISK,
    "tls": TLS,
}

MICROS: dict[str, Micro] = {
    name: micro for group in GROUPS.values() for name, micro in group.items()
}

COUNTED: dict[str, Micro] = MICROS | EDGE | SIZES | POPULATIONS | LIVES
"""Those of which the gate counts instructions: more than those that are timed."""
