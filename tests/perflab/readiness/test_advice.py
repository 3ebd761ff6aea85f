"""Causes are told apart by their evidence, and a clean run is told nothing."""

from dataclasses import replace
from typing import Any

import pytest

from perflab.load.summary import read_load_step
from perflab.readiness.advice import advise
from perflab.report.form import Advice, ReadinessReport, StageReport
from tests.perflab.recorded import CAUSES, RECORDED, report_of, step_of

HEALTHY = {
    "asked_per_s": 1000.0,
    "reached_per_s": 1000.0,
    "dropped_share": 0.0,
    "slow_share": 0.0,
    "latency_p50_ms": 0.6,
    "latency_p999_ms": 9.0,
    "latency_max_ms": 12.0,
    "lag_p99_ms": 0.5,
    **{f"n{n}_cpu_cores": 0.2 for n in range(1, 6)},
    **{f"n{n}_lag_p95_ms": 0.4 for n in range(1, 6)},
    "client 0_cpu_cores": 0.95,  # is no node
}


@pytest.fixture(scope="module")
def report() -> ReadinessReport:
    return report_of(RECORDED)


def advised(report: ReadinessReport, problem: str = "", **evidence: float) -> list[Advice]:
    step: StageReport = replace(
        step_of(report, "sustained"), evidence=HEALTHY | evidence, errors={}, problem=problem
    )
    return advise([("load", step)], [], {"cores": 2, "load_average": [0.5]})


@pytest.mark.parametrize(
    ("evidence", "cause"),
    [
        ({"generator_bound": 1.0, "n1_cpu_cores": 0.99}, "overrun generator"),
        ({"n3_cpu_cores": 0.97, "n3_lag_p95_ms": 40.0}, "CPU-bound node"),
        ({"n3_cpu_cores": 0.5, "n3_wanted_cores": 0.99, "n3_lag_p95_ms": 40.0}, "CPU-bound node"),
        ({"n2_lag_p95_ms": 30.0, "slow_share": 0.01, "latency_p999_ms": 220.0}, "slow replica"),
        ({"slow_share": 0.01, "latency_p999_ms": 220.0}, "lossy link"),
        ({"delayed_share": 0.3, "delayed_by_record": 0.4}, "slow replica"),
        ({"dropped_share": 0.2, "reached_per_s": 700.0}, "more asked than served"),
    ],
)
def test_each_cause_has_its_own_diagnosis(
    report: ReadinessReport, evidence: dict[str, Any], cause: str
) -> None:
    found = advised(report, **evidence)
    assert [each.cause for each in found] == [cause]
    assert all(found[0].evidence)


@pytest.mark.parametrize(
    ("directory", "cause"), [("slow", "slow replica"), ("lossy", "lossy link")]
)
def test_causes_that_were_really_injected_are_told_apart(
    report: ReadinessReport, directory: str, cause: str
) -> None:
    found = read_load_step(CAUSES / directory)
    step = replace(step_of(report, "sustained"), evidence=found.evidence, errors=found.errors)
    rules = {"slow replica", "lossy link", "CPU-bound node", "overrun generator"}
    (told,) = [each for each in advise([("load", step)], [], {}) if each.cause in rules]
    assert told.cause == cause
    assert "100% was for 127.0.0.1:" in told.evidence[-1]  # the one behind the bad link


def test_what_the_run_injected_itself_is_no_diagnosis(report: ReadinessReport) -> None:
    found = read_load_step(CAUSES / "lossy")
    step = replace(step_of(report, "sustained"), evidence=found.evidence, facts=found.facts)
    advice = advise([("faulted load", step)], [], {})
    assert [each.rule for each in advice] == ["no recovery"]


def test_a_clean_step_is_told_nothing(report: ReadinessReport) -> None:
    assert advised(report) == []


def test_nodes_that_all_wait_for_a_core_are_not_bound_by_their_own_work(
    report: ReadinessReport,
) -> None:
    crowded: dict[str, Any] = {f"n{n}_wanted_cores": 0.95 for n in range(1, 6)}
    assert advised(report, **crowded) == []


def test_evidence_names_who_it_was(report: ReadinessReport) -> None:
    (found,) = advised(report, n3_cpu_cores=0.97)
    assert "n3 used 97% of a core" in found.evidence[0]


def test_the_node_that_operations_wait_for_is_named(report: ReadinessReport) -> None:
    shares = {"10.0.0.1:7400_waited_for_share": 0.8, "10.0.0.2:7400_waited_for_share": 0.1}
    (found,) = advised(report, delayed_share=0.3, delayed_by_record=0.4, **shares)
    assert "80% was for 10.0.0.1:7400" in found.evidence[1]
    assert len(found.evidence) == 2
    assert advised(report, **shares) == []  # somebody has to be the last


def test_a_crowded_machine_is_told(report: ReadinessReport) -> None:
    step = replace(step_of(report, "sustained"), evidence=HEALTHY)
    (found,) = advise([("load", step)], [], {"cores": 2, "load_average": [7.3, 7.0, 7.0]})
    assert found.rule == "crowded machine"
    assert "7.3 on 2 cores" in found.evidence[0]
    assert advise([("load", step)], [], {"cores": 2, "load_average": []}) == []


def test_targets_without_a_figure_are_told(report: ReadinessReport) -> None:
    row = replace(report.targets[0], state="unmeasured", reason="no figure")
    (found,) = advise([], [row], {})
    assert "no figure" in found.evidence[0]
