"""What a benchmark's plot shows beside its figures: targets, alarms, changes that were accepted.

Targets are those of readiness (`targets.toml`); `figures.toml` says which benchmark asks the same
question, and the target is turned into what asv stores. A change that the gate's policy accepts has
the gate's name of the figure.

Rule: brings together what other rooms decided; draws nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from perflab.gate.policy import Policy
from perflab.readiness.targets import SHIPPED, read_targets
from perflab.results.suite import Benchmark
from perflab.site.checks import Alerts
from perflab.site.model import SiteModel

__all__ = ["accepted_changes", "alarms_of", "asv_name", "gate_name", "targets_of"]

SECONDS = {"s": 1.0, "ms": 1e-3}


def targets_of(model: SiteModel, benchmark: Benchmark) -> list[dict[str, Any]]:
    """Each with its words and the limit as asv would store it."""
    wanted = {
        each.target for each in model.readings.target if fnmatchcase(benchmark.name, each.match)
    }
    found = []
    for target in read_targets(SHIPPED) if wanted else ():
        if target.name not in wanted:
            continue
        limit = target.threshold.limit * SECONDS.get(target.unit, 1.0)
        if target.unit == "1/s":  # stored is the time of one
            limit = 1 / limit
        words = f"{target.threshold.text} {target.unit}"
        found.append({"name": f"{target.name} ({target.set})", "words": words, "limit": limit})
    return found


def alarms_of(
    model: SiteModel, alerts: Alerts | None, benchmark: Benchmark
) -> list[dict[str, Any]]:
    """What the last look at the history raised about a benchmark, by case, machine and commit."""
    numbers = {commit.hash: number for number, commit in enumerate(model.history.commits)}
    cases = {asv_name(benchmark, case): case for case in range(len(benchmark.cases))}
    return [
        {
            "case": cases[each.series],
            "machine": each.machine,
            "at": numbers[each.commit],
            "state": each.state,
            "what": each.what,
        }
        for each in (alerts.active if alerts else ())
        if each.series in cases and each.commit in numbers
    ]


def accepted_changes(policy: Policy, benchmark: Benchmark) -> list[dict[str, Any]]:
    """Lines of the policy about a benchmark, and about which of its cases."""
    found = []
    for line in policy.accepted:
        cases = [
            case
            for case in range(len(benchmark.cases))
            if any(fnmatchcase(name, line.match) for name in _names(benchmark, case))
        ]
        if cases:
            until = line.until.isoformat()
            more = {"up_to": line.up_to, "reason": line.reason, "until": until}
            found.append({"cases": cases} | more)
    return found


def gate_name(benchmark: Benchmark, case: int) -> str:
    """What the gate calls a count of an operation, such as "counts.messages.store.8"."""
    counted = benchmark.name.rpartition(".")[2].removeprefix("track_")
    return ".".join([benchmark.suite, counted, *benchmark.case(case).split(", ")])


def _names(benchmark: Benchmark, case: int) -> Sequence[str]:
    return benchmark.name, benchmark.title(case), gate_name(benchmark, case)


def asv_name(benchmark: Benchmark, case: int) -> str:
    """As asv writes and matches a series: "baseline.Cpu.track_cpu_seconds('store', 64)"."""
    values = benchmark.cases[case]
    return f"{benchmark.name}({', '.join(values)})" if values else benchmark.name
