"""The slowest operations while one replica of three is not well: eight simulated nodes.

One node is ten times slower, 10 ms further away, stands still 100 ms of each second, or hangs, for
two virtual seconds (`common.simulated.tail`), with the choice of replicas and the hedges of clients
switched on, as by default, and off. *None* is the healthy network that the others are compared
with. Everything follows from the seeds, so the figures are the same on any machine.
"""

from __future__ import annotations

from typing import Any

from benchmarks.common.sampling import Record, Samples, as_samples, few, read, record

FAULTS = ["none", "slow", "far", "stutter", "hung"]
SWITCHES = ["on", "off"]
QUANTILES = ["p99", "p999", "worst"]
SEEDS = few(2)


def _figures() -> Record:
    from benchmarks.common.simulated.lab import Question, play

    questions: list[Question] = [
        {"play": "tail", "fault": fault, "switch": switch, "seed": seed}
        for fault in FAULTS
        for switch in SWITCHES
        for seed in SEEDS
    ]
    found: Record = {}
    for question, figures in zip(questions, play(questions), strict=True):
        for what, value in figures.items():
            found.setdefault((what, question["fault"], question["switch"]), []).append(value)
    return found


class _Tail:
    """The record that all classes share."""

    kind = "seeded"
    layout = "S"
    timeout = 300
    key = ""  # of its values in the record
    params: tuple[list[str], ...] = (FAULTS, SWITCHES)
    param_names: tuple[str, ...] = ("fault", "adaptive")

    def setup_cache(self) -> object:
        return record(_figures, "simulator")

    def setup(self, found: Record, fault: str, switch: str, *quantile: str) -> None:
        self._values(found, fault, switch, *quantile)

    def _values(self, found: Record, fault: str, switch: str, *quantile: str) -> list[Any]:
        return read(found, self.key + "".join(quantile), fault, switch)


class Reads(_Tail):
    """Catches: reads that wait for the replica that is not well though two others are.

    Cannot see: what is not in a network of eight nodes in one place; the time that hedges cost.
    """

    key = "retrieve_s_"
    version = "1"
    unit = "seconds"
    params = (FAULTS, SWITCHES, QUANTILES)
    param_names = ("fault", "adaptive", "quantile")

    def track_reads(self, found: Record, fault: str, switch: str, quantile: str) -> Samples:
        return as_samples(self._values(found, fault, switch, quantile))


class Stores(_Tail):
    """Catches: stores that wait for more than W replicas.

    Cannot see: what the third replica still lacks.
    """

    key = "store_s_p99"
    version = "1"
    unit = "seconds"

    def track_stores(self, found: Record, fault: str, switch: str) -> Samples:
        return as_samples(self._values(found, fault, switch))


class Requests(_Tail):
    """Catches: hedges that cost more than they are worth, in fetches per read; two are needed.

    Cannot see: fetches that a node has not got round to.
    """

    key = "fetches_per_read"
    version = "1"
    unit = "messages"

    def track_fetches_per_read(self, found: Record, fault: str, switch: str) -> Samples:
        return as_samples(self._values(found, fault, switch))


class Recovery(_Tail):
    """Catches: a node that is well again and is still asked last, one to two seconds later.

    Cannot see: that it has more than its share.
    """

    key = "share_lacking_ppm"
    version = "1"
    unit = "ppm"

    def track_share_lacking(self, found: Record, fault: str, switch: str) -> Samples:
        return as_samples(self._values(found, fault, switch))
