"""What the hot path's functions cost, each alone, in processor time at reference speed.

Each function runs in rounds: processes of their own, in which its blocks are taken in turn with the
ruler's (`benchmarks/common/ruler/pairs.py`). What a function is and does, `python -m perflab micro
--list` says; that command times the same ones with pyperf, before and after a change.
"""

from __future__ import annotations

from benchmarks.common.asv_type import ROUNDS
from benchmarks.common.ruler.pairs import at_reference, samples, slowness
from benchmarks.common.ruler.small_core import REFERENCE_S
from benchmarks.common.ruler.versions import CORE_RULER, beside
from benchmarks.common.sampling import Samples
from benchmarks.micro.catalogue import GROUPS, MICROS
from benchmarks.micro.timer import beside_ruler


class _Group:
    """What the classes have in common."""

    kind = "paired"
    layout = "C"
    timeout = 60
    param_names = ("function",)
    rounds = ROUNDS

    def setup(self, function: str) -> None:
        self._prepared = MICROS[function].prepare()  # compares its result with what it must be

    def _seconds(self, function: str) -> Samples:
        pairs = beside_ruler(self._prepared, MICROS[function].operations)
        return samples([at_reference(pairs, REFERENCE_S)], slowness(pairs, REFERENCE_S))


class Encode(_Group):
    """Catches: a message that takes longer to become bytes.

    Cannot see: the sockets and the encryption beneath, or how many messages an operation takes.
    """

    version = beside("3", CORE_RULER)
    unit = "seconds"
    params = (list(GROUPS["encode"]),)

    def track_seconds(self, function: str) -> Samples:
        return self._seconds(function)


class Decode(_Group):
    """Catches: bytes that take longer to become messages, whole or in pieces.

    Cannot see: the sockets and the encryption beneath, or how many messages an operation takes.
    """

    version = beside("3", CORE_RULER)
    unit = "seconds"
    params = (list(GROUPS["decode"]),)

    def track_seconds(self, function: str) -> Samples:
        return self._seconds(function)


class Overlay(_Group):
    """Catches: finding who is close that takes longer: tables, rankings, a lookup's own work.

    Cannot see: the network's share of a lookup, and how often one is needed.
    """

    version = beside("3", CORE_RULER)
    unit = "seconds"
    params = (list(GROUPS["overlay"]),)

    def track_seconds(self, function: str) -> Samples:
        return self._seconds(function)


class Replica(_Group):
    """Catches: a record store or a clock of versions that got slower.

    Cannot see: what stores put off (tallies, expiry), stores of many records, or on disk.
    """

    version = beside("3", CORE_RULER)
    unit = "seconds"
    params = (list(GROUPS["replica"]),)

    def track_seconds(self, function: str) -> Samples:
        return self._seconds(function)


class Machines(_Group):
    """Catches: state machines that take longer for an operation, on either side or as a whole.

    Cannot see: event loop, sockets, TLS; what timers do; a network that changes.
    """

    version = beside("3", CORE_RULER)
    unit = "seconds"
    params = (list(GROUPS["machines"]),)

    def track_seconds(self, function: str) -> Samples:
        return self._seconds(function)


class Disk(_Group):
    """Catches: a record that takes longer until it can be synced: the journal, the database.

    Cannot see: syncs, groups of other sizes, checkpoints; the thread that commits beside a loop.
    """

    version = beside("1", CORE_RULER)
    unit = "seconds"
    params = (list(GROUPS["disk"]),)

    def track_seconds(self, function: str) -> Samples:
        return self._seconds(function)


class Tls(_Group):
    """Catches: connections that take longer to open, or to carry a message.

    Cannot see: the round trips of a handshake, and many messages that share a record.
    """

    version = beside("3", CORE_RULER)
    unit = "seconds"
    params = (list(GROUPS["tls"]),)

    def track_seconds(self, function: str) -> Samples:
        return self._seconds(function)
