"""The options of `python -m perflab chaos`.

Rule: says what may be asked for; does nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias, get_args

from benchmarks.common.records import LoopKind

__all__ = ["BACKUP_TIMES", "CONNECTION_BYTES", "CROWD_READY_S", "add_arguments"]

CROWD_READY_S = 30.0  # 24 nodes on 2 quiet cores
BACKUP_TIMES = 1.2
CONNECTION_BYTES = 40 * 1024  # at the node, by uvloop
Scenarios: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


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
    _add_endurance(scenarios)


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
    each.add_argument(
        "--kills", type=_whole(1, 10_000), default=4, help="and at least so many (default: 4)"
    )
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
        "flips",
        parents=parents,
        help="bits flip on the disks of nodes",
        description="Nodes are stopped or killed; some bits of their files are flipped where they "
        "are, 8 at a time, and they are started again, under traffic. Nobody may be given a value "
        "that nobody wrote, and in the end no record is damaged.",
    )
    each.add_argument("--flips", type=_whole(1, 10_000), default=24, help="(default: 24)")
    each.add_argument("--nodes", type=_whole(3, 16), default=3, help="(default: 3)")

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

    each = scenarios.add_parser(
        "neighbours",
        parents=parents,
        help="what clients get beside one that is greedy, and beside two that keep to no rule",
        description="Three nodes have a fortieth of a processor each. Of ten clients one asks for "
        "a hundred times its part (greedy); or two, without windows and a budget for retries, ask "
        "for so much that all together want five times what the nodes can do (rude). Exit code 1 "
        "if the others keep less than 95 % beside the greedy one, or 80 % beside the rude ones, of "
        "what they were served before.",
    )
    each.set_defaults(nodes=3)
    each.add_argument(
        "--kind", choices=["greedy", "rude"], help="one of the two (default: one after the other)"
    )
    each.add_argument(
        "--seconds",
        type=_within(1, 300),
        default=10.0,
        help="that are counted, alone and beside (default: 10)",
    )


def _add_endurance(scenarios: Scenarios) -> None:
    each = scenarios.add_parser(
        "endure",
        help="kills, cuts of the power and flipped bits, until there were so many; goes on where "
        "it ended",
        description="Plays pieces: storms and blackouts until so many nodes were killed, blackouts "
        "with --power yes until it was cut so often, and flips. Each is a run of its own in a "
        "folder of DIR, and what is there counts: the same command goes on, if the code is still "
        "the same. Exit code 0: all done, and each kept the promise; 1: one has not; 2: not all is "
        "done yet, or could be.",
    )
    each.add_argument("--kills", type=_whole(0, 100_000), default=1000, help="(default: 1000)")
    each.add_argument("--cuts", type=_whole(0, 100_000), default=200, help="(default: 200)")
    each.add_argument("--flips", type=_whole(0, 100_000), default=1000, help="(default: 1000)")
    each.add_argument(
        "--minutes",
        type=_within(0, 10_000),
        default=10_000.0,
        help="begin no piece after so many; one takes up to three (default: go on until all is "
        "done)",
    )
    each.add_argument("--seed", type=int, default=1, help="of the pieces, in turn (default: 1)")
    each.add_argument("--out", type=Path, metavar="DIR", required=True)


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
