"""What to do, as it follows from what this run found: a table of rules with their evidence.

Theory of operation. A rule looks at one step's evidence and answers with the sentences that speak
for its cause, or with none. A run in which nothing speaks for any rule gets no recommendation. The
rules for load steps exclude each other where causes look alike: of a run whose generator was the
bottleneck only that is said, and neither a slow replica nor a lossy link is diagnosed where
processors explain the latency.

Rule: looks at figures; the limits of each rule are here, with their reasons.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from perflab.report.form import Advice, StageReport, TargetRow

__all__ = ["OF_GENERATORS", "RULES", "Rule", "advise"]

BUSY_CORES = 0.85  # of one core: a process with one thread has hardly any time left
WORKS_TIMES = 2.0  # a node that has to wait for a core, against its peers: they wait as well
SLOW_LAG_MS = 5.0  # of an event loop: as much as our own goal allows an operation at P99
TIMES_OTHERS = 4.0  # one process against the median of its peers
SLOW_SHARE = 0.0005  # of operations beyond 150 ms: ten times what one stall leaves in a short run
LONG_LAG_MS = 50.0  # a third of a retransmission: loops explain the delays then
DELAYED_SHARE = 0.01  # of operations: what one replica of many delays is more
BY_RECORD = (
    0.25  # injected: 0.43 by a replica that answers 60 ms late, 0.06 by a link that loses 2 %
)
TAIL_TIMES = 20.0  # P99.9 or maximum over P50: healthy runs here show 5 to 50 in the maximum
MOST_DROPPED = 0.001
KEPT_SHARE, KEPT_CORES = 0.5, 0.1  # of the time a node wanted a core, and of a core, without one
NO_NODES = ("client", "monitor", "store", "retrieve")  # whose evidence is no node's
ONE_NODE = 0.5  # of the waits for quorums, in a network of three nodes or more
NOISY = 0.2  # half the quartiles' distance over the median, between repeats


class Rule(NamedTuple):
    """One cause, what speaks for it in a step, and what to do about it."""

    name: str
    cause: str
    kinds: tuple[str, ...]
    """Which kinds of step it looks at; a "faulted load" is one whose faults the run injected."""
    speaks: Callable[[StageReport], list[str]]
    text: str


def advise(
    steps: Sequence[tuple[str, StageReport]],
    targets: Sequence[TargetRow],
    machine: Mapping[str, object],
) -> list[Advice]:
    """Recommendations for a run's steps, given with their kinds."""
    found = [
        Advice(
            rule=rule.name,
            cause=rule.cause,
            text=rule.text,
            evidence=[f"{step.name}: {sentence}" for sentence in sentences],
        )
        for kind, step in steps
        for rule in (OF_GENERATORS if step.evidence.get("generator_bound") else RULES)
        if kind in rule.kinds and (sentences := rule.speaks(step))
    ]
    crowded = _crowded(machine)
    if crowded:
        found.append(crowded)
    broken: dict[str, list[str]] = {}
    for each in targets:
        if each.state == "unmeasured":
            broken.setdefault(each.reason, []).append(each.name)
    if broken:
        found.append(
            Advice(
                rule="unmeasured",
                cause="no figure",
                text="Measure again what has no figure; a target without one is not met.",
                evidence=[f"{', '.join(names)}: {reason}" for reason, names in broken.items()],
            )
        )
    return found


def _crowded(machine: Mapping[str, object]) -> Advice | None:
    load, cores, crowd = (machine.get(name) for name in ("load_average", "cores", "crowd"))
    said = [str(crowd)] if crowd else []
    if isinstance(load, list) and load and isinstance(cores, int) and load[0] > cores:
        said.append(f"load average {load[0]:.1f} on {cores} cores when the run began")
    if not said:
        return None
    return Advice(
        rule="crowded machine",
        cause="other work",
        text="Measure again on a machine that is idle: other processes used its cores when the run "
        "began, and every time in this report holds their share.",
        evidence=said,
    )


def _overrun(step: StageReport) -> list[str]:
    return [] if step.evidence.get("generator_kept_share") else _generator(step)


def _starved(step: StageReport) -> list[str]:
    return _generator(step) if step.evidence.get("generator_kept_share") else []


