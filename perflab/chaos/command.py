"""`python -m perflab chaos`: does the core keep its promise, here, on real processes?

Rule: plays what is asked for, prints, writes the record; what is done and judged is in
`scenarios.py`, `restarts.py` and their neighbours.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

from benchmarks.common import subject
from benchmarks.common.children import ChildError
from benchmarks.common.disk import Keeping, place_on_disk
from benchmarks.common.records import (
    LoopKind,
    Measurement,
    Run,
    filed,
    now_utc,
    this_machine,
    write_run,
)
from benchmarks.common.swarm import SwarmError
from perflab.chaos.backup import back_up_under_load
from perflab.chaos.endurance import DoneOtherwiseError, endure
from perflab.chaos.flips import flip_bits
from perflab.chaos.many_clients import connect_clients
from perflab.chaos.neighbours import Kind, share_with
from perflab.chaos.options import BACKUP_TIMES, CONNECTION_BYTES, CROWD_READY_S, add_arguments
from perflab.chaos.power import NoCompilerError, PowerLayer
from perflab.chaos.restarts import blackout, storm
from perflab.chaos.scenarios import churn, crowd, partition
from perflab.chaos.trial import ChaosPlan, ScenarioOutcome
from perflab.processes.fleet import SlowError
from perflab.results.checkout import Source, source_of

__all__ = ["add_arguments", "main"]

ROOT = Path(__file__).parents[2]
WANTED = ("minutes", "seconds", "cut", "kind", "kills", "pause_s", "rate", "keys", "clients",
          "cuts", "power", "flips", "durability")  # fmt: skip
COULD_NOT = (NotImplementedError, NoCompilerError, ChildError, SwarmError, SlowError, OSError)
UNITS = {"_s": "s", "_ms": "ms", "_bytes": "B"}


def main(args: argparse.Namespace) -> int:
    """Run one scenario and write its record: 0 kept, 1 broken, 2 could not be measured."""
    if args.scenario == "endure":
        return _endure(args)
    seed: int = random.SystemRandom().randrange(1 << 32) if args.seed is None else args.seed
    loop: LoopKind = args.loop or subject.default_loop()
    began = now_utc()
    source = source_of(Path(subject.core_dir()))
    directory: Path = args.out or filed(ROOT, "chaos", source.commit, args.scenario)
    try:
        subject.require("network", "delete", "ready")
        if directory.exists() and any(directory.iterdir()):
            raise FileExistsError(f"{directory} is not empty: --out needs a directory of its own")
        directory.mkdir(parents=True, exist_ok=True)
        _say(f"{args.scenario}: seed {seed}, {loop}; histories in {directory}")
        outcome = _run(args, ChaosPlan(directory=directory, seed=seed, loop=loop, say=_say))
    except COULD_NOT as error:
        print(f"chaos: could not be measured: {error}", file=sys.stderr)
        return 2
    _write(outcome, args, (seed, loop, began), source, directory)
    _print(outcome)
    return 1 if outcome.breaches or outcome.missed else 0


def _endure(args: argparse.Namespace) -> int:
    """Play pieces of other scenarios, each as its own command would."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    source = source_of(Path(subject.core_dir()))
    try:
        return endure(
            args.out,
            {"kills": args.kills, "power_cuts": args.cuts, "flips": args.flips},
            seconds=args.minutes * 60,
            seed=args.seed,
            of={"commit": source.commit, "uncommitted": list(source.uncommitted)},
            play=lambda words: main(parser.parse_args(words)),
            say=_say,
        )
    except (DoneOtherwiseError, OSError) as error:
        print(f"chaos: could not be measured: {error}", file=sys.stderr)
        return 2


def _run(args: argparse.Namespace, plan: ChaosPlan) -> ScenarioOutcome:
    if args.scenario == "clients":
        return _clients(args.clients, args.loop, plan)
    if args.scenario == "neighbours":
        kinds = (args.kind,) if args.kind else get_args(Kind)
        return share_with(plan, kinds, seconds=args.seconds)
    plan = replace(plan, nodes=args.nodes)
    if args.scenario == "crowd":
        outcome = crowd(plan, nodes=args.nodes)
        _hold(outcome, "all_ready_s", CROWD_READY_S)
        return outcome
    comes_back = args.scenario in ("storm", "blackout", "backup", "flips")
    keeping: Keeping = args.durability or ("synced" if comes_back else "memory")
    plan = replace(plan, rate=args.rate, keys=args.keys, keeping=keeping)
    if args.scenario == "churn":
        seconds = args.minutes * 60
        return churn(plan, seconds=seconds, kills=args.kills, pause_s=args.pause_s)
    if args.scenario == "storm":
        return storm(plan, seconds=args.minutes * 60, changes=args.kills)
    if args.scenario == "flips":
        return flip_bits(plan, flips=args.flips)
    if args.scenario == "backup":
        outcome = back_up_under_load(plan, seconds=args.seconds)
        _hold(outcome, "p99_times", BACKUP_TIMES)
        return outcome
    if args.scenario == "blackout":
        return _blackout(plan, args.cuts, args.power)
    return partition(plan, seconds=args.seconds, cut=args.cut)


