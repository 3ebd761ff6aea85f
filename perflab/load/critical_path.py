"""Where the time of an operation goes, stage by stage, as those that were followed tell.

Theory of operation. An operation is over when a quorum of replicas has answered. Its path is cut
where somebody took the time: the stages of the first reply that came, then the wait for the one
that was needed (`replica wait`), then the way to the caller. So the stages of an operation add up
to its latency from the moment it was due. What stands at a percentile is the mean of the operations
around it, by latency: medians of stages would not add up. With too few there is no figure.

What a node says is taken by its own clock. Only where nodes run on the clients' machine, whose
clock they share, the way to the node and the way back are told apart.

Rule: figures only; what they mean is for `advice`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import fmean

from perflab.load.figures import warm_ups
from perflab.load.record import LoadRecord
from perflab.load.traces import Followed, read_traces
from perflab.report.form import Chart, CriticalPath, Line, PathStage

__all__ = ["critical_path", "path_of", "told"]

RANKS = (50.0, 99.0)
FEWEST_BEYOND = 5  # operations beyond a rank: the figures there are means of as many
SLOWEST = 0.1  # of the operations: whom did they wait for?
FEWEST_SLOW = 10
OWN = "swarm"  # the target that runs on this machine
STAGES = (
    ("start lag", "until the generator began it"),
    ("client queue", "until its requests were written: the loop's turn, encoding, encryption"),
    ("way there", "until a node had read it: the network, and the wait for the node's loop"),
    ("wire", "both ways, and the waits for the loops at their ends"),
    ("server queue", "until its turn came, behind what was read with it"),
    ("handling", "until the node had its reply"),
    ("way back", "until the client had read the reply"),
    ("replica wait", "from the first reply to the one that made up the quorum"),
    ("client's end", "until the caller had its answer"),
)


def path_of(record: LoadRecord) -> CriticalPath | None:
    """Figures of what was followed in a run, but for its warm-ups; None if that was too little, or
    if the generator was the bottleneck: its waits are in every stage."""
    if record.result is not None and record.result.generator_bound:
        return None
    warm = warm_ups(record)
    followed = [
        each
        for each in read_traces(record.directory, record.manifest.clients)
        if not any(begin_ns <= each.due_ns < end_ns for begin_ns, end_ns in warm)
    ]
    return critical_path(followed, one_clock=record.manifest.target == OWN)


def critical_path(followed: Sequence[Followed], *, one_clock: bool) -> CriticalPath | None:
    """Figures of the operations that succeeded; None if there are too few.

    `one_clock`: nodes and clients share a machine.
    """
    whole = sorted(
        (each for each in followed if each.outcome == "ok" and each.replies),
        key=lambda each: each.ended_ns - each.due_ns,
    )
    ranks = [rank for rank in RANKS if len(whole) * (1 - rank / 100) >= FEWEST_BEYOND]
    if not ranks:
        return None
    around = [_around(whole, rank) for rank in ranks]
    stages = [[_stages(each, one_clock) for each in some] for some in around]
    listed = [
        PathStage(
            name=name,
            about=about,
            ms=[fmean(each.get(name, 0.0) for each in some) for some in stages],
        )
        for name, about in STAGES
        if name in stages[0][0]
    ]
    total = [fmean((each.ended_ns - each.due_ns) / 1e6 for each in some) for some in around]
    return CriticalPath(
        followed=len(followed),
        whole=len(whole),
        ranks=ranks,
        operations=[len(some) for some in around],
        total_ms=total,
        stages=listed,
        waited_for=_waited_for(whole[len(whole) - int(len(whole) * SLOWEST) :]),
        chart=_chart(ranks, total, listed),
    )


def told(path: CriticalPath) -> list[str]:
    """A line for each percentile, the longest stages first."""
    lines = []
    for place, (rank, total) in enumerate(zip(path.ranks, path.total_ms, strict=True)):
        stages = sorted(path.stages, key=lambda each: -each.ms[place])
        words = ", ".join(f"{each.name} {each.ms[place]:.2f}" for each in stages)
        lines.append(f"P{rank:g} of {path.whole:,} followed, {total:.2f} ms: {words}")
    return lines


def _around(ordered: Sequence[Followed], rank: float) -> Sequence[Followed]:
    """From half as many beyond the rank to as many before it: P25 to P75, P98.5 to P99.5."""
    middle = len(ordered) * rank / 100
    half = max(1.0, len(ordered) * (1 - rank / 100) / 2)
    return ordered[round(middle - half) : max(round(middle + half), round(middle - half) + 1)]


def _stages(each: Followed, one_clock: bool) -> dict[str, float]:
    """The parts of one operation in ms; they add up to all of it."""
    first, last = each.replies[0], each.replies[-1]
    # Without the final reply, of a node that cannot tell, the rest was a wait for it.
    quorum_ns = last.replied_ns if last.final else each.ended_ns
    at_node_ns = first.waited_ns + first.served_ns
    # The first of several may be served while the client still writes to others.
    read_ns = first.read_ns if one_clock else first.replied_ns - at_node_ns
    written_ns = read_ns if each.written_ns is None else min(each.written_ns, read_ns)
    parts = {
        "start lag": each.begun_ns - each.due_ns,
        "client queue": written_ns - each.begun_ns,
        "server queue": first.waited_ns,
        "handling": first.served_ns,
        "replica wait": quorum_ns - first.replied_ns,
        "client's end": each.ended_ns - quorum_ns,
    }
    if one_clock:
        parts["way there"] = read_ns - written_ns
        parts["way back"] = first.replied_ns - read_ns - at_node_ns
    else:
        parts["wire"] = read_ns - written_ns
    return {name: ns / 1e6 for name, ns in parts.items()}


def _waited_for(slow: Sequence[Followed]) -> dict[str, float]:
    """Of the time that slow operations waited for their quorum, each node's share."""
    waits: Counter[str] = Counter()
    if len(slow) < FEWEST_SLOW:
        return {}
    for each in slow:
        if each.replies[-1].final:
            waits[each.replies[-1].node] += each.replies[-1].replied_ns - each.replies[0].replied_ns
    whole = sum(waits.values())
    return {node: ns / whole for node, ns in waits.most_common(3)} if whole else {}


def _chart(ranks: Sequence[float], total: Sequence[float], stages: Sequence[PathStage]) -> Chart:
    """Shares of the whole, a bar for each percentile."""
    lines = []
    for each in stages:
        shares: list[float | None] = [
            round(100 * max(0.0, ms) / whole, 3) for ms, whole in zip(each.ms, total, strict=True)
        ]
        lines.append(Line(label=each.name, x=[float(n) for n in range(len(ranks))], y=shares))
    return Chart(
        title="Where the time of an operation goes",
        x_label="% of its time",
        y_label="",
        lines=lines,
        bars=[f"P{rank:g}: {ms:,.3g} ms" for rank, ms in zip(ranks, total, strict=True)],
    )