def _generator(step: StageReport) -> list[str]:
    return [step.problem, f"P99 of the start lag: {step.evidence['lag_p99_ms']:.2f} ms"]


def _busy_node(step: StageReport) -> list[str]:
    """A node uses all of a core; or what it gets of one on a crowded machine, and more than the
    others do."""
    found = []
    used = dict(_nodes(step, "_cpu_cores"))
    for name, cores in used.items():
        wanted = step.evidence.get(f"{name}_wanted_cores", cores)
        others = [value for other, value in used.items() if other != name]
        more = bool(others) and cores >= WORKS_TIMES * statistics.median(others)
        if cores >= BUSY_CORES or (wanted >= BUSY_CORES and more):
            waited = f", and waited for one for {wanted - cores:.0%} of the time"
            found.append(
                f"{name} used {cores:.0%} of a core in the middle of its samples"
                f"{waited if wanted - cores >= 0.01 else ''}"
            )
    return found


def _slow_replica(step: StageReport) -> list[str]:
    """Delays go with the records, as those of one node; or its loop lags and its peers' do not."""
    if _busy_node(step):
        return []
    found = []
    share = step.evidence.get("delayed_share", 0.0)
    by_record = step.evidence.get("delayed_by_record", 0.0)
    if share >= DELAYED_SHARE and by_record >= BY_RECORD:
        found.append(
            f"{share:.1%} of the operations were delayed, and {by_record:.0%} of that goes with "
            "the record asked for: some nodes answer late, whatever they are asked"
        )
    lags = dict(_nodes(step, "_lag_p95_ms"))
    for name, lag in lags.items():
        others = [value for other, value in lags.items() if other != name]
        if others and lag >= SLOW_LAG_MS and lag >= TIMES_OTHERS * statistics.median(others):
            found.append(
                f"the event loop of {name} lags {lag:.1f} ms at P95, that of its peers "
                f"{statistics.median(others):.1f} ms"
            )
    return found + _waited_for(step) if found else []


def _waited_for(step: StageReport) -> list[str]:
    """At which node it is, by the operations that were followed."""
    return [
        f"of the time that the slowest tenth of the operations waited for their quorum, "
        f"{share:.0%} was for {node}"
        for node, share in _nodes(step, "_waited_for_share")
        if share >= ONE_NODE
    ]


def _kept_nodes(step: StageReport) -> list[str]:
    """Nodes that waited for a processor about as long as they had one: their delays are its."""
    used = dict(_nodes(step, "_cpu_cores"))
    return [
        name
        for name, wanted in _nodes(step, "_wanted_cores")
        if wanted - used.get(name, wanted) >= max(KEPT_SHARE * wanted, KEPT_CORES)
    ]


def _lossy_link(step: StageReport) -> list[str]:
    """Operations take a retransmission longer by chance, while nobody is busy."""
    evidence = step.evidence
    share, p50 = evidence.get("slow_share", 0.0), evidence.get("latency_p50_ms")
    if _busy_node(step) or _slow_replica(step) or _kept_nodes(step):
        return []
    if p50 is None or not SLOW_SHARE <= share < 0.5:
        return []
    tail = evidence.get("latency_p999_ms") or evidence["latency_max_ms"]
    lags = [lag for _, lag in _nodes(step, "_lag_p95_ms")]
    if tail < TAIL_TIMES * p50 or not lags or max(lags) >= LONG_LAG_MS:
        return []
    return [
        f"{share:.2%} of the operations took 150 ms and more, with a P50 of {p50:.2f} ms, whatever "
        "record they asked for",
        f"no node was busy, and no event loop lagged more than {max(lags):.1f} ms at P95",
        *_waited_for(step),
    ]


def _dropped(step: StageReport) -> list[str]:
    share = step.evidence.get("dropped_share", 0.0)
    if share <= MOST_DROPPED:
        return []
    asked, reached = step.evidence["asked_per_s"], step.evidence["reached_per_s"]
    return [
        f"{share:.2%} of the operations were never begun, as too many were unanswered",
        f"{asked:,.0f}/s asked, {reached:,.0f}/s reached",
    ]


def _errors(step: StageReport) -> list[str]:
    return [f"{count:,} × {name}" for name, count in sorted(step.errors.items()) if count]


