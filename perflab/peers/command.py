"""`python -m perflab peers`: the core beside its ceiling, in one run, and beside its peers.

The ratio to the ceiling is what counts: it was taken in this run, in turn. The peers' figures are
quoted; they were measured on another day, and only their order of magnitude compares.

Rule: prints and writes records; judges nothing but the stated floor.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from benchmarks.common import subject
from benchmarks.common.records import (
    Layout,
    LoopKind,
    Measurement,
    Run,
    now_utc,
    this_machine,
    write_run,
)
from perflab.peers.comparison import BESIDE, OPERATIONS, QUESTIONS, Found, Question, compare
from perflab.peers.published_figures import PEERS, PEERS_ORIGIN

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["FLOORS", "Floor", "add_arguments", "main"]

PLAIN_WIDTH = 120  # columns where there is no terminal to ask: a log, a file


@dataclass(frozen=True, kw_only=True)
class Floor:
    """What layout A must reach at 16 in flight, wherever this is measured."""

    question: Question
    per_s: float
    p50_s: float


FLOOR_LAYOUT, FLOOR_IN_FLIGHT = "A", 16
FLOORS = (
    Floor(question="store", per_s=4000, p50_s=0.005),
    Floor(question="retrieve, one replica", per_s=8000, p50_s=0.005),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `peers`."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the records there")
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
        "--nodes", type=_nodes, default=8, help="nodes in each network, 3 to 64 (default: 8)"
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
    """Measure, print, write; 1 if a floor was missed, 2 if there is nothing to measure, or 0."""
    try:
        subject.require("network")
    except NotImplementedError as reason:
        print(f"peers: {reason}", file=sys.stderr)
        return 2
    loop: LoopKind = args.loop or subject.default_loop()
    began = now_utc()
    if args.json and not args.json.parent.is_dir():
        print(f"error: --json {args.json}: there is no such folder", file=sys.stderr)
        return 2
    try:
        found = compare(
            layouts=args.layouts,
            nodes=args.nodes,
            in_flight=args.in_flight,
            repeats=args.repeats,
            loop=loop,
            scale=args.scale,
            progress=lambda line: print(line, file=sys.stderr),
        )
    except (RuntimeError, ValueError, OSError) as error:  # of children, swarms, the core
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    missed = _print(found, args.nodes, loop)
    if args.json:
        write_run(_run(found, args.nodes, loop, began), args.json)
    return 1 if missed else 0


def _print(found: Found, nodes: int, loop: LoopKind) -> list[str]:
    """Print both tables and the floors; returns the floors that were missed."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH, highlight=False)
    console.print(_core_table(found, nodes, loop))
    console.print(_peers_table())
    console.print(f"Peers: {PEERS_ORIGIN}.")
    lines, missed = _floors(found)
    for line in lines:
        console.print(line)
    return missed


def _core_table(found: Found, nodes: int, loop: LoopKind) -> Table:
    from rich.table import Table

    machine, who = this_machine(), subject.identity(loop)
    table = Table(
        title=f"p2pcore {who.version} beside its ceiling, same run: {nodes} nodes, N=3, W=2, TLS, "
        f"1 KiB, {loop}, Python {who.python}, {machine.cores} cores"
    )
    for column in ("layout", "in flight", "operation"):
        table.add_column(column)
    for column in ("p2pcore/s", "ceiling/s", "ratio", "P50 ms", "P99 ms", "ceiling P50/P99"):
        table.add_column(column, justify="right")
    for (layout, in_flight, side, question), cell in sorted(
        found.items(), key=lambda item: (item[0][:2], QUESTIONS.index(item[0][3]))
    ):
        if side == "p2pcore":
            ceiling = found[layout, in_flight, "ceiling", BESIDE[question]]
            table.add_row(
                layout,
                str(in_flight),
                question,
                f"{cell.rate:,.0f}",
                f"{ceiling.rate:,.0f}",
                f"{cell.ratio_to(ceiling):.0%}",
                _ms(cell.p50_s),
                _ms(cell.p99_s),
                f"{_ms(ceiling.p50_s)} / {_ms(ceiling.p99_s)}",
            )
    return table


def _ms(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1000:.2f}"


def _peers_table() -> Table:
    from rich.table import Table

    table = Table(title="Peers, quoted: 16 in flight; P50 / P99 at 1 in flight")
    table.add_column("peer")
    for column in ("puts/s", "gets/s", "put ms", "get ms"):
        table.add_column(column, justify="right")
    table.add_column("without")
    for peer in PEERS:
        table.add_row(
            peer.name, peer.puts_per_s, peer.gets_per_s, peer.put_ms, peer.get_ms, peer.lacks
        )
    return table


def _floors(found: Found) -> tuple[list[str], list[str]]:
    """A line for each floor that was measured, and the names of those that were missed."""
    lines: list[str] = []
    missed: list[str] = []
    for floor in FLOORS:
        cell = found.get((FLOOR_LAYOUT, FLOOR_IN_FLIGHT, "p2pcore", floor.question))
        if cell is None:
            continue
        held = cell.rate >= floor.per_s and statistics.median(cell.p50_s) < floor.p50_s
        if not held:
            missed.append(floor.question)
        lines.append(
            f"Floor, layout {FLOOR_LAYOUT}, {FLOOR_IN_FLIGHT} in flight, {floor.question}: "
            f"at least {floor.per_s:,.0f}/s with P50 under {floor.p50_s * 1000:.0f} ms: "
            f"{'held' if held else 'MISSED'}"
        )
    return lines, missed


def _run(found: Found, nodes: int, loop: LoopKind, began: str) -> Run:
    """The records of a comparison."""
    who = subject.identity(loop)
    measurements = []
    for (layout, in_flight, side, question), cell in found.items():
        for what, unit, values in (
            ("rate", "1/s", cell.rates),
            ("p50", "s", cell.p50_s),
            ("p99", "s", cell.p99_s),
        ):
            place: Layout = "A" if layout == "A" else "B"
            measurements.append(
                Measurement(
                    name=f"{question}: {what}",
                    subject=side,
                    kind="observed",
                    layout=place,
                    nodes=nodes,
                    processes=2 if place == "A" else nodes + 1,
                    unit=unit,
                    values=values,
                    parameters={"in_flight": in_flight, "value_bytes": 1024, "loop": loop},
                )
            )
    return Run(
        machine=this_machine(),
        commit=who.commit,
        versions=who.versions(),
        began=began,
        measurements=measurements,
    )
