"""What a record of `scaling` says, as Markdown: measured, simulated, by law, and what breaks first.

Rule: reads figures; measures nothing.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from perflab.scaling.laws import FEWEST_SIZES, FittedGrowth, Predicted, grown, reaches
from perflab.scaling.record import ScalingError, ScalingHead, ScalingRow

__all__ = ["scaling_report"]

Growths = dict[tuple[str, str], FittedGrowth | None]
BEYOND = (65_536, 262_144, 1_000_000)
LAW_FROM = 64  # nodes: fewer know each other all, and nothing grows by law yet
MOST_OFF = 0.25  # of the largest sizes, where it was checked: a law that is more says nothing
CALM_SHARE = 0.01  # of a processor, for membership alone
NO_LAW = "too few sizes, or no law that holds"


@dataclass(frozen=True)
class _Figure:
    play: str
    name: str
    title: str
    law: bool = True


FIGURES = (
    _Figure("operations", "lookup_hops", "steps of a lookup, one after the other"),
    _Figure("settled", "store_messages", "messages of a store"),
    _Figure("settled", "store_connections", "connections that it opens"),
    _Figure("settled", "retrieve_messages", "messages of a retrieve"),
    _Figure("settled", "retrieve_connections", "connections that it opens"),
    _Figure("members", "join_messages", "messages of a join"),
    _Figure("members", "known", "nodes that a node knows"),
    _Figure("members", "links", "connections of a node"),
    _Figure("members", "calm_messages_per_s", "messages per second of a node at rest"),
    _Figure("members", "calm_bytes_per_s", "bytes per second of a node at rest"),
)


class _Record:
    """The rows, by what they answer."""

    def __init__(self, rows: Sequence[ScalingRow]) -> None:
        self._points: dict[tuple[str, str], list[tuple[int, float]]] = defaultdict(list)
        for row in rows:
            for name, value in row.figures.items():
                self._points[row.play, name].append((row.nodes, value))

    def points(self, play: str, name: str) -> list[tuple[int, float]]:
        return self._points[play, name]

    def sizes(self, *plays: str) -> list[int]:
        return sorted({n for (play, _), each in self._points.items() if play in plays
                       for n, _ in each})  # fmt: skip

    def at(self, play: str, name: str, nodes: int, of: Callable[[list[float]], float]) -> float:
        """NaN where there is none."""
        found = [value for n, value in self.points(play, name) if n == nodes]
        return of(found) if found else math.nan

    def growth(self, play: str, name: str) -> FittedGrowth | None:
        """The law of the sizes from which on there is one: not of those at which the figure is
        still nothing; None: too few of them, or each law was far off where it was checked."""
        there = [each for each in self.points(play, name) if each[0] >= LAW_FROM]
        nothing = max((nodes for nodes, value in there if not value), default=0)
        points = [each for each in there if each[0] > nothing]
        if len({nodes for nodes, _ in points}) < FEWEST_SIZES:
            return None
        found = grown(points)
        return found if found.off <= MOST_OFF else None


def scaling_report(head: ScalingHead, rows: Sequence[ScalingRow]) -> str:
    """All tables. Raises ScalingError: too few networks for a law."""
    record = _Record(rows)
    parts = [
        f"Of commit `{head.commit[:8] or 'unknown'}{head.commit[40:]}`, begun {head.began}.",
        _sockets(record),
        _simulated(record),
    ]
    growths = {(each.play, each.name): record.growth(each.play, each.name) for each in FIGURES}
    parts += [_beyond(growths), _costs(record, growths), _breaks(head, record, growths)]
    return "\n\n".join(parts) + "\n"


def _sockets(record: _Record) -> str:
    """Medians: processor time has spells."""
    names = {
        "store_nodes_cpu_s": 1e6, "store_client_cpu_s": 1e6, "store_messages": 1,
        "retrieve_nodes_cpu_s": 1e6, "retrieve_client_cpu_s": 1e6, "retrieve_messages": 1,
        "connection_cpu_s": 1e6,
    }  # fmt: skip
    lines = [
        [_count(nodes), *(_short(record.at("sockets", name, nodes, median) * unit)
                          for name, unit in names.items())]
        for nodes in record.sizes("sockets")
    ]  # fmt: skip
    titles = (
        "nodes", "store: µs of the nodes", "µs of the client", "messages",
        "retrieve: µs of the nodes", "µs of the client", "messages", "a connection: µs, both sides",
    )  # fmt: skip
    return "**Measured**, processor time on sockets:\n\n" + _table(titles, lines)


def _simulated(record: _Record) -> str:
    plays = ("operations", "settled", "members")
    lines = [
        [_count(nodes), *(_short(record.at(each.play, each.name, nodes, fmean))
                          for each in FIGURES)]
        for nodes in record.sizes(*plays)
    ]  # fmt: skip
    titles = ("nodes", *(each.title for each in FIGURES))
    return "**Simulated**, means over seeds:\n\n" + _table(titles, lines)


def _beyond(growths: Growths) -> str:
    lines = []
    for figure in FIGURES:
        growth = growths[figure.play, figure.name]
        if growth is None:
            lines.append([figure.title, NO_LAW, *[""] * (1 + len(BEYOND))])
            continue
        law = " or ".join((growth.law, *growth.others))
        said = [_interval(growth.at(nodes)) for nodes in BEYOND]
        lines.append([figure.title, law, f"{growth.off:.1%}", *said])
    titles = ("figure", "law", "off, where checked", *(f"{_count(n)} nodes" for n in BEYOND))
    return "**By law**, with intervals:\n\n" + _table(titles, lines)


def _costs(record: _Record, growths: Growths) -> str:
    """Processor time of both sides, from messages and connections and what one costs."""
    lines = []
    for kind in ("store", "retrieve"):
        message, connection = _unit_costs(record, kind)
        row = []
        for nodes in (8, 64, 512, 4096, *BEYOND):
            parts = []
            for what, each in (("messages", message), ("connections", connection)):
                count = record.at("settled", f"{kind}_{what}", nodes, fmean)
                growth = growths["settled", f"{kind}_{what}"]
                if math.isnan(count) and growth is not None:
                    said = growth.at(nodes)
                    parts.append([each * x for x in (said.value, said.low, said.high)])
                else:
                    parts.append([each * count] * 3)
            value, low, high = (1e6 * sum(each) for each in zip(*parts, strict=True))
            row.append(_interval(Predicted(value=value, low=low, high=high)))
        lines.append([f"a {kind}", *row])
    titles = ("µs of processor time, all sides", *map(_count, (8, 64, 512, 4096, *BEYOND)))
    return (
        "**What that costs**: messages and connections, times what one takes among eight nodes on "
        "sockets:\n\n" + _table(titles, lines)
    )


def _unit_costs(record: _Record, kind: str) -> tuple[float, float]:
    """Seconds of all sides for one message, and for one connection, among the most real nodes."""
    sizes = record.sizes("sockets")
    if not sizes:
        raise ScalingError("nothing was measured on sockets")

    def figure(name: str) -> float:
        return record.at("sockets", name, sizes[-1], median)

    seconds = figure(f"{kind}_nodes_cpu_s") + figure(f"{kind}_client_cpu_s")
    return seconds / figure(f"{kind}_messages"), figure("connection_cpu_s")


def _breaks(head: ScalingHead, record: _Record, growths: Growths) -> str:
    """Which limit is met at which size, the nearest first."""
    message, _ = _unit_costs(record, "store")
    met = [
        ("a client opens a connection for each store", ("settled", "store_connections"), 1.0),
        (f"a node knows more nodes than it keeps connections to ({head.limits['pool_size']:g})",
         ("members", "known"), head.limits["pool_size"]),
        (f"a node has as many connections as it takes ({head.limits['max_connections']:g})",
         ("members", "links"), head.limits["max_connections"]),
        (f"membership alone takes {CALM_SHARE:.0%} of a processor",
         ("members", "calm_messages_per_s"), CALM_SHARE / message * 2),
    ]  # fmt: skip
    crawl = head.limits["crawl_nodes"]
    lines = [(crawl, [f"`stats` of the whole network asks a share of it ({crawl:g} nodes)",
                      _count(crawl), "a setting"])]  # fmt: skip
    for words, place, limit in met:
        seen = [nodes for nodes in record.sizes(place[0])
                if record.at(*place, nodes, fmean) >= limit]  # fmt: skip
        if seen:
            lines.append((seen[0], [words, _count(seen[0]), "simulated"]))
            continue
        growth = growths[place]
        if growth is None:
            lines.append((math.inf, [words, "", NO_LAW]))
            continue
        value, low, high = reaches(growth, limit)
        earliest, latest = _or_never(low), _or_never(high)
        said = "by law" if earliest == latest else f"by law: {earliest} to {latest}"
        lines.append((value or math.inf, [words, _or_never(value), said]))
    lines.sort(key=lambda each: each[0])
    titles = ("what is met", "from nodes", "how that is known")
    return "**What breaks first**:\n\n" + _table(titles, [each for _, each in lines])


def _or_never(nodes: float | None) -> str:
    return "not up to 1,000,000" if nodes is None else _count(float(f"{nodes:.2g}"))


def _table(titles: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [titles, ["---", *["---:"] * (len(titles) - 1)], *lines]
    return "\n".join("| " + " | ".join(each) + " |" for each in rows)


def _interval(said: Predicted) -> str:
    value, low, high = map(_short, (said.value, said.low, said.high))
    if not value:
        return ""
    return value if low == high else f"{value} ({low} to {high})"


def _count(nodes: float) -> str:
    return f"{nodes:,.0f}"


def _short(value: float) -> str:
    """Three digits."""
    if math.isnan(value):
        return ""
    if value >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"