def _blackout(plan: ChaosPlan, cuts: int, power: str) -> ScenarioOutcome:
    """With what a cut of the power takes, where that was asked for and can be had."""
    if power == "no" or plan.keeping == "memory":
        return blackout(plan, cuts=cuts, power=False)
    with TemporaryDirectory(prefix="blackout-", dir=place_on_disk()) as place:
        folder = Path(place, "nodes")
        folder.mkdir()
        try:
            layer = PowerLayer(Path(place))
        except NoCompilerError as error:
            if power == "yes":
                raise
            plan.say(f"{error}: nodes are killed only")
            return blackout(plan, cuts=cuts, power=False)
        environment = layer.environment(folder)
        plan = replace(plan, folder=folder, environment=environment)
        return blackout(plan, cuts=cuts, power=True)


def _clients(clients: int, loop: LoopKind | None, plan: ChaosPlan) -> ScenarioOutcome:
    """Both loops, unless one was asked for."""
    outcome = ScenarioOutcome()
    for each in (loop,) if loop else get_args(LoopKind):
        found = connect_clients(clients, each)
        heap = "unknown" if found.heap_bytes is None else f"{found.heap_bytes:,.0f}"
        plan.say(
            f"{each}: {clients} clients connected, wrote and read in {found.seconds:.1f} s; "
            f"each costs the node {heap} bytes of heap, {found.resident_bytes:,.0f} resident"
        )
        outcome.figures[f"{each}_served_s"] = round(found.seconds, 3)
        outcome.figures[f"{each}_connection_resident_bytes"] = round(found.resident_bytes)
        if found.heap_bytes is not None:
            outcome.figures[f"{each}_connection_heap_bytes"] = round(found.heap_bytes)
    if "uvloop_connection_heap_bytes" in outcome.figures:
        _hold(outcome, "uvloop_connection_heap_bytes", CONNECTION_BYTES)
    return outcome


def _hold(outcome: ScenarioOutcome, name: str, most: float) -> None:
    """Hold a figure against the most that it may be."""
    if outcome.figures[name] > most:
        outcome.missed.append(f"{name} is {outcome.figures[name]:,g}, the goal is {most:,g}")


def _write(
    outcome: ScenarioOutcome,
    args: argparse.Namespace,
    how: tuple[int, LoopKind, str],
    source: Source,
    to: Path,
) -> None:
    """run.json with the figures as all runs have them, and outcome.json with all the rest.

    `how` is the seed, the event loop and when it began.
    """
    seed, loop, began = how
    who = subject.identity(loop)
    nodes = getattr(args, "nodes", 1)
    wanted = {"scenario": args.scenario, "seed": seed, "loop": loop}
    wanted |= {
        name: getattr(args, name) for name in WANTED if getattr(args, name, None) is not None
    }
    measurements = [
        Measurement(
            name=name,
            subject="p2pcore",
            kind="observed",
            layout="B",
            nodes=nodes,
            processes=nodes + 1,
            unit=next((unit for end, unit in UNITS.items() if name.endswith(end)), "1"),
            values=[value],
            parameters=wanted,
        )
        for name, value in outcome.figures.items()
    ]
    run = Run(
        machine=this_machine(),
        commit=who.commit or source.commit,
        versions=who.versions(),
        began=began,
        measurements=measurements,
    )
    write_run(run, to / "run.json")
    about = {
        "command": " ".join(["python -m perflab", *sys.argv[1:]]),
        "uncommitted": source.uncommitted,
        "kept": outcome.kept,
    }
    text = json.dumps(wanted | about | asdict(outcome), indent=1)
    (to / "outcome.json").write_text(text + "\n", encoding="utf-8")


def _print(outcome: ScenarioOutcome) -> None:
    for name, value in outcome.figures.items():
        _say(f"  {name:34} {value:>14,g}")
    for what, counts in outcome.counts.items():
        _say(f"  {what}: {', '.join(f'{n} {name}' for name, n in counts.items()) or 'none'}")
    for text in (*outcome.breaches, *outcome.missed):
        _say(text)
    promise = "kept" if outcome.kept else f"BROKEN, breaches: {len(outcome.breaches)}"
    _say(promise + (f"; goals missed: {len(outcome.missed)}" if outcome.missed else ""))


def _say(text: str) -> None:
    print(text, flush=True)
