"""`python -m perflab peers`: the core beside its ceiling and beside other stores, in one run.

The ratios are what counts: they were taken in this run, in turn. Other stores are started and
measured when `--with` names them; figures that are quoted have their day and source beside them,
and a table of their own.

Rule: prints and writes records; judges nothing but the stated floor.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import get_args

from benchmarks.common import subject
from benchmarks.common.children import ChildError
from benchmarks.common.disk import KEEPING, Keeping
from benchmarks.common.records import LoopKind, filed, now_utc, write_run
from perflab.peers.comparison import OPERATIONS, compare
from perflab.peers.measurements import run_of
from perflab.peers.stores.environments import InstallError, PeerFolders
from perflab.peers.stores.running import RunningPeer
from perflab.peers.stores.table import MEASURED
from perflab.peers.tables import print_found
from perflab.results.checkout import source_of

__all__ = ["FOLDERS", "add_arguments", "main"]

ROOT = Path(__file__).parents[2]
FOLDERS = PeerFolders(ROOT / ".asv" / "peers")
WHOLE = 1.0  # of the operations of each repeat
NODES, NODES_BESIDE_PEERS = 8, 3  # peers have three members: like beside like


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `peers`."""
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="write the records there, too (a whole run is filed in .asv/peer-runs)",
    )
    parser.add_argument(
        "--with",
        dest="peers",
        nargs="+",
        choices=list(MEASURED),
        default=[],
        help="also start these stores, three members each, and measure them in turn with the core; "
        "kademlia and libtorrent speak UDP and lose datagrams from about 64 in flight on",
    )
    parser.add_argument(
        "--install",
        action="store_true",
        help="fetch what `--with` needs and is not there, into .asv/peers: Debian packages, "
        "unpacked (nothing is installed, no service starts), and clients, by pip",
    )
    parser.add_argument(
        "--durability",
        dest="kept",
        nargs="+",
        choices=[each for each in KEEPING if each != "memory"],
        help="also measure the core with its records on a disk: buffered, synced, or in a raw log, "
        "which is what the disk allows (default: synced beside durable peers)",
    )
    parser.add_argument(
        "--layouts",
        nargs="+",
        choices=["A", "B"],
        default=["A", "B"],
        help="A: all nodes in one process; B: a process each (default: both)",
    )
    parser.add_argument(
        "--in-flight", type=int, nargs="+", choices=sorted(OPERATIONS), default=[16, 64]
    )
    parser.add_argument(
        "--nodes",
        type=_nodes,
        help=f"nodes in each network, 3 to 64 (default: {NODES}, and {NODES_BESIDE_PEERS} --with)",
    )
    parser.add_argument("--repeats", type=_repeats, default=9, help="repeats (default: 9)")
    parser.add_argument(
        "--loop", choices=get_args(LoopKind), help="event loop (default: uvloop where it exists)"
    )
    parser.add_argument(
        "--scale",
        type=_scale,
        default=1.0,
        help="multiplies the operations of each repeat, 0.01 to 100 (default: 1)",
    )


def _nodes(text: str) -> int:
    if not 3 <= int(text) <= 64:  # each record has three replicas; layout B has a process for each
        raise argparse.ArgumentTypeError(f"3 to 64 nodes, not {text}")
    return int(text)


def _repeats(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"at least 1 repeat, not {text}")
    return int(text)


def _scale(text: str) -> float:
    if not 0.01 <= float(text) <= 100:
        raise argparse.ArgumentTypeError(f"a scale of 0.01 to 100, not {text}")
    return float(text)


def main(args: argparse.Namespace) -> int:
    """Measure, print, write; 1 if a floor was missed, 2 if something could not be measured that
    was asked for, or 0."""
    try:
        subject.require("network")
    except NotImplementedError as reason:
        print(f"peers: {reason}", file=sys.stderr)
        return 2
    if args.json and not args.json.parent.is_dir():
        print(f"error: --json {args.json}: there is no such folder", file=sys.stderr)
        return 2
    if args.install and not args.peers:
        print("error: --install is for the stores that --with names", file=sys.stderr)
        return 2
    try:
        return _measure(args)
    except (RuntimeError, ValueError, OSError) as error:  # of children, swarms, the core
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def _measure(args: argparse.Namespace) -> int:
    loop: LoopKind = args.loop or subject.default_loop()
    nodes = args.nodes or (NODES_BESIDE_PEERS if args.peers else NODES)
    began, before = now_utc(), os.getloadavg()[0]
    with ExitStack() as stack:
        peers, failed = _start(args.peers, args.install, loop, stack)
        compared = compare(
            layouts=args.layouts,
            nodes=nodes,
            in_flight=args.in_flight,
            repeats=args.repeats,
            loop=loop,
            scale=args.scale,
            progress=_say,
            peers=peers,
            kept=_kept(args.kept, peers),
        )
    load = (before, os.getloadavg()[0])
    missed = print_found(compared, nodes, loop, peers, load)
    run = replace(run_of(compared, nodes, loop, began, peers, load), commit=_commit())
    if args.json:
        write_run(run, args.json)
    if args.scale >= WHOLE:  # less of it is a trial, and nothing to be shown
        place = filed(ROOT, "peer-runs", run.commit, "")
        place.parent.mkdir(parents=True, exist_ok=True)
        write_run(run, place.with_name(f"{place.name}.json"))
        _say(f"filed as {place}.json: `make site` shows it")
    return _end([*failed, *compared.failed], missed)


def _commit() -> str:
    """Of the code that is measured, with a sign if files of it differ."""
    source = source_of(Path(subject.core_dir()))
    return source.commit + ("+" if source.uncommitted else "")


def _kept(asked: Sequence[Keeping] | None, peers: Sequence[RunningPeer]) -> list[Keeping]:
    """What nodes of the core have their records in, besides memory."""
    if asked is None:
        return ["synced"] if any(each.peer.durable for each in peers) else []
    return list(dict.fromkeys(asked))


def _start(
    names: Sequence[str], install: bool, loop: LoopKind, stack: ExitStack
) -> tuple[list[RunningPeer], list[str]]:
    """The peers that serve, until the stack ends them, and a line for each that doesn't."""
    running: list[RunningPeer] = []
    failed: list[str] = []
    for name in dict.fromkeys(names):
        peer = MEASURED[name]
        try:
            if install and FOLDERS.missing(peer):
                _say(f"{name}: fetching what it needs")
                FOLDERS.install(peer)
            lacks = FOLDERS.missing(peer)
            if lacks is None:
                _say(f"{name}: starting")
                running.append(stack.enter_context(RunningPeer(peer, FOLDERS, loop)))
        except (InstallError, ChildError) as error:
            lacks = " ".join(str(error).split())
        if lacks is not None:
            failed.append(f"{name}: {lacks}")
            _say(f"not measured: {failed[-1]}")
    return running, failed


def _end(failed: Sequence[str], missed: Sequence[str]) -> int:
    """The exit code; what could not be measured is said last, where it is seen."""
    for line in failed:
        _say(f"error: not measured: {line}")
    if failed:
        return 2
    return 1 if missed else 0


def _say(line: str) -> None:
    print(line, file=sys.stderr)