def _not_recovered(step: StageReport) -> list[str]:
    if not step.evidence.get("faults_not_recovered"):
        return []
    return [f"{name}: {text}" for name, text in step.facts.items() if "NOT RECOVERED" in text]


def _lost(step: StageReport) -> list[str]:
    if not (step.evidence.get("lost") or step.evidence.get("breaches")):
        return []
    return [each for each in step.events if each.startswith("breach")][:5]


def _leak(step: StageReport) -> list[str]:
    grown = [f"{name}: {text}" for name, text in step.facts.items() if text.startswith("leak")]
    return grown + step.events if grown else []


def _noisy(step: StageReport) -> list[str]:
    value = step.evidence.get("repeats_spread", 0.0)
    return [f"repeats differ by ± {value:.0%}"] if value > NOISY else []


def _client_bound(step: StageReport) -> list[str]:
    return [
        f"with the most {kind}s per second, the one client process used {cores:.0%} of a core"
        for kind in ("store", "retrieve")
        if (cores := step.evidence.get(f"{kind}_client_cpu_cores", 0.0)) >= BUSY_CORES
    ]


def _nodes(step: StageReport, suffix: str) -> Iterator[tuple[str, float]]:
    """Evidence of node processes; a client's is the generator's business."""
    for name, value in step.evidence.items():
        if name.endswith(suffix) and not name.startswith(NO_NODES):
            yield name.removesuffix(suffix), value


OF_GENERATORS: tuple[Rule, ...] = (
    Rule(
        "starved generator",
        "starved generator",
        ("load", "faulted load"),
        _starved,
        "End what else uses this machine's processors, or give the generator a machine of its own, "
        "and measure again: the run says nothing of the network.",
    ),
    Rule(
        "generator",
        "overrun generator",
        ("load", "faulted load"),
        _overrun,
        "Give the generator more processes (`clients` in the scenario) or a machine of its own, "
        "and measure again: the run says nothing of the network.",
    ),
)
"""Of a step whose generator was the bottleneck, these alone are asked."""

RULES: tuple[Rule, ...] = (
    Rule(
        "busy node",
        "CPU-bound node",
        ("load", "soak"),
        _busy_node,
        "Spread the load: more nodes on more cores, or fewer operations on the records that this "
        "node holds. It has no processor time left, and everything behind it waits.",
    ),
    Rule(
        "slow replica",
        "slow replica",
        ("load",),
        _slow_replica,
        "Find the node that answers late (`p2pcore stats`, its machine, the way to it): it is not "
        "busy by its own work. Stop it, and let its range be handed over, if it stays so.",
    ),
    Rule(
        "lossy link",
        "lossy link",
        ("load",),
        _lossy_link,
        "Look at the network between the nodes: some operations take as long as a retransmission "
        "while no process is busy. Compare the counters of retransmitted segments of the hosts.",
    ),
    Rule(
        "overload",
        "more asked than served",
        ("load",),
        _dropped,
        "Offer less than the rate that was reached, or add nodes and cores.",
    ),
    Rule(
        "errors",
        "operations failed",
        ("load", "faulted load"),
        _errors,
        "Find out why operations failed, by the type of their error.",
    ),
    Rule(
        "no recovery",
        "service did not come back",
        ("load", "faulted load"),
        _not_recovered,
        "Repeat the fault with this step's command and follow the nodes' counters after it.",
    ),
    Rule(
        "promise broken",
        "acknowledged data",
        ("chaos",),
        _lost,
        "Do not release. The histories are in the step's directory; repeat it with the same seed.",
    ),
    Rule(
        "leak",
        "memory leak",
        ("soak",),
        _leak,
        "Fix the growth at the lines named, or soak for longer with allocations traced if there "
        "are none.",
    ),
    Rule(
        "noise",
        "noisy machine",
        ("saturation",),
        _noisy,
        "Do not compare this throughput with another run's by less than this.",
    ),
    Rule(
        "client-bound",
        "client-bound throughput",
        ("saturation",),
        _client_bound,
        "Read the throughput as that of one client process: it had no processor time left. More "
        "clients on more cores ask for more.",
    ),
)
