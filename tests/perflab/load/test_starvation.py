"""A generator without a processor is told from a slow network, by what it says of each second."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from perflab.load.critical_path import path_of
from perflab.load.figures import generator_reasons, judged
from perflab.load.record import RESULT, ROW, Interval, LoadRecord, read_load
from perflab.load.starvation import starved
from perflab.load.summary import load_step
from perflab.readiness.advice import advise
from perflab.readiness.single_run_report import build_run
from tests.perflab.load.test_record import MS, SECOND, write

SECONDS, RATE = 10, 100


def row(due_ns: int, lag_ms: float) -> bytes:
    begun = due_ns + round(lag_ms * MS)
    return ROW.pack(due_ns, begun, begun + 40 * MS, due_ns % 97, 0, 0, 0)  # a slow network


def interval(at_s: int, **own: Any) -> str:
    made = Interval(
        process=0, at_ns=at_s * SECOND, scheduled=RATE, dropped=0, late=0, ended=RATE,
        in_flight=0, lag_max_ns=0, **own,
    )  # fmt: skip
    return json.dumps({"type": "interval", **asdict(made)}) + "\n"


def record(
    directory: Path,
    *,
    late: float,
    waited: float | None,
    steal: float | None = 0.0,
    burst: int = 1,
    cpu: float = 0.05,
    busy_s: int = SECONDS,
) -> LoadRecord:
    """A run in whose first seconds a share of the starts was 5 ms late, while the generator used
    `cpu` of a core and waited for one for `waited` of the time; bursts are late but for the first.
    """
    rows = []
    for second in range(1, SECONDS):
        for number in range(RATE // burst):
            due_ns = second * SECOND + number * burst * SECOND // RATE
            busy = second <= busy_s and number < late * RATE / burst
            rows += [row(due_ns, 5 if busy or place else 0.1) for place in range(burst)]
    write(directory, [rows, []], [[], []])
    lines, wait_s, steal_s = "", 0.0, 0.0
    for second in range(1, SECONDS + 1):
        busy = second <= busy_s + 1
        wait_s += (waited or 0.0) if busy else 0.002
        steal_s += (steal or 0.0) if busy else 0.0
        lines += interval(
            second,
            cpu_s=cpu * second,
            cpu_wait_s=None if waited is None else wait_s,
            steal_s=None if steal is None else steal_s,
        )
    (directory / "intervals-0.jsonl").write_text(lines)
    return read_load(directory)


@pytest.mark.parametrize(
    ("how", "bound"),
    [
        ({"late": 0.10, "waited": 0.10}, True),  # the mildest that was seen beside two busy loops
        ({"late": 0.52, "waited": 0.48}, True),
        ({"late": 0.3, "waited": 0.3, "cpu": 0.2}, True),
        ({"late": 0.3, "waited": 0.01, "steal": 0.3}, True),  # by the host of a virtual machine
        ({"late": 0.3, "waited": 0.3, "busy_s": 2}, True),  # for a fifth of the time
        ({"late": 0.02, "waited": 0.01}, False),  # quiet
        ({"late": 0.0, "waited": 0.3}, False),  # waited, and harmed by it was nothing
        ({"late": 0.16, "waited": 0.02, "cpu": 0.1}, False),  # its loop was busy with a spike
        ({"late": 0.0, "waited": 0.01, "burst": 50}, False),  # of a burst only the first counts
        ({"late": 1.0, "waited": 0.3, "burst": 25}, True),
        ({"late": 1.0, "waited": 0.9, "cpu": 1.3}, False),  # more than a processor can do
        ({"late": 0.3, "waited": None, "steal": None}, False),  # a system that does not tell
    ],
)
def test_lag_and_waits_together_tell_it(tmp_path: Path, how: dict[str, Any], bound: bool) -> None:
    found = record(tmp_path, **how)
    said = starved(found, judged(found))
    assert bool(said) == bound
    assert any("kept from the processor" in each for each in generator_reasons(found)) == bound
    if bound:
        assert said[0].process == 0
        assert said[0].share >= 0.4


def test_nothing_is_diagnosed_of_the_network(tmp_path: Path) -> None:
    found = record(tmp_path, late=0.5, waited=0.4)
    reasons = generator_reasons(found)
    (tmp_path / RESULT).write_text(
        json.dumps(
            {
                "end": "complete",
                "message": "",
                "elapsed_s": 10,
                "generator_bound": bool(reasons),
                "generator_reasons": reasons,
            }
        )
    )
    found = read_load(tmp_path)
    assert path_of(found) is None
    step = load_step(found)
    assert step.critical_path is None
    assert "kept from the processor" in step.problem
    # Whatever else the figures would speak for.
    step.evidence.update(
        {"slow_share": 0.01, "latency_p999_ms": 900.0, "latency_p50_ms": 1.0, "n1_lag_p95_ms": 0.1,
         "dropped_share": 0.5, "n2_cpu_cores": 1.0, "faults_not_recovered": 1.0}
    )  # fmt: skip
    step.errors["DeadlineError"] = 7
    report = step.report(name="it", title="", about="", command="", seconds=1, exit_code=2,
                         problem=step.problem)  # fmt: skip
    for kind in ("load", "faulted load"):
        (advice,) = advise([(kind, report)], [], {})
        assert advice.cause == "starved generator"


def test_the_report_of_such_a_run_is_no_verdict(tmp_path: Path) -> None:
    found = record(tmp_path, late=0.5, waited=0.4)
    content = json.loads((tmp_path / RESULT).read_text())
    content |= {"generator_bound": True, "generator_reasons": generator_reasons(found)}
    (tmp_path / RESULT).write_text(json.dumps(content))
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["scenario"] |= {"name": "it"}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert build_run(tmp_path).state == "unmeasured"
