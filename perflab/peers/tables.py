"""What `peers` prints: the core beside its ceiling, beside stores measured with it, and quotations.

What was measured in this run and what was quoted never share a table.

Rule: prints; measures nothing.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.common import subject
from benchmarks.common.disk import KEEPING
from benchmarks.common.records import LoopKind, nearest_rank, this_machine
from perflab.peers.comparison import BESIDE, CORE, Compared, Found, core_beside, on_disk
from perflab.peers.published_figures import PEERS
from perflab.peers.question import QUESTIONS, Question
from perflab.peers.stores.running import RunningPeer, side_name
from perflab.stats.bounds import of_ratios

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["FLOORS", "Floor", "of_peers", "print_found"]

DISK_SIDES = [on_disk(keeping) for keeping in KEEPING if keeping != "memory"]
RAW_LOG = on_disk("raw log")
PLAIN_WIDTH = 120  # columns where there is no terminal to ask: a log, a file
ERROR = 0.025  # at either end: intervals are of 95 %


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


def print_found(
    compared: Compared,
    nodes: int,
    loop: LoopKind,
    peers: Sequence[RunningPeer],
    load: Sequence[float],
) -> list[str]:
    """Print all tables and the floors; returns the floors that were missed. `load` is the machine's
    before and after (processes that run or wait to, over a minute)."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH, highlight=False)
    console.print(_core_table(compared.found, nodes, loop))
    if any(side in DISK_SIDES for _, _, side, _ in compared.found):
        _print_disks(console, compared)
    if peers:
        _print_peers(console, compared, nodes, peers, load)
    console.print(_quoted_table())
    lines, missed = _floors(compared.found)
    for line in lines:
        console.print(line)
    return missed


def _core_table(found: Found, nodes: int, loop: LoopKind) -> Table:
    from rich.table import Table

    machine, who = this_machine(), subject.identity(loop)
    table = Table(
        title=f"p2pcore {who.version} in memory (not durable) beside its ceiling, same run: "
        f"{nodes} nodes, N=3, W=2, TLS, 1 KiB, {loop}, Python {who.python}, {machine.cores} cores"
    )
    for column in ("layout", "in flight", "operation"):
        table.add_column(column)
    for column in ("p2pcore/s", "ceiling/s", "ratio", "P50 ms", "P99 ms", "ceiling P50/P99"):
        table.add_column(column, justify="right")
    for (layout, in_flight, side, question), cell in sorted(
        found.items(), key=lambda item: (item[0][:2], QUESTIONS.index(item[0][3]))
    ):
        if side == CORE:
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


def _print_disks(console: Console, compared: Compared) -> None:
    """The core with its records on a disk, beside itself in memory and on a raw log."""
    from rich.table import Table

    found = compared.found
    table = Table(title="p2pcore with its records on a disk, same run: N=3, W=2, R=2, TLS, 1 KiB")
    for column in ("records", "layout", "in flight", "operation"):
        table.add_column(column)
    for column in ("p2pcore/s", ": in memory", ": raw log", "P50 ms", "P99 ms"):
        table.add_column(column, justify="right")
    for layout, in_flight, side, question in sorted(
        (place for place in found if place[2] in DISK_SIDES),
        key=lambda place: (DISK_SIDES.index(place[2]), place[:2], QUESTIONS.index(place[3])),
    ):
        cell = found[layout, in_flight, side, question]
        others = (found.get((layout, in_flight, each, question)) for each in (CORE, RAW_LOG))
        table.add_row(
            side.removeprefix(f"{CORE}, "),
            layout,
            str(in_flight),
            question.replace("retrieve,", "read"),
            f"{cell.rate:,.0f}",
            *("–" if other is None else _ratio(cell.ratios_to(other)) for other in others),
            _ms(cell.p50_s),
            _ms(cell.p99_s),
        )
    console.print(table)
    for line in _syncs(compared, CORE, "the disk"):
        console.print(line)


def _ms(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds) * 1000:.2f}"


def _print_peers(
    console: Console,
    compared: Compared,
    nodes: int,
    peers: Sequence[RunningPeer],
    load: Sequence[float],
) -> None:
    console.print(_measured_table(compared.found, nodes, peers))
    for peer in peers:
        for line in of_peers(peer, compared):
            console.print(line)
    durable = any(place[2] == on_disk("synced") for place in compared.found)
    kept = "synced to disk beside durable peers, else " if durable else ""
    console.print(
        f"p2pcore: {kept}not durable: in memory; acknowledged by 2 of 3 (by 3 to read one "
        "replica); TLS with client certificates. Ratios above 1: p2pcore is ahead; in brackets the "
        "95 % interval of the median."
    )
    told = " before, ".join(f"{each:.1f}" for each in load)
    console.print(f"Load of the machine: {told} after, on {this_machine().cores} cores.")


