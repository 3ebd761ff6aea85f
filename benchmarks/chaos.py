"""What faults do to users: twelve simulated nodes, each kind of fault, and the same workload.

Two clients store and retrieve twenty times a virtual second for 40 s from the beginning of the
fault on (`common.simulated.faults` has the faults). The run without a fault, of the same seed, is
what traffic is compared with. Everything follows from the seed, so the figures are the same on any
machine; one more draw of chance in the core moves them, so there are six seeds, the same for all
commits.
"""

from __future__ import annotations

from typing import Any

from benchmarks.common.sampling import Record, Samples, as_samples, few, read, record

FAULTS = [
    "partition", "crash", "power_loss", "pause", "slow_node", "exhaustion", "clock_jump", "churn",
    "flash_crowd",
]  # fmt: skip
SEEDS = few(6)


def _figures() -> Record:
    from benchmarks.common.simulated.lab import Question, play

    calm: list[Question] = [{"play": "calm", "seed": seed} for seed in SEEDS]
    hit: list[Question] = [
        {"play": "fault", "name": name, "seed": seed} for name in FAULTS for seed in SEEDS
    ]
    answers = play(calm + hit)
    usual_bytes = {seed: answers[seed]["bytes"] for seed in SEEDS}
    found: Record = {}
    for question, figures in zip(hit, answers[len(calm) :], strict=True):
        figures["extra_bytes"] = figures["bytes"] - usual_bytes[question["seed"]]
        for what, value in figures.items():
            found.setdefault((what, question["name"]), []).append(value)
    return found


class _Faults:
    """The record that all classes share."""

    key = ""  # of its values in the record
    kind = "seeded"
    layout = "S"
    timeout = 300
    params = (FAULTS,)
    param_names = ("fault",)

    def setup(self, found: Record, *case: Any) -> None:
        read(found, self.key, *case)

    def setup_cache(self) -> object:
        return record(_figures, "simulator")


class Recovery(_Faults):
    """Catches: a network that takes longer, after a fault, until all is ready and nothing fails.

    Cannot see: what its users meet in the meantime; less than a look every 0.1 s.
    """

    key = "recovery_s"
    version = "1"
    unit = "seconds"

    def track_recovery(self, found: Record, fault: str) -> Samples:
        return as_samples(read(found, self.key, fault))


class Unavailability(_Faults):
    """Catches: a fault that users feel for longer, from a failure to the next success.

    Cannot see: operations that are slow and succeed.
    """

    key = "unavailable_s"
    version = "1"
    unit = "seconds"

    def track_unavailability(self, found: Record, fault: str) -> Samples:
        return as_samples(read(found, self.key, fault))


class Failures(_Faults):
    """Catches: more operations, of 800, that fail because of a fault.

    Cannot see: clients that try again.
    """

    key = "failed"
    version = "1"
    unit = "operations"

    def track_failures(self, found: Record, fault: str) -> Samples:
        return as_samples(read(found, self.key, fault))


class Losses(_Faults):
    """Catches: an acknowledged record that a fault takes away for good: one makes the suite fail.

    Cannot see: faults at the same time, and disks.
    """

    kind = "exact"
    key = "lost"
    version = "1"
    unit = "records"

    def track_lost_records(self, found: Record, fault: str) -> Samples:
        return as_samples(read(found, self.key, fault))


class StaleReads(_Faults):
    """Catches: more reads of something older than what was acknowledged before they began.

    Cannot see: which of them the promise is about; `p2pcore.sim` judges that from its premises.
    """

    key = "stale"
    version = "1"
    unit = "operations"

    def track_stale_reads(self, found: Record, fault: str) -> Samples:
        return as_samples(read(found, self.key, fault))


class RepairTraffic(_Faults):
    """Catches: more bytes for the same work when something goes wrong than when nothing does.

    Cannot see: bytes of TLS and TCP. Below 0, those who were away kept more to themselves.
    """

    key = "extra_bytes"
    version = "1"
    unit = "bytes"

    def track_extra_bytes(self, found: Record, fault: str) -> Samples:
        return as_samples(read(found, self.key, fault))
