"""`python -m perflab capacity`: nodes for a rate, headroom; and when a target is crossed.

Rule: reads options, prints, files, decides on exit codes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median

from benchmarks.common import subject
from benchmarks.common.children import ChildError
from benchmarks.common.entry import SUITE_PARENT
from benchmarks.common.simulated.lab import Question, players
from benchmarks.common.simulated.offered import MEAN_REQUESTS
from benchmarks.common.swarm import SwarmError
from perflab.alerts.command import WebhookError, post
from perflab.archive.form import HistoryError
from perflab.archive.shipped import unpack
from perflab.capacity.law import CapacityLaw, highest
from perflab.capacity.outlooks import TargetOutlook, said, soonest, target_outlooks, unseen
from perflab.capacity.record import (
    CapacityFileError,
    CapacityPoint,
    CapacityQuestion,
    append,
    opened,
)
from perflab.cluster.station import about
from perflab.forms import one_line
from perflab.readiness.targets import SHIPPED, read_targets
from perflab.report.render import markdown_table
from perflab.results.checkout import CheckoutError, source_of
from perflab.results.project import own_project
from perflab.results.suite import SuiteError
from perflab.scaling.laws import Predicted
from perflab.scaling.record import ScalingError
from perflab.scaling.run import on_sockets
from perflab.stats.thresholds import TargetError
from perflab.usage import Command

__all__ = ["COMMAND", "add_arguments", "main"]

ROOT = Path(__file__).parents[2]
SIZES = (4, 6, 8, 12, 16, 24, 32, 48, 64)
LARGEST, SEEDS = 24, 3
REAL_NODES, REPEATS = 3, 3  # on sockets, for what a message costs
STORES = 0.1
WITHIN_DAYS = 90.0
WINDOWS, FEWEST = 20, 1000  # of the P99's limit, of operations: what a trial lasts at least
FIRST_SEED = 2_000_000
KEYS_A_NODE = 64  # so that what a node has follows from its id, and not from which keys there are
EPILOG = """\
  python -m perflab capacity --rate 50000 --p99-ms 20        (how many nodes?)
  python -m perflab capacity --rate 8000 --nodes 12          (is there room?)
  python -m perflab capacity --forecast                      (which target is crossed when?)
  python -m perflab capacity --message-us 30 --largest 12    (without measuring on sockets)

What was played is kept: the same call goes on where the last one ended.

exit codes: 0 told; 1 the rate does not surely fit on --nodes, or a target may be crossed within
--within days; 2 it could not be measured or the arguments are wrong; 130 interrupted"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `capacity`."""
    add = parser.add_argument
    add("--rate", type=float, metavar="R", help="operations per second that are to be served, one "
        "of ten a store")  # fmt: skip
    add("--nodes", type=int, metavar="N", help="nodes that there are: what is left at --rate?")
    add(
        "--p99-ms", type=float, metavar="X", help="the service level (default: that of the targets)"
    )
    add("--success", type=float, metavar="SHARE", help="the same, of operations that succeed")
    add("--targets", type=Path, default=SHIPPED, metavar="FILE", help="targets of your own")
    add("--message-us", type=float, metavar="US", help="what it takes a node to read or to send a "
        "message (default: measured here, on sockets)")  # fmt: skip
    add("--largest", type=int, default=LARGEST, metavar="N", help="network that is simulated, "
        f"{SIZES[4]} to {SIZES[-1]} (default: %(default)s)")  # fmt: skip
    add("--seeds", type=int, default=SEEDS, metavar="N", help="of each size (default: %(default)s)")
    add("--forecast", action="store_true", help="read the history instead: where do the figures "
        "of the targets go?")  # fmt: skip
    add("--within", type=float, default=WITHIN_DAYS, metavar="DAYS", help="for --forecast: exit "
        "code 1 if a target may be crossed by then (default: %(default)g)")  # fmt: skip
    add("--webhook", metavar="URL", help="for --forecast: POST such targets there, as "
        "Alertmanager's API")  # fmt: skip
    add("--out", type=Path, default=Path("build/capacity"), metavar="DIR", help="where the record "
        "is, and goes on (default: %(default)s)")  # fmt: skip


def main(options: argparse.Namespace) -> int:
    """Tell the capacity, or the forecast."""
    try:
        return _forecast(options) if options.forecast else _capacity(options)
    except (
        CapacityFileError, CheckoutError, ChildError, HistoryError, OSError,
        ScalingError, SuiteError, SwarmError, TargetError, WebhookError,
    ) as error:  # fmt: skip
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2


# When is a target crossed?


def _forecast(options: argparse.Namespace) -> int:
    project = own_project(ROOT)
    unpack(project.folder, project.results, _say, project.repository)
    found = target_outlooks(
        project.results, project.benchmarks, project.repository, project.branch, options.targets
    )
    if not found:
        raise CapacityFileError(
            "the history has no figure of any target: `make bench` measures some"
        )
    near = soonest(found, options.within)
    options.out.mkdir(parents=True, exist_ok=True)
    lacking = unseen(found, options.targets)
    text = _outlooks_markdown(found, near, lacking, options.within)
    (options.out / "forecast.md").write_text(text, encoding="utf-8")
    plain = [each.as_plain() for each in found]
    (options.out / "forecast.json").write_text(json.dumps(plain, indent=1) + "\n", "utf-8")
    print(text)
    if options.webhook and near:
        post(options.webhook, json.dumps([_alert(each) for each in near]))
    return 1 if near else 0