def of_peers(peer: RunningPeer, compared: Compared) -> list[str]:
    """What has to be known of a measured peer: what it promises, what was measured, and what a
    sync cost meanwhile if it waits for one."""
    what = peer.peer
    versions = ", ".join(f"{name} {version}" for name, version in peer.versions.items())
    lines = [
        f"{what.name}: {what.keeps}; acknowledged by {what.acknowledged}; reads {what.reading}; "
        f"{what.secured}; values of {what.size_bytes} B; {versions}."
    ]
    return lines + _syncs(compared, what.name, peer.file_system)


def _syncs(compared: Compared, whose: str, where: str) -> list[str]:
    """What a sync cost meanwhile, a line for each layout."""
    lines = []
    for (layout, name), repeats in compared.syncs_s.items():
        if name == whose:
            ordered = sorted(second for each in repeats for second in each)
            lines.append(
                f"{name}: a sync meanwhile (fdatasync of 1 KiB on {where}, "
                f"{len(ordered)} times beside layout {layout}): P50 {_rank(ordered, 500)}, "
                f"P99 {_rank(ordered, 990)} ms."
            )
    return lines


def _rank(ordered: Sequence[float], per_mille: int) -> str:
    return f"{nearest_rank(ordered, per_mille) * 1000:.2f}"


def _measured_table(found: Found, nodes: int, peers: Sequence[RunningPeer]) -> Table:
    from rich.table import Table

    table = Table(
        title=f"Peers, measured in this run: 3 members each, p2pcore with {nodes} nodes",
        padding=0,
    )
    for column in ("peer", "durable", "layout", "in flight", "operation", "p2pcore"):
        table.add_column(column)
    for column in ("peer/s", "p2pcore/s", "p2pcore : peer", "peer P50/P99 ms"):
        table.add_column(column, justify="right")
    sides = {
        side_name(each.peer, client): each.peer.durable
        for each in peers
        for client in each.peer.clients
    }
    names = list(sides)
    for (layout, in_flight, side, question), cell in sorted(
        ((place, cell) for place, cell in found.items() if place[2] in sides),
        key=lambda item: (names.index(item[0][2]), item[0][:2], QUESTIONS.index(item[0][3])),
    ):
        like = core_beside(found, (layout, in_flight, question), sides[side])
        core = found[layout, in_flight, like, question]
        table.add_row(
            side,
            "yes" if sides[side] else "no",
            layout,
            str(in_flight),
            question.replace("retrieve,", "read"),
            "in memory" if like == CORE else "synced",
            f"{cell.rate:,.0f}",
            f"{core.rate:,.0f}",
            _ratio(core.ratios_to(cell)),
            f"{_ms(cell.p50_s)} / {_ms(cell.p99_s)}",
        )
    return table


def _ratio(ratios: Sequence[float]) -> str:
    """The median, and its interval if there are repeats enough for one."""
    bounds = of_ratios(ratios, ERROR)
    if math.isinf(bounds.high):
        return f"{bounds.ratio:.2f}"
    return f"{bounds.ratio:.2f} ({bounds.low:.2f}–{bounds.high:.2f})"


def _quoted_table() -> Table:
    from rich.table import Table

    table = Table(
        title="Quoted, not measured in this run: 16 in flight; P50 / P99 at 1 in flight",
        caption="\n".join(sorted({f"Source: {peer.source}" for peer in PEERS})),
    )
    table.add_column("peer")
    table.add_column("measured")
    for column in ("puts/s", "gets/s", "put ms", "get ms"):
        table.add_column(column, justify="right")
    table.add_column("without")
    for peer in PEERS:
        figures = (peer.puts_per_s, peer.gets_per_s, peer.put_ms, peer.get_ms)
        table.add_row(peer.name, peer.measured, *figures, peer.lacks)
    return table


def _floors(found: Found) -> tuple[list[str], list[str]]:
    """A line for each floor that was measured, and the names of those that were missed."""
    lines: list[str] = []
    missed: list[str] = []
    for floor in FLOORS:
        cell = found.get((FLOOR_LAYOUT, FLOOR_IN_FLIGHT, CORE, floor.question))
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
