"""What the hot path's functions cost, each alone: pyperf's micro benchmarks as asv benchmarks.

The samples are pyperf's own values, one from each of several processes. What each function is and
does, `python -m benchmarks micro --list` says; that command also times them before and after a
change.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from benchmarks.micro.catalogue import GROUPS
from benchmarks.rig.micro import examine, measure
from benchmarks.rig.sampling import Samples, as_samples

Found: TypeAlias = dict[str, dict[str, Any]]


def _record(group: str) -> Found:
    """Values by function, and why there are none of others."""
    examined = examine(GROUPS[group])
    return {
        "values": measure(examined.possible),
        "missing": examined.missing,
        "wrong": examined.wrong,
    }


class _Group:
    """What the classes have in common; each has a `setup_cache` of its own, for asv runs the one
    of a base class once for all of them."""

    def setup(self, found: Found, function: str) -> None:
        if function in found["missing"]:
            raise NotImplementedError(found["missing"][function])
        if function in found["wrong"]:
            raise AssertionError(found["wrong"][function])


class Encode(_Group):
    """Catches: a message that takes longer to become bytes.

    Cannot see: the sockets and the encryption beneath, or how many messages an operation takes.
    """

    kind = "paired"
    layout = "C"
    version = "1"
    unit = "seconds"
    timeout = 300
    params = (list(GROUPS["encode"]),)
    param_names = ("function",)

    def setup_cache(self) -> object:
        return _record("encode")

    def track_seconds(self, found: Found, function: str) -> Samples:
        return as_samples(found["values"][function])


class Decode(_Group):
    """Catches: bytes that take longer to become messages, whole or in pieces.

    Cannot see: the sockets and the encryption beneath, or how many messages an operation takes.
    """

    kind = "paired"
    layout = "C"
    version = "1"
    unit = "seconds"
    timeout = 300
    params = (list(GROUPS["decode"]),)
    param_names = ("function",)

    def setup_cache(self) -> object:
        return _record("decode")

    def track_seconds(self, found: Found, function: str) -> Samples:
        return as_samples(found["values"][function])


class Overlay(_Group):
    """Catches: finding who is close that takes longer: tables, rankings, a lookup's own work.

    Cannot see: the network's share of a lookup, and how often one is needed.
    """

    kind = "paired"
    layout = "C"
    version = "1"
    unit = "seconds"
    timeout = 300
    params = (list(GROUPS["overlay"]),)
    param_names = ("function",)

    def setup_cache(self) -> object:
        return _record("overlay")

    def track_seconds(self, found: Found, function: str) -> Samples:
        return as_samples(found["values"][function])


class Replica(_Group):
    """Catches: a record store or a clock of versions that got slower.

    Cannot see: what stores put off (tallies, expiry), stores of many records, or on disk.
    """

    kind = "paired"
    layout = "C"
    version = "1"
    unit = "seconds"
    timeout = 300
    params = (list(GROUPS["replica"]),)
    param_names = ("function",)

    def setup_cache(self) -> object:
        return _record("replica")

    def track_seconds(self, found: Found, function: str) -> Samples:
        return as_samples(found["values"][function])


class Machines(_Group):
    """Catches: state machines that take longer for an operation, on either side or as a whole.

    Cannot see: event loop, sockets, TLS; what timers do; a network that changes.
    """

    kind = "paired"
    layout = "C"
    version = "1"
    unit = "seconds"
    timeout = 300
    params = (list(GROUPS["machines"]),)
    param_names = ("function",)

    def setup_cache(self) -> object:
        return _record("machines")

    def track_seconds(self, found: Found, function: str) -> Samples:
        return as_samples(found["values"][function])


class Tls(_Group):
    """Catches: connections that take longer to open, or to carry a message.

    Cannot see: the round trips of a handshake, and many messages that share a record.
    """

    kind = "paired"
    layout = "C"
    version = "1"
    unit = "seconds"
    timeout = 300
    params = (list(GROUPS["tls"]),)
    param_names = ("function",)

    def setup_cache(self) -> object:
        return _record("tls")

    def track_seconds(self, found: Found, function: str) -> Samples:
        return as_samples(found["values"][function])
