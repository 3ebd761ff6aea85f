"""`python -m perflab chaos`: does the core keep its promise, here, on real processes?

Rule: reads options, prints, writes the record; what is done and judged is in `scenarios.py`
and `restarts.py`.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias, get_args

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
from perflab.chaos.many_clients import connect_clients
from perflab.chaos.power import NoCompilerError, PowerLayer
from perflab.chaos.restarts import blackout, storm
from perflab.chaos.scenarios import churn, crowd, partition
from perflab.chaos.trial import ChaosPlan, ScenarioOutcome
from perflab.results.checkout import Source, source_of

__all__ = ["add_arguments", "main"]

ROOT = Path(__file__).parents[2]
CROWD_READY_S = 30.0  # 24 nodes on 2 quiet cores
BACKUP_TIMES = 1.2
CONNECTION_BYTES = 40 * 1024  # at the node, by uvloop
Scenarios: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
WANTED = ("minutes", "seconds", "cut", "kills", "pause_s", "rate", "keys", "clients", "cuts",
          "power", "durability")  # fmt: skip
UNITS = {"_s": "s", "_ms": "ms", "_bytes": "B"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `chaos`."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--seed", type=int, help="decides who is hit by what, and the keys (default: by chance)"
    )
    common.add_argument(
        "--loop", choices=get_args(LoopKind), help="event loop (default: uvloop where it exists)"
    )
    common.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where the record and the histories go (default: "
        ".asv/chaos/MACHINE/COMMIT-SCENARIO-TIME)",
    )
    traffic = argparse.ArgumentParser(add_help=False)
    traffic.add_argument(
        "--rate", type=_within(1, 5000), default=200.0, help="operations per second (default: 200)"
    )
    traffic.add_argument(
        "--keys",
        type=_whole(1, 100_000),
        default=5000,
        help="keys that are written (default: 5000)",
    )
    kept = argparse.ArgumentParser(add_help=False)
    kept.add_argument(
        "--durability",
        choices=["memory", "buffered", "synced"],
        help="of the nodes: where records are, and when a replica says so (default: memory; synced "
        "where nodes come back)",
    )
    scenarios = parser.add_subparsers(dest="scenario", required=True, metavar="SCENARIO")
    _add_faults(scenarios, [common, traffic, kept])
    _add_restarts(scenarios, [common, traffic, kept])
    _add_crowds(scenarios, [common])


def _add_faults(scenarios: Scenarios, parents: list[argparse.ArgumentParser]) -> None:
    each = scenarios.add_parser(
        "churn",
        parents=parents,
        help="nodes join, leave and are killed under writes and reads",
        description="Some node processes join, or one leaves or is killed, while clients write "
        "and read; the next change comes when all are ready. Nothing acknowledged may be lost.",
    )
    each.add_argument("--minutes", type=_within(0, 600), default=5.0, help="(default: 5)")
    each.add_argument("--nodes", type=_whole(5, 16), default=5, help="to begin with (default: 5)")
    each.add_argument(
        "--kills",
        type=_whole(1, 8),
        default=1,
        help="nodes that are killed at a time (default: 1). With more the premises of the promise "
        "do not hold: shows that losses are seen",
    )
    each.add_argument(
        "--pause-s",
        type=_within(0, 600),
        default=0.0,
        help="also stop nodes for so many seconds and let them go on (default: not)",
    )

    each = scenarios.add_parser(
        "partition",
        parents=parents,
        help="the network is cut in two under writes on both sides, and healed",
        description="A relay cuts the network in two, with clients on both sides, and heals it. "
        "Afterwards there is one network, and every acknowledged write is read, or a newer one.",
    )
    each.add_argument("--seconds", type=_within(0, 3600), default=60.0, help="(default: 60)")
    each.add_argument("--nodes", type=_whole(5, 16), default=5, help="(default: 5, as 3 + 2)")
    each.add_argument(
        "--cut",
        choices=["refuse", "hold"],
        default="refuse",
        help="refuse: connections are reset; hold: nothing passes and nobody is told; what was "
        "sent arrives after the heal (default: refuse)",
    )


def _add_restarts(scenarios: Scenarios, parents: list[argparse.ArgumentParser]) -> None:
    each = scenarios.add_parser(
        "storm",
        parents=parents,
        help="nodes are killed and come back with their records, one after the other",
        description="One node process after the other is killed (SIGKILL) and started again on its "
        "data directory while clients write and read; the next one when all are ready. Nothing "
        "acknowledged may be lost.",
    )
    each.add_argument("--minutes", type=_within(0, 600), default=5.0, help="(default: 5)")
    each.add_argument("--nodes", type=_whole(5, 16), default=5, help="(default: 5)")

    each = scenarios.add_parser(
        "blackout",
        parents=parents,
        help="all nodes are killed at once and come back with their records",
        description="All node processes are killed at once (SIGKILL), under traffic, and started "
        "again on their data directories in an order of chance. Everything acknowledged must be "
        "read again, or something newer.",
    )
    each.add_argument("--cuts", type=_whole(1, 1000), default=3, help="how often (default: 3)")
    each.add_argument("--nodes", type=_whole(3, 16), default=3, help="(default: 3)")
    each.add_argument(
        "--power",
        choices=["auto", "yes", "no"],
        default="no",
        help="also take away what the nodes had not synced, as a cut of the power does; needs a C "
        "compiler. auto: where there is one (default: no)",
    )

    each = scenarios.add_parser(
        "backup",
        parents=parents,
        help="what a backup of each node does to its clients",
        description="Clients write and read; then they go on while `p2pcore backup` copies one "
        "node after the other. Exit code 1 if their P99 grows to more than "
        f"{BACKUP_TIMES:g} times what it was before.",
    )
    each.add_argument("--seconds", type=_within(1, 600), default=10.0, help="before (default: 10)")
    each.add_argument("--nodes", type=_whole(3, 16), default=3, help="(default: 3)")


def _add_crowds(scenarios: Scenarios, parents: list[argparse.ArgumentParser]) -> None:
    each = scenarios.add_parser(
        "crowd",
        parents=parents,
        help="many node processes begin at once",
        description="How long until node processes that begin at once are all ready. Exit code 1 "
        f"above {CROWD_READY_S:g} s, which is the goal for 24 on 2 quiet cores.",
    )
    each.add_argument("--nodes", type=_whole(3, 64), default=24, help="(default: 24)")

    each = scenarios.add_parser(
        "clients",
        parents=parents,
        help="hundreds of clients at one node, and what they cost it",
        description="Clients connect to one node, write, read and stay. Exit code 1 if one of them "
        f"costs a node on uvloop more than {CONNECTION_BYTES} bytes of heap.",
    )
    each.add_argument("--clients", type=_whole(1, 1000), default=500, help="(default: 500)")


def _within(least: float, most: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        if not least <= float(text) <= most:
            raise argparse.ArgumentTypeError(f"{least:g} to {most:g}, not {text}")
        return float(text)

    return number


def _whole(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{least} to {most}, not {text}")
        return int(text)

    return number


def main(args: argparse.Namespace) -> int:
    """Run one scenario and write its record: 0 kept, 1 broken, 2 could not be measured."""
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
    except (NotImplementedError, NoCompilerError, ChildError, SwarmError, OSError) as error:
        print(f"chaos: could not be measured: {error}", file=sys.stderr)
        return 2
    _write(outcome, args, (seed, loop, began), source, directory)
    _print(outcome)
    return 0 if outcome.kept else 1


def _run(args: argparse.Namespace, plan: ChaosPlan) -> ScenarioOutcome:
    if args.scenario == "clients":
        return _clients(args.clients, args.loop, plan)
    plan = replace(plan, nodes=args.nodes)
    if args.scenario == "crowd":
        outcome = crowd(plan, nodes=args.nodes)
        _hold(outcome, "all_ready_s", CROWD_READY_S)
        return outcome
    comes_back = args.scenario in ("storm", "blackout", "backup")
    keeping: Keeping = args.durability or ("synced" if comes_back else "memory")
    plan = replace(plan, rate=args.rate, keys=args.keys, keeping=keeping)
    if args.scenario == "churn":
        seconds = args.minutes * 60
        return churn(plan, seconds=seconds, kills=args.kills, pause_s=args.pause_s)
    if args.scenario == "storm":
        return storm(plan, seconds=args.minutes * 60)
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
        outcome.breaches.append(f"{name} is {outcome.figures[name]:,g}, the goal is {most:,g}")


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
    for breach in outcome.breaches:
        _say(breach)
    _say("kept" if outcome.kept else f"BROKEN: {len(outcome.breaches)} breaches")


def _say(text: str) -> None:
    print(text, flush=True)
