"""The fixed set of measurements that readiness is judged by.

Every step is a command that can be given by hand; the whole set takes some eight minutes on two
cores, the quick one less than two.

Rule: a plan; starts nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from perflab.readiness.record import Durability, RunStage

__all__ = ["DIR", "steps"]

DIR = "DIR"  # stands for the step's directory in a command
LOAD_METRICS = [
    "latency", "store_latency", "retrieve_latency", "requests", "success", "errors", "dropped",
]  # fmt: skip
BLACKOUT_S = 240
FAULT_METRICS = ["recovery", "lost"]
THROUGHPUT = ["requests", "stores", "retrieves"]


def steps(*, quick: bool, seed: int, durability: Durability = "synced") -> list[RunStage]:
    """The fixed set: what is measured, by which command, and for how long at most; all of it on
    nodes of this durability. Where that is memory, nobody comes back with records: no blackout."""
    found = _in_memory(quick, seed)
    if durability != "memory":
        found.append(_blackout(quick, seed))
    return [_kept(step, durability) for step in found]


def _kept(step: RunStage, durability: Durability) -> RunStage:
    command = [*step.command, "--durability", durability]
    return replace(step, command=command, durability=durability)


def _in_memory(quick: bool, seed: int) -> list[RunStage]:
    """The steps, but for the durability of their nodes."""
    sizes = [] if quick else ["--sizes", "3", "4", "5", "6", "8"]
    soak_s = "34" if quick else "60"
    found = [
        RunStage(
            name="saturation",
            kind="saturation",
            title="Throughput by operations in flight",
            about="How much does a swarm do when one client asks as much as it can?",
            tags=["saturation"],
            metrics=THROUGHPUT,
            command=["-m", "perflab.readiness.saturation", "--out", f"{DIR}/run.json",
                     "--repeats", "3" if quick else "7", *sizes],
            limit_s=120 if quick else 240,
        ),
        RunStage(
            name="soak",
            kind="soak",
            title="Soak",
            about="Does the memory of nodes and client reach a plateau?",
            tags=["soak"],
            metrics=["leaks"],
            command=["-m", "perflab.readiness.soak_run", "--out", f"{DIR}/monitor.jsonl",
                     "--seconds", soak_s],
            limit_s=190 if quick else 300,
        ),
    ]  # fmt: skip
    if quick:
        constant = ["--pattern", "constant", "--rate", "1000", "--seconds", "15"]
        found.append(_load("sustained", "sustained", constant, "1,000 operations/s", seed, 90))
    else:
        found += [
            _load("sustained", "sustained", ["sustained-1000"], "1,000 operations/s", seed, 120),
            _load("burst", "burst", ["burst-100"], "Bursts of 100", seed, 120),
            _load("ramp-up", "ramp", ["ramp-up"], "Ramp-up to 3,000 operations/s", seed, 180),
            _load("spike", "spike", ["spike"], "A spike on a base load", seed, 120),
            _load("stress", "stress", ["stress"], "Beyond what can be served", seed, 150),
            _load("faults", "faults", ["faults"], "Faults under load", seed, 180, FAULT_METRICS),
        ]
    minutes, cut_s = ("0.2", "") if quick else ("1", "20")
    found.append(_chaos("churn", "Churn", ["--minutes", minutes], seed))
    if cut_s:
        found.append(_chaos("partition", "Partition and heal", ["--seconds", cut_s], seed))
    return found


def _load(
    name: str,
    tag: str,
    what: list[str],
    title: str,
    seed: int,
    limit_s: float,
    also: Sequence[str] = (),
) -> RunStage:
    return RunStage(
        name=name,
        kind="load",
        title=title,
        about="Are operations served in time when they come at their own times, YCSB B?",
        tags=["load", tag],
        metrics=[*LOAD_METRICS, *also],
        command=["-m", "perflab", "load", *what, "--plain", "--seed", str(seed), "--out",
                 f"{DIR}/record"],
        limit_s=limit_s,
    )  # fmt: skip


def _chaos(name: str, title: str, what: list[str], seed: int) -> RunStage:
    return RunStage(
        name=name,
        kind="chaos",
        title=title,
        about="Is everything acknowledged read again, and are all nodes ready again in time?",
        tags=["faults", name],
        metrics=FAULT_METRICS,
        command=["-m", "perflab", "chaos", name, *what, "--seed", str(seed), "--out",
                 f"{DIR}/record"],
        limit_s=300,
    )  # fmt: skip


def _blackout(quick: bool, seed: int) -> RunStage:
    return RunStage(
        name="blackout",
        kind="chaos",
        title="Blackout",
        about="Is everything acknowledged read again after all nodes were killed at once, and what "
        "they had not synced was taken from their disks?",
        tags=["blackout"],
        metrics=FAULT_METRICS,
        command=["-m", "perflab", "chaos", "blackout", "--cuts", "1" if quick else "3", "--power",
                 "auto", "--keys", "1000" if quick else "5000", "--seed", str(seed), "--out",
                 f"{DIR}/record"],
        limit_s=BLACKOUT_S,
    )  # fmt: skip
