"""Bits that flip on the disks of nodes: is a damaged value ever given to anybody?

Theory of operation. A node is stopped, which leaves all in its file, or killed, which leaves most
in its log; some bits of these are flipped where they are, and it is started again. Its clients read
with R = N, so that each of its values is asked for, from the disk: a start reads none. A start that
is refused, and a file that is found to be damaged while the node runs, are noticed as well: then
the records are moved away, or the node is started once more, as an operator would. At the end of
each round the core's own `check` finds no damaged record.

Rule: as of `scenarios`.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common.children import ChildError, child_environment
from benchmarks.common.network import NetworkSettings
from perflab.chaos.traffic import ChaosTraffic
from perflab.chaos.trial import SETTLE_S, ChaosPlan, ChaosTrial, ScenarioOutcome, go_on, on_trial
from perflab.processes.fleet import FleetMember, SlowError, wait_until

__all__ = ["AT_ONCE", "flip_bits", "flip_some"]

AT_ONCE = 8  # in one round: so many between its end and the next start
CALM_S = (0.5, 1.5)  # of traffic between two rounds
LEFT_S = 5.0  # the others count without it for so long: its disk has failed, and it has left
STARTS = 4  # of one round, of which each may find more damage
CHECK_S = 120
FILES = ("records.db", "records.db-wal")
# R = N: each replica of a record answers each read, the one whose disk was flipped as well.
READS = 3


def flip_bits(plan: ChaosPlan, *, flips: int) -> ScenarioOutcome:
    """AT_ONCE bits of one node's files are flipped between its end and its start, under traffic,
    and all records are read, until there were so many flips."""
    if plan.keeping == "memory":
        raise NotImplementedError("nodes that have their records in memory have no bits on a disk")
    rng = random.Random(f"{plan.seed} flips")
    network = NetworkSettings(read_quorum=READS)
    with on_trial(plan, relayed=False, network=network) as (trial, stack):
        order = trial.order("a", trial.fleet.members, 1.0)
        trial.traffic.append(stack.enter_context(ChaosTraffic(order)))
        figures = trial.outcome.figures
        figures |= {"flips": 0, "starts_refused": 0, "files_set_aside": 0, "values_damaged": 0}
        figures |= {"files_with_damage_in_free_room": 0}
        while figures["flips"] < flips:
            go_on(trial, rng.uniform(*CALM_S), "between two rounds")
            try:
                _round(trial, rng, min(AT_ONCE, flips - int(figures["flips"])))
            except SlowError as error:
                trial.outcome.breaches.append(f"after {figures['flips']:g} flips: {error}")
                break
        return trial.finish()


def _round(trial: ChaosTrial, rng: random.Random, flips: int) -> None:
    """One node's disk; SlowError if the node does not recover."""
    figures, fleet = trial.outcome.figures, trial.fleet
    member = rng.choice(fleet.members)
    folder = Path(member.storage.settings(0)["data_dir"])
    end = rng.choice((fleet.leave, fleet.kill))
    end(member)
    flip_some([folder / name for name in FILES], flips, rng)
    figures["flips"] += flips
    aside = len(_aside(folder))
    for _ in range(STARTS):
        back = _start(trial, member, folder)
        if back is None:
            continue
        if _stays(trial, back):
            trial.read_all()
            if _stays(trial, back):
                break
        fleet.kill(back)
    else:
        raise SlowError(f"{member.name} did not recover in {STARTS} starts")
    figures["files_set_aside"] += len(_aside(folder)) - aside
    figures["values_damaged"] += int(back.child.ask({"ask": "usage"})["values_damaged"])
    records, places = _damage_in(folder)
    figures["files_with_damage_in_free_room"] += places > records
    if records:
        text = f"{member.name} was flipped and all was read, and {records} records are damaged yet"
        trial.outcome.breaches.append(text)
    clean = "NOT repaired" if records else "repaired"
    trial.tell(f"{flips} bits of {member.name} flipped, {figures['flips']:g} in all: {clean}")


def flip_some(files: Sequence[Path], flips: int, rng: random.Random) -> None:
    """Flip so many bits of these files, each as likely as any other, where they are."""
    sizes = [file.stat().st_size if file.exists() else 0 for file in files]
    for place in rng.sample(range(8 * sum(sizes)), flips):
        at = place // 8
        for file, size in zip(files, sizes, strict=True):
            if at < size:
                with file.open("r+b") as handle:
                    handle.seek(at)
                    byte = handle.read(1)[0] ^ 1 << place % 8
                    handle.seek(at)
                    handle.write(bytes([byte]))
                break
            at -= size


def _start(trial: ChaosTrial, member: FleetMember, folder: Path) -> FleetMember | None:
    """The member, started on what its disk has. None: it refuses to, and its records were moved
    away, as its message says."""
    try:
        [back] = trial.fleet.restart([member])
    except ChildError as error:
        if "data_dir" not in str(error):
            raise
        trial.outcome.figures["starts_refused"] += 1
        trial.tell(f"{member.name} does not start: {str(error).strip().splitlines()[-1]}")
        for path in folder.glob("records.db*"):
            if ".damaged-" not in path.name:
                path.unlink()
        return None
    return back


def _stays(trial: ChaosTrial, member: FleetMember) -> bool:
    """True if all are settled; False if the others are without this one."""
    fleet, since = trial.fleet, time.monotonic()
    others = [each for each in fleet.members if each is not member]

    def over() -> bool:
        nonlocal since
        if fleet.settled():
            return True
        if any(fleet.standing(each).known != len(others) - 1 for each in others):
            since = time.monotonic()
        return time.monotonic() - since > LEFT_S

    wait_until(over, SETTLE_S, "a node whose disk was flipped is ready", fleet.standings)
    return fleet.settled()


def _aside(folder: Path) -> list[Path]:
    """What the node has found to be damaged, and kept."""
    return [each for each in folder.glob("*.damaged-*") if each.suffix != ".db-wal"]


def _damage_in(folder: Path) -> tuple[int, int]:
    """How many damaged records the core's own check finds, and how many places with them."""
    command = [sys.executable, "-m", "p2pcore", "check", str(folder), "--json"]
    done = subprocess.run(
        command, env=child_environment(), capture_output=True, text=True, timeout=CHECK_S,
        check=False,
    )  # fmt: skip
    if done.returncode not in (0, 7):
        raise OSError(f"check ended with {done.returncode}: {done.stderr.strip()}")
    found = json.loads(done.stdout.splitlines()[-1])
    return int(found["damaged_records"]), int(found["damaged"])
