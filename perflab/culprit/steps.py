"""The steps of the published history whose commit is not known: what alerts told, as searches.

Rule: reads files and asks git; measures nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from perflab.alerts.judge import Finding, State, What
from perflab.alerts.series import AlertSeries, read_history, suite_kinds
from perflab.culprit.measure import noise_of
from perflab.culprit.prior import weights
from perflab.culprit.search import OpenStep
from perflab.gate.reach import Reach, shares_of
from perflab.gate.record import Kind
from perflab.gate.remeasure import gate_metric
from perflab.results.asv_config import results_dir
from perflab.results.checkout import Commit, commit_of, history
from perflab.results.culprits import StepCulprit

__all__ = ["figures_of", "noises", "open_step", "searched_findings", "stand_in"]

ORDER = (Kind.EXACT, Kind.SEEDED, Kind.PAIRED, Kind.OBSERVED)
USUAL_NOISE = {Kind.EXACT: 0.0, Kind.SEEDED: 0.02, Kind.PAIRED: 0.04, Kind.OBSERVED: 0.1}
"""Of one log ratio, of a series too short to say."""
OPERATION = re.compile(r"'(store|retrieve|delete)\b")


def searched_findings(findings: Sequence[Finding]) -> list[Finding]:
    """Those that are steps, in the order in which they are searched: what is exact first, and of a
    kind what is worse, and the largest."""
    steps = [
        each
        for each in findings
        if each.what in (What.SLOWER, What.FASTER)
        and each.state is not State.DISMISSED
        and each.good != each.last
        and each.ratio > 0
    ]

    def rank(each: Finding) -> tuple[int, bool, float]:
        return ORDER.index(each.kind), each.what is not What.SLOWER, -abs(math.log(each.ratio))

    return sorted(steps, key=rank)


def figures_of(findings: Sequence[Finding]) -> list[str]:
    """The gate's figures whose reach says what a commit can have to do with these."""
    found = (gate_metric(each.series) or stand_in(each.series) for each in findings)
    return sorted({each for each in found if each})


def stand_in(series: str) -> str:
    """The gate's figure whose work is that of a series which it does not measure; "" if none is."""
    match = OPERATION.search(series)
    return f"counts.c_calls.edge_{match[1]}.asyncio" if match else ""


def open_step(
    root: Path, finding: Finding, reach: Reach, noise: Callable[[Finding], float],
    known: StepCulprit | None,
) -> OpenStep | None:  # fmt: skip
    """The search for a finding's commit; None if there is nothing to search.

    Raises:
        CheckoutError: git knows its commits no longer.
    """
    commits = history(root, f"{finding.good}..{finding.last}")[::-1]
    if len(commits) < 2:
        return None
    metric = gate_metric(finding.series) or ""
    asked = metric or stand_in(finding.series)
    shares = shares_of(reach, asked) if asked else None
    blank = StepCulprit(
        machine=finding.machine,
        environment=finding.environment,
        series=finding.series,
        good=finding.good,
        last=finding.last,
        commits=len(commits),
        measured_by=metric or "asv",
    )
    return OpenStep(
        kind=finding.kind,
        good=commit_of(root, finding.good),
        commits=commits,
        prior=weights(root, commits, shares),
        step=math.log(finding.ratio) if math.isfinite(finding.ratio) else math.inf,
        noise=noise(finding),
        culprit=blank if known is None else known,
        figure=metric,
        higher_is_better=finding.higher_is_better,
    )


def noises(root: Path, commits: Sequence[Commit]) -> Callable[[Finding], float]:
    """Says what one log ratio of a finding's series scatters by, as the history has it."""
    kinds = suite_kinds(root / "benchmarks")
    read = read_history(results_dir(root), [each.hash for each in commits], kinds)
    known: Mapping[tuple[str, str, str], AlertSeries] = {
        (each.machine, each.environment, each.name): each for each in read.series
    }

    def noise(finding: Finding) -> float:
        series = known.get((finding.machine, finding.environment, finding.series))
        points = [] if series is None else [each.value for each in series.points]
        found = noise_of([each for each in points if each is not None])
        return found or USUAL_NOISE[finding.kind]

    return noise
