"""What is sent in situations in which time passes, how long changes take, and what lives leave.

Eight nodes without sockets, in virtual time, hold records; clients begin ten operations a second
(`common.counting.situations`). The gate asks the same of each change; this is the history, with
P2PCORE_NIGHTLY=1 alone, for the minutes of a commit are full. A quick run has it too.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from benchmarks.common.sampling import QUICK, Record, Samples, as_samples, few, read, record

if TYPE_CHECKING:
    from benchmarks.common.counting.situations import Figures

SEEDS = 6
AT_A_TIME = 2  # processes: there is nothing that they could disturb
SENT = ["upkeep_with_records", "mixed", "stale", "away"]
CHANGES = ["ready", "handed_over", "back", "copies"]
LIVES = ["overwrites", "deletes", "visits", "client"]
SLICES = ["quiet_records", "quiet_links", "join", "leave"]


def _nightly() -> dict[str, str]:
    """A marker for `read` where it is neither a night's run nor a quick one."""
    nightly = QUICK or os.environ.get("P2PCORE_NIGHTLY") == "1"
    return {} if nightly else {"skipped": "measured with P2PCORE_NIGHTLY=1"}


def _played() -> Record:
    from concurrent.futures import ThreadPoolExecutor

    found: Record = {}
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for figures in pool.map(_all_situations, few(SEEDS)):
            for name, value in figures.items():
                found.setdefault((name,), []).append(value)
    return found


def _all_situations(seed: int) -> Figures:
    from benchmarks.common.counting.situation_lab import SituationLab
    from benchmarks.common.counting.situations import SITUATIONS

    with SituationLab() as lab:
        return {k: v for name in SITUATIONS for k, v in lab.play(name, seed).items()}


def _lived() -> Record:
    from benchmarks.common.counting.crowd_lab import CrowdLab
    from benchmarks.common.counting.life_lab import LifeLab

    with LifeLab() as lives, CrowdLab() as crowds:
        found = {("kept", name): [value] for name, value in lives.kept().items()}
        return found | {(name,): [value] for name, value in crowds.count().items()}


class _Situations:
    """The record that the classes of situations share."""

    kind = "seeded"
    layout = "C"
    timeout = 300

    def setup_cache(self) -> object:
        return _nightly() or record(_played, "ready")


class SituationMessages(_Situations):
    """Catches: more messages for upkeep with records, and for an operation in each situation.

    Cannot see: TCP, loss; a minute's upkeep is per node, all else per operation, upkeep included.
    """

    version = "1"
    unit = "messages"
    params = (SENT,)
    param_names = ("situation",)

    def setup(self, found: Record, *case: Any) -> None:
        read(found, f"messages.{case[0]}")

    def track_messages(self, found: Record, situation: str) -> Samples:
        return as_samples(read(found, f"messages.{situation}"))


class SituationBytes(_Situations):
    """Catches: more bytes for upkeep with records, and for an operation in each situation.

    Cannot see: what TLS and TCP add; values are 64 bytes.
    """

    version = "1"
    unit = "bytes"
    params = (SENT,)
    param_names = ("situation",)

    def setup(self, found: Record, *case: Any) -> None:
        read(found, f"bytes.{case[0]}")

    def track_bytes(self, found: Record, situation: str) -> Samples:
        return as_samples(read(found, f"bytes.{situation}"))


class ChangeSeconds(_Situations):
    """Catches: virtual seconds more until ready, handed over, back, or N copies again.

    Cannot see: work, which takes no virtual time; 192 small records.
    """

    layout = "S"
    version = "1"
    unit = "seconds"
    params = (CHANGES,)
    param_names = ("change",)

    def setup(self, found: Record, *case: Any) -> None:
        read(found, f"seconds.{case[0]}")

    def track_virtual_seconds(self, found: Record, change: str) -> Samples:
        return as_samples(read(found, f"seconds.{change}"))


class AwayDials(_Situations):
    """Catches: nodes and clients that dial a node too often while it is away for 15 s.

    Cannot see: dials of longer absences.
    """

    version = "1"
    unit = "dials"

    def setup(self, found: Record) -> None:
        read(found, "dials.away")

    def track_dials(self, found: Record) -> Samples:
        return as_samples(read(found, "dials.away"))


class _Lives:
    """The record that lives and slices share."""

    kind = "exact"
    layout = "C"
    timeout = 300

    def setup_cache(self) -> object:
        return _nightly() or record(_lived, "ready", "durability")


class LifeKept(_Lives):
    """Catches: bytes that records and clients leave behind when they are over.

    Cannot see: sockets and TLS; some thousands of bytes to and fro in tables and estimates.
    """

    version = "1"
    unit = "bytes"
    params = (LIVES,)
    param_names = ("life",)

    def setup(self, found: Record, *case: Any) -> None:
        read(found, "kept", *case)

    def track_kept_bytes(self, found: Record, life: str) -> float:
        return max(0.0, read(found, "kept", life)[0])


class LongestSlice(_Lives):
    """Catches: one call into a node that keeps everything else waiting, by lines of Python run.

    Cannot see: loops in C, and how long a line takes.
    """

    version = "1"
    unit = "lines"
    params = (SLICES,)
    param_names = ("situation",)

    def setup(self, found: Record, *case: Any) -> None:
        read(found, f"longest_slice.{case[0]}")

    def track_longest_slice(self, found: Record, situation: str) -> float:
        return read(found, f"longest_slice.{situation}")[0]
