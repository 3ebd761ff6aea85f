"""`stats`: what a node, or every node of a network, says of itself; once or again and again.

Rule: a rate is the difference of two answers of one node over the difference of their uptimes. A
node that has started anew in between has none yet.
"""

import argparse
import asyncio
import shutil
import sys
import time

from p2pcore.aio.client import AdaptiveClient
from p2pcore.cli.output import one_line, say_json, say_text, warn
from p2pcore.cli.session import with_client
from p2pcore.cli.tables import bytes_words, number_words, rate_words, table, uptime_words
from p2pcore.errors import P2PError, UsageError
from p2pcore.ids import NodeId
from p2pcore.overlay.crawl import NetworkStats
from p2pcore.overlay.inspection import NodeInfo
from p2pcore.session.peers import PeerEstimate

__all__ = ["Meter", "stats"]

SHORTEST_WATCH_S = 0.1
HOME, CLEAR_LINE, CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"  # of every terminal since the VT100
OPERATIONS = ("stores", "fetches")

View = NodeInfo | NetworkStats


class Meter:
    """Rates of counters, from one answer of a node to the next."""

    def __init__(self) -> None:
        self._last: dict[NodeId, NodeInfo] = {}

    def rates(self, info: NodeInfo) -> dict[str, float]:
        """Each counter's increase per second since the answer before; empty without one."""
        last = self._last.get(info.node_id)
        self._last[info.node_id] = info
        if last is None or info.uptime_s <= last.uptime_s:
            return {}
        span_s = info.uptime_s - last.uptime_s
        return {
            name: max(0, value - last.counters[name]) / span_s
            for name, value in info.counters.items()
            if name in last.counters
        }


def stats(args: argparse.Namespace) -> None:
    """Ask, and say what was answered; with `--watch` until Ctrl-C.

    Raises:
        UsageError: nobody to ask, or too often.
        P2PError: what `AdaptiveClient.node_info` and `network_stats` raise, at the first time.
    """
    if args.watch is not None and args.watch < SHORTEST_WATCH_S:
        raise UsageError(f"--watch must be at least {SHORTEST_WATCH_S:g} s, not {args.watch:g}")
    if not args.bootstrap:
        if args.node is None:
            raise UsageError("stats needs NODE, for one node, or --via, for the whole network")
        if ":" not in args.node:
            raise UsageError("a node that is named by its id needs --via, a member to go through")
        args.bootstrap = [args.node]

    async def work(client: AdaptiveClient, timeout_s: float) -> None:
        meter = Meter()
        _show(await _ask(client, args, timeout_s), meter, args)
        if args.watch is not None:
            await _watch(client, meter, args)

    try:
        with_client(args, work)
    except KeyboardInterrupt:
        if args.watch is None:
            raise  # else it is the only way to end, and no failure


async def _ask(client: AdaptiveClient, args: argparse.Namespace, timeout_s: float) -> View:
    if args.node is not None:
        return await client.node_info(args.node, timeout_s=timeout_s)
    return await client.network_stats(max_nodes=args.max_nodes, timeout_s=timeout_s)


async def _watch(client: AdaptiveClient, meter: Meter, args: argparse.Namespace) -> None:
    """Ask again every so often. Nodes that can't be reached meanwhile are waited for."""
    due_s = time.monotonic()
    while True:
        due_s = max(due_s + args.watch, time.monotonic())
        await asyncio.sleep(due_s - time.monotonic())
        try:
            view = await _ask(client, args, args.timeout)
        except P2PError as error:
            if _on_screen(args):
                _draw([f"no answer: {error}"], args)
            else:
                warn(str(error), as_json=args.json)
            continue
        _show(view, meter, args)


def _show(view: View, meter: Meter, args: argparse.Namespace) -> None:
    """Say it in the form that was asked for."""
    nodes = [view] if isinstance(view, NodeInfo) else view.nodes
    rates = {node.node_id: meter.rates(node) for node in nodes}
    if args.json:
        if isinstance(view, NodeInfo):
            say_json(_node_fields(view, rates[view.node_id]))
        else:
            say_json(_network_fields(view, rates))
        return
    if args.watch is not None and not _on_screen(args):
        clock = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        for node in nodes:
            say_text(f"{clock} {_plain_line(node, rates[node.node_id])}\n")
        for text in _missing(view):
            warn(one_line(text), as_json=False)
        return
    if isinstance(view, NodeInfo):
        lines = _node_lines(view, rates[view.node_id], watched=args.watch is not None)
    else:
        lines = _network_lines(view, rates)
    if args.watch is None:
        say_text("\n".join(lines) + "\n")
    else:
        _draw(lines, args)


