"""What a backup of a node that serves does to its clients.

Rule: as of `scenarios`; the backup is the core's own command.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.common.children import child_environment
from benchmarks.common.records import nearest_rank
from perflab.chaos.consistency import ObservedOperation, read_history
from perflab.chaos.traffic import ChaosTraffic
from perflab.chaos.trial import ChaosPlan, ScenarioOutcome, go_on, on_trial

__all__ = ["back_up_under_load"]

BACKUP_S = 300
WARM_UP_S = 2.0


def back_up_under_load(plan: ChaosPlan, *, seconds: float) -> ScenarioOutcome:
    """Clients write and read for so long; and go on while each node's directory is backed up, one
    after the other, again and again for about as long. Latencies are of operations that began
    meanwhile."""
    if plan.keeping == "memory":
        raise NotImplementedError("nodes that have their records in memory have nothing to back up")
    with on_trial(plan, relayed=False) as (trial, stack):
        for name in "ab":
            order = trial.order(name, trial.fleet.members, 1 / 2)
            trial.traffic.append(stack.enter_context(ChaosTraffic(order)))
        go_on(trial, WARM_UP_S, "warm")
        before_ns = time.monotonic_ns()
        go_on(trial, seconds, "before")
        begin_ns = time.monotonic_ns()
        directories = [
            Path(member.storage.settings(0)["data_dir"]) for member in trial.fleet.members
        ]
        taken_s = _back_up(directories, seconds)
        end_ns = time.monotonic_ns()
        trial.tell(f"{len(taken_s)} backups of {len(directories)} nodes")
        outcome = trial.finish()
        history = read_history(each.file for each in trial.traffic)
        before_ms = _p99_ms(history, before_ns, begin_ns)
        meanwhile_ms = _p99_ms(history, begin_ns, end_ns)
        outcome.figures |= {
            "backups": len(taken_s),
            "backup_max_s": round(max(taken_s), 3),
            "p99_before_ms": round(before_ms, 3),
            "p99_meanwhile_ms": round(meanwhile_ms, 3),
            "p99_times": round(meanwhile_ms / before_ms, 3),
        }
        return outcome


def _back_up(directories: Sequence[Path], seconds: float) -> list[float]:
    """Seconds of each backup, which the command has checked record by record."""
    taken_s: list[float] = []
    end = time.monotonic() + seconds
    with TemporaryDirectory(prefix="backup-", dir=directories[0].parent) as folder:
        while not taken_s or time.monotonic() < end:
            for number, directory in enumerate(directories):
                target = Path(folder, f"{len(taken_s)}-{number}.db")
                begin = time.monotonic()
                command = [sys.executable, "-m", "p2pcore", "backup", str(directory), str(target)]
                done = subprocess.run(
                    command, env=child_environment(), capture_output=True, text=True,
                    timeout=BACKUP_S, check=False,
                )  # fmt: skip
                if done.returncode:
                    raise OSError(f"a backup ended with {done.returncode}: {done.stderr.strip()}")
                taken_s.append(time.monotonic() - begin)
                target.unlink()
    return taken_s


def _p99_ms(history: Sequence[ObservedOperation], begin_ns: int, end_ns: int) -> float:
    """Of the operations that began in between and succeeded."""
    took_ns = sorted(
        each.end_ns - each.begin_ns
        for each in history
        if begin_ns <= each.begin_ns < end_ns and not each.error
    )
    if not took_ns:
        raise OSError("no operation succeeded, so there is no latency")
    return nearest_rank(took_ns, 990) / 1e6