def _alert(found: TargetOutlook) -> dict[str, dict[str, str]]:
    """As Alertmanager's API takes it."""
    return {
        "labels": {
            "alertname": "P2pcoreTargetForecast", "severity": "ticket", "target": found.target,
            "figure": found.figure, "machine": found.place,
        },
        "annotations": {"summary": said(found), "commit": found.newest},
    }  # fmt: skip


def _outlooks_markdown(
    found: list[TargetOutlook], near: list[TargetOutlook], lacking: list[str], within: float
) -> str:
    heading = [f"- **{each.target}** ({each.figure}, {each.place}): {said(each)}" for each in near]
    rows = [
        (f"{each.set}: {each.target}", each.threshold, each.figure, each.place, said(each))
        for each in sorted(found, key=lambda each: -(each.outlook.level or 0) / each.limit)
    ]
    return "\n".join(
        [
            f"# Targets that may be crossed within {within:g} days: {len(near)}",
            "",
            *heading,
            *([""] if heading else []),
            markdown_table(("target", "", "figure", "machine", "if nothing changes"), rows),
            "",
            "Slopes are in percent of the limit, with 95 % intervals, over what came after the "
            "last change.",
            *(["", f"The history has no figures of {', '.join(lacking)}."] if lacking else []),
            "",
        ]
    )


# What rate on how many nodes?


def _capacity(options: argparse.Namespace) -> int:
    _check(options)
    p99_ms, success = _slo(options)
    cost = _message_cost(options.message_us)
    question = _question(cost, p99_ms, success)
    file = options.out / "capacity.jsonl"
    points = _played(file, question, options.largest, options.seeds)
    rates = defaultdict[int, list[float]](list)
    for point in points:
        rates[point.nodes].append(point.rate)
    played = _played_us(question)
    law = CapacityLaw(rates, (question.message_low_us / played, question.message_high_us / played))
    text, fits = _told(law, question, options)
    (options.out / "capacity.md").write_text(text, encoding="utf-8")
    print(text)
    return 0 if fits else 1


def _check(options: argparse.Namespace) -> None:
    if options.nodes is not None and options.rate is None:
        raise CapacityFileError("--nodes asks what is left at a --rate, and there is none")
    for name, least, most in (
        ("rate", 1, 1e9), ("nodes", 3, 100_000), ("p99_ms", 0.1, 10_000), ("success", 0.5, 1),
        ("message_us", 1, 100_000), ("largest", SIZES[4], SIZES[-1]), ("seeds", 2, 100),
    ):  # fmt: skip
        value = getattr(options, name)
        if value is not None and not least <= value <= most:
            option = "--" + name.replace("_", "-")
            raise CapacityFileError(f"{option} takes {least:g} to {most:g}, not {value:g}")


def _slo(options: argparse.Namespace) -> tuple[float, float]:
    """P99 in ms and the share that succeeds: as said, or as the targets say."""
    p99_ms, success = options.p99_ms, options.success
    for each in read_targets(options.targets):
        asked = (each.metric, each.threshold.aggregate, each.threshold.rank)
        if p99_ms is None and asked == ("latency", "p", 99):
            p99_ms = each.threshold.limit
        if success is None and each.metric == "success":
            success = each.threshold.limit
    if p99_ms is None or success is None:
        raise CapacityFileError("the targets say no P99 or no success; --p99-ms and --success do")
    return p99_ms, success


def _message_cost(told_us: float | None) -> tuple[float, float, float, str]:
    """Microseconds: most likely, at least, at most; and whence."""
    if told_us is not None:
        return told_us, told_us, told_us, "--message-us"
    found = []
    for number in range(REPEATS):
        figures = on_sockets(REAL_NODES, number + 1)
        cpu_s, messages = (
            STORES * figures[f"store_{what}"] + (1 - STORES) * figures[f"retrieve_{what}"]
            for what in ("nodes_cpu_s", "messages")
        )
        found.append(1e6 * cpu_s / messages)
        _say(f"measured on sockets, {REAL_NODES} nodes: {found[-1]:.1f} µs of a node for a message")
    source = f"median of {REPEATS} runs of {REAL_NODES} nodes on sockets"
    return median(found), min(found), max(found), source


def _question(
    cost: tuple[float, float, float, str], p99_ms: float, success: float
) -> CapacityQuestion:
    core = subject.core_dir()
    value, low, high, source = cost
    return CapacityQuestion(
        commit=source_of(Path(core)).commit, package=about(SUITE_PARENT, core)["package"],
        p99_ms=p99_ms, success=success, operations=FEWEST, message_us=value, message_low_us=low,
        message_high_us=high, source=source,
    )  # fmt: skip