def _on_screen(args: argparse.Namespace) -> bool:
    """True if somebody looks at a terminal, where what is new can replace what is old."""
    watched = args.watch is not None and not args.json
    return watched and sys.stdout is not None and sys.stdout.isatty()


def _draw(lines: list[str], args: argparse.Namespace) -> None:
    """Replace the screen's content by as much of these lines as it holds."""
    width, height = shutil.get_terminal_size()
    head = f"every {args.watch:g} s, now {time.strftime('%H:%M:%S')}; Ctrl-C ends this"
    shown = [one_line(line)[:width] for line in [head, "", *lines]]
    if len(shown) >= height:
        hidden = len(shown) - height + 2
        shown = [*shown[: max(0, height - 2)], f"... and {hidden} lines more"[:width]]
    say_text(HOME + "".join(f"{line}{CLEAR_LINE}\n" for line in shown) + CLEAR_BELOW)


# One node


def _state(node: NodeInfo) -> str:
    return "ready" if node.ready else "not ready"


def _operations(rates: dict[str, float]) -> float | None:
    """Records stored and fetched per second; None if that is not known."""
    known = [rates[name] for name in OPERATIONS if name in rates]
    return sum(known) if known else None


def _node_lines(node: NodeInfo, rates: dict[str, float], *, watched: bool) -> list[str]:
    room = f"{bytes_words(node.stored_bytes)} of {bytes_words(node.capacity_bytes)}"
    fields = [
        ("node", node.address),
        ("id", node.node_id.hex()),
        ("version", node.version),
        ("state", f"{_state(node)}, up {uptime_words(node.uptime_s)}"),
        ("other nodes", number_words(node.known_nodes)),
        ("links", number_words(node.links)),
        ("records", f"{number_words(node.stored_records)}, {room}"),
        ("durability", node.durability),
    ]
    width = max(len(name) for name, _ in fields)
    lines = [one_line(f"{name.ljust(width)}  {value}") for name, value in fields]
    rows = [("counter", "total", "per s")]
    rows += [
        (name, number_words(value), rate_words(rates.get(name)))
        for name, value in node.counters.items()
    ]
    lines += ["", *table(rows if watched else [row[:2] for row in rows])]
    return [*lines, "", *table(_peer_rows(node))] if node.peers else lines


PEER_HEADINGS = ("peer", "id", "state", "strain", "round trip", "hedges")


def _peer_rows(node: NodeInfo) -> list[tuple[str, ...]]:
    """What the node thinks of others, the worst first."""
    return [
        PEER_HEADINGS,
        *(
            (
                peer.address,
                peer.node_id.hex()[:8],
                peer.state,
                f"{peer.strain:.2f}" if peer.strain else "-",
                f"{peer.round_trip_ms:.1f} ms" if peer.round_trip_ms else "-",
                number_words(peer.hedges),
            )
            for peer in node.peers
        ),
    ]


def _peer_fields(peer: PeerEstimate) -> dict[str, object]:
    return {
        "id": peer.node_id.hex(),
        "address": peer.address,
        "strain": peer.strain,
        "late": peer.late,
        "outlier": peer.outlier,
        "suspect": peer.suspect,
        "round_trip_ms": peer.round_trip_ms,
        "hedges": peer.hedges,
    }


def _plain_line(node: NodeInfo, rates: dict[str, float]) -> str:
    """All that changes, on one line that can be grepped."""
    words = [
        f"{node.address} {node.node_id.hex()[:12]} {_state(node).replace(' ', '-')}",
        f"uptime_s={node.uptime_s:.0f} nodes={node.known_nodes} links={node.links}",
        f"records={node.stored_records} bytes={node.stored_bytes}",
    ]
    per_s = {"ops": _operations(rates), "in": rates.get("bytes_in"), "out": rates.get("bytes_out")}
    for name, unit in (("ops", "ops_per_s"), ("in", "bytes_in_per_s"), ("out", "bytes_out_per_s")):
        value = per_s[name]
        words.append(f"{unit}={'-' if value is None else f'{value:.1f}'}")
    return one_line(" ".join(words))


