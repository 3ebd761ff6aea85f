"""How soon a silent machine is given up, and what is given up that should not be: simulated nodes.

Networks of 8 and 64 nodes, nightly 512, in virtual time (`common.simulated.detection`): one loses
its power; a tenth stand still for up to two seconds again and again while segments are lost; most
of what one node sends is lost; nothing happens at all. Everything follows from the seeds, so the
figures are the same on any machine.
"""

from __future__ import annotations

import os
from typing import Any

from benchmarks.common.sampling import QUICK, Record, Samples, as_samples, few, read, record

NODES = [8, 64, 512]
SMALL = 8
LARGE = 512  # with P2PCORE_NIGHTLY=1 alone: one takes as long as all others
CROWD = 16  # nodes of which two pause at a time
MINUTES = 1 if QUICK else 3  # of pauses
QUANTILES = ["p50", "p99", "worst"]
WITNESSES = [2, 0]
SEEDS = few(2)


def _figures() -> Record:
    from benchmarks.common.simulated.lab import Question, play

    questions: list[Question] = []
    for seed in SEEDS:
        for nodes in reversed(NODES):  # the longest first: two are played at a time
            if nodes < LARGE or os.environ.get("P2PCORE_NIGHTLY") == "1":
                questions.append({"case": "silent", "nodes": nodes, "seed": seed})
                questions.append({"case": "quiet", "nodes": nodes, "seed": seed})
        questions.append({"case": "reads", "nodes": SMALL, "seed": seed})
        questions.append({"case": "lossy", "nodes": SMALL, "seed": seed})
        for witnesses in WITNESSES:
            pauses = {"case": "pauses", "nodes": CROWD, "seed": seed, "minutes": MINUTES}
            questions.append(pauses if witnesses else pauses | {"witnesses": 0})
    found: Record = {}
    played = play([{"play": "detection"} | question for question in questions])
    for question, figures in zip(questions, played, strict=True):
        for what, value in figures.items():
            key = what, question["nodes"], question.get("witnesses", WITNESSES[0])
            found.setdefault((question["case"], *key), []).append(value)
    return found


class _Detection:
    """The record that all classes share."""

    layout = "S"
    kind = "seeded"
    timeout = 300
    key = ("", "")  # of its values in the record

    def setup_cache(self) -> object:
        return record(_figures, "simulator")

    def _values(self, found: Record, nodes: int, witnesses: int = 2, part: str = "") -> list[Any]:
        case, what = self.key
        return read(found, case, what + part, nodes, witnesses)


class GivenUp(_Detection):
    """Catches: a machine that is silent and still counted on by those nearest to it.

    Cannot see: that reads have long avoided it; nodes that are not among its 20 nearest.
    """

    version = "1"
    unit = "seconds"
    key = ("silent", "given_up_s_")
    params = (NODES, QUANTILES)
    param_names = ("nodes", "quantile")

    def setup(self, found: Record, nodes: int, quantile: str) -> None:
        self._values(found, nodes, part=quantile)

    def track_given_up(self, found: Record, nodes: int, quantile: str) -> Samples:
        return as_samples(self._values(found, nodes, part=quantile))


class ReadsBack(_Detection):
    """Catches: clients whose P99 stays above twice that of before a machine fell silent.

    Cannot see: single slow reads that are no P99 of 40.
    """

    version = "1"
    unit = "seconds"
    key = ("reads", "p99_back_s")

    def setup(self, found: Record) -> None:
        self._values(found, SMALL)

    def track_reads_back(self, found: Record) -> Samples:
        return as_samples(self._values(found, SMALL))


class FalseRemovals(_Detection):
    """Catches: nodes given up for pauses of up to two seconds, or lost segments, per 1,000 hours.

    Cannot see: less than one in 1.6 hours of a node, which is what is played.
    """

    version = "1"
    unit = "removals"
    key = ("pauses", "false_removals_per_1000h")
    params = (WITNESSES,)
    param_names = ("witnesses",)

    def setup(self, found: Record, witnesses: int) -> None:
        self._values(found, CROWD, witnesses)

    def track_false_removals(self, found: Record, witnesses: int) -> Samples:
        return as_samples(self._values(found, CROWD, witnesses))


class ViewChanges(_Detection):
    """Catches: a node that comes and goes while 80 % of what it sends is lost, per node and minute.

    Cannot see: which of the two, to keep or to remove it, would have been better.
    """

    version = "1"
    unit = "changes"
    key = ("lossy", "view_changes_per_min")

    def setup(self, found: Record) -> None:
        self._values(found, SMALL)

    def track_view_changes(self, found: Record) -> Samples:
        return as_samples(self._values(found, SMALL))


class ProbeBytes(_Detection):
    """Catches: pings that cost more, or grow with the network; sent per second and node.

    Cannot see: TLS, TCP and IP, some 90 bytes for each; networks with other traffic.
    """

    version = "1"
    unit = "bytes"
    key = ("quiet", "probe_bytes_per_s")
    params = (NODES,)
    param_names = ("nodes",)

    def setup(self, found: Record, nodes: int) -> None:
        self._values(found, nodes)

    def track_probe_bytes(self, found: Record, nodes: int) -> Samples:
        return as_samples(self._values(found, nodes))