def _played(
    file: Path, question: CapacityQuestion, largest: int, seeds: int
) -> list[CapacityPoint]:
    """All points; of what the record lacks, the seeds of a size are played side by side."""
    points = opened(file, question)
    there = {(each.nodes, each.seed) for each in points}
    wanted = [
        (nodes, FIRST_SEED + number)
        for nodes in SIZES
        for number in range(seeds)
        if nodes <= largest
    ]
    with players() as ask:
        for nodes, seed in wanted:
            if (nodes, seed) in there:
                continue

            def keeps(load: float, nodes: int = nodes, seed: int = seed) -> bool:
                (found,) = ask([_trial(question, nodes, seed, load)])
                slow = max(found["read_s_p99"], found["store_s_p99"]) * 1e3 > question.p99_ms
                return not slow and found["failed_ppm"] <= 1e6 * (1 - question.success)

            load = highest(keeps)
            point = CapacityPoint(
                nodes=nodes, seed=seed, load=load, rate=load * _most_per_s(question, nodes)
            )
            append(file, point)
            points.append(point)
            _say(f"{len(points)} of {len(wanted)}: {nodes} nodes keep {point.rate:,.0f}/s, "
                 f"{load:.0%} of what they can serve")  # fmt: skip
    return [each for each in points if (each.nodes, each.seed) in wanted]


def _most_per_s(question: CapacityQuestion, nodes: int) -> float:
    """Operations that the processors of so many nodes can serve."""
    return nodes * 1e6 / (2 * _played_us(question)) / MEAN_REQUESTS


def _played_us(question: CapacityQuestion) -> int:
    """The simulator counts whole microseconds."""
    return max(1, round(question.message_us))


def _trial(question: CapacityQuestion, nodes: int, seed: int, load: float) -> Question:
    """So long that a line of waiting operations would show in the P99."""
    seconds = max(WINDOWS * question.p99_ms / 1e3, FEWEST / (load * _most_per_s(question, nodes)))
    return {
        "play": "offered", "seed": seed, "nodes": nodes, "load": load, "seconds": seconds,
        "warm_s": seconds / 2, "message_us": _played_us(question), "timeout_s": 1.0,
        "clients": max(6, nodes // 2), "keys": KEYS_A_NODE * nodes,
    }  # fmt: skip


def _told(
    law: CapacityLaw, question: CapacityQuestion, options: argparse.Namespace
) -> tuple[str, bool]:
    """The report, and whether the rate surely fits on the nodes there are."""
    lines = [
        f"P99 of {question.p99_ms:g} ms, {question.success:.2%} answered; "
        f"{question.message_us:.1f} µs of a node for a message ({question.message_low_us:.1f} to "
        f"{question.message_high_us:.1f}, {question.source}); commit {question.commit[:8]}. "
        f"Rate of a node: {law.growth.law}, off by {law.growth.off:.0%} where it was checked.",
        "",
        markdown_table(
            ("nodes", "operations per second, played", "by the law"),
            (
                (f"{nodes}", ", ".join(f"{each:,.0f}" for each in rates), _range(law.rate(nodes)))
                for nodes, rates in sorted(law.rates.items())
            ),
        ),
        "",
    ]
    worst, best = law.networks
    lines += [
        f"By their ids alone, networks kept {worst:.0%} to {best:.0%} of what the law says: the "
        "intervals hold that.",
        "",
    ]
    fits = True
    if options.rate is not None:
        lines += [_needed(law, options.rate), ""]
    if options.nodes is not None:
        room = law.rate(options.nodes)
        left = [1 - options.rate / max(each, 1) for each in (room.low, room.value, room.high)]
        fits = left[0] > 0
        beyond = ", beyond what was played" if options.nodes > max(law.rates) else ""
        lines += [
            f"{options.nodes} nodes serve {_range(room)} per second{beyond}: at "
            f"{options.rate:,.0f} {left[1]:.0%} ({left[0]:.0%} to {left[2]:.0%}) is left"
            f"{'' if fits else ': NOT ENOUGH FOR SURE'}.",
            "",
        ]
    return "\n".join(lines), fits


def _needed(law: CapacityLaw, rate: float) -> str:
    found = law.needed(rate)
    low, high = ("no number" if each is None else f"{each:,}" for each in (found.low, found.high))
    if found.nodes is None:
        return (
            f"By this law no number of nodes serves {rate:,.0f} per second ({low} to {high}): a "
            "guess, beyond the networks that were played."
        )
    beyond = " (beyond the networks that were played: a guess of the law)"
    spare = f"; with one that may be away {found.nodes + 1:,}"
    return (
        f"{rate:,.0f} per second need {found.nodes:,} nodes ({low} to {high}){spare}"
        f"{beyond if found.extrapolated else ''}."
    )


def _range(each: Predicted) -> str:
    return f"{each.value:,.0f} ({each.low:,.0f} to {each.high:,.0f})"


def _say(text: str) -> None:
    print(text, flush=True)


COMMAND = Command(
    "capacity",
    "how many nodes a rate needs, what is left, and which target is crossed when",
    "Measure what a message costs a node, simulate networks up to their service level, tell "
    "the rest by law; or follow the figures of the targets through the history.",
    add_arguments,
    main,
    EPILOG,
)