def _node_fields(node: NodeInfo, rates: dict[str, float]) -> dict[str, object]:
    return {
        "id": node.node_id.hex(),
        "address": node.address,
        "version": node.version,
        "uptime_s": node.uptime_s,
        "ready": node.ready,
        "known_nodes": node.known_nodes,
        "links": node.links,
        "stored_records": node.stored_records,
        "stored_bytes": node.stored_bytes,
        "capacity_bytes": node.capacity_bytes,
        "durability": node.durability,
        "counters": dict(node.counters),
        **({"peers": [_peer_fields(peer) for peer in node.peers]} if node.peers else {}),
        **({"per_s": {name: round(rate, 3) for name, rate in rates.items()}} if rates else {}),
    }


# A network


HEADINGS = ("node", "id", "state", "uptime", "nodes", "links", "records", "bytes", "ops/s",
            "in/s", "out/s")  # fmt: skip


def _network_lines(view: NetworkStats, rates: dict[NodeId, dict[str, float]]) -> list[str]:
    answered = len(view.nodes)
    words = [f"{view.known_nodes} node(s), {answered} answered"]
    if view.covered < 1:
        share = f"{view.covered:.1%} of the network was searched"
        words.append(f"{share}: about {view.estimated_nodes} nodes in all")
    words.append(f"N={view.replication_factor} W={view.write_quorum} R={view.read_quorum}")
    versions = sorted({node.version for node in view.nodes})
    words.append(f"version {', '.join(versions)}")
    rows: list[tuple[str, ...]] = [HEADINGS]
    for node in sorted(view.nodes, key=lambda node: node.address):
        rows.append(_network_row(node, rates[node.node_id]))
    total = [_operations(each) for each in rates.values()]
    known = [rate for rate in total if rate is not None]
    rows.append(
        (
            f"all {answered} that answered",
            "",
            f"{view.ready_nodes.total} ready",
            "",
            "",
            "",
            number_words(view.record_copies.total),
            bytes_words(view.stored_bytes.total),
            rate_words(sum(known) if known else None),
            "",
            "",
        )
    )
    lines = [one_line("; ".join(words)), "", *table(rows)]
    missing = _missing(view)
    return [*lines, "", *map(one_line, missing)] if missing else lines


def _network_row(node: NodeInfo, rates: dict[str, float]) -> tuple[str, ...]:
    bytes_in, bytes_out = rates.get("bytes_in"), rates.get("bytes_out")
    return (
        node.address,
        node.node_id.hex()[:8],
        _state(node),
        uptime_words(node.uptime_s),
        number_words(node.known_nodes),
        number_words(node.links),
        number_words(node.stored_records),
        bytes_words(node.stored_bytes),
        rate_words(_operations(rates)),
        "-" if bytes_in is None else bytes_words(bytes_in),
        "-" if bytes_out is None else bytes_words(bytes_out),
    )


def _missing(view: View) -> list[str]:
    """Who is not in the totals, and why."""
    if isinstance(view, NodeInfo):
        return []
    texts = [f"no answer from {contact.address}: {error}" for contact, error in view.unanswered]
    if view.unasked:
        texts.append(f"{view.unasked} nodes were not asked: --max-nodes")
    return texts


def _network_fields(view: NetworkStats, rates: dict[NodeId, dict[str, float]]) -> dict[str, object]:
    figures = {
        "ready_nodes": view.ready_nodes,
        "record_copies": view.record_copies,
        "stored_bytes": view.stored_bytes,
        **view.counters,
    }
    return {
        "known_nodes": view.known_nodes,
        "answered": len(view.nodes),
        "unasked": view.unasked,
        "covered": view.covered,
        "estimated_nodes": view.estimated_nodes,
        "replication_factor": view.replication_factor,
        "write_quorum": view.write_quorum,
        "read_quorum": view.read_quorum,
        "totals": {
            name: {"total": figure.total, "nodes": figure.nodes} for name, figure in figures.items()
        },
        "nodes": [_node_fields(node, rates[node.node_id]) for node in view.nodes],
        "unanswered": [
            {
                "id": contact.node_id.hex(),
                "address": contact.address,
                "error": str(error),
                "kind": type(error).__name__,
            }
            for contact, error in view.unanswered
        ],
    }
