"""A run as OpenMetrics: every operation is in it once, and Prometheus finds the report's P99."""

import json
import re
import urllib.parse
import urllib.request
from bisect import bisect_left
from pathlib import Path

import numpy as np
import pytest

from p2pcore.metrics.table import BOUNDS_S, RESULTS
from perflab.load.figures import figures, judged
from perflab.load.openmetrics import RESULT_OF, openmetrics, write_openmetrics
from perflab.load.record import OUTCOMES, LoadRecord, LoadRecordError, read_load
from perflab.production.buckets import quantile_s
from perflab.production.prometheus import Prometheus
from perflab.production.sampling import FieldRequest, sample_field
from perflab.production.window import TimeWindow
from tests.perflab.load.test_record import manifest, row, write
from tests.perflab.served_blocks import blocks, served

COUNTER = "p2pcore_operations_total"
WALL_NS = 1_790_000_000_000_000_000


def run(folder: Path, rows: list[bytes]) -> LoadRecord:
    told = json.dumps(manifest(clients=1, zero_wall_ns=WALL_NS))
    return read_load(write(folder, [rows], [["DeadlineError"]], manifest=told))


def drawn(count: int = 4000) -> list[bytes]:
    """Ten seconds of operations, their times drawn; some of them fail."""
    rng = np.random.default_rng(23)
    took = rng.lognormal(1.0, 1.0, count)
    due = rng.integers(0, 11_000, count)
    return [row(int(d), float(t)) for d, t in zip(due, took, strict=True)]


def test_every_outcome_is_one_of_the_cores_results() -> None:
    assert set(RESULT_OF) == set(OUTCOMES)
    assert set(RESULT_OF.values()) <= set(RESULTS)


SAMPLE = re.compile(r"(?P<name>\w+)\{(?P<labels>.*)\} (?P<value>\S+) (?P<at>\S+)")
"""prometheus-client's parser leaves out samples of histograms with several timestamps."""


def test_each_operation_is_counted_once_and_counters_only_grow(tmp_path: Path) -> None:
    record = run(tmp_path, [*drawn(), row(2000, 7, outcome=1), row(3000, 5000, 2, 1)])
    lines = list(openmetrics(record))
    assert lines[-1] == "# EOF"
    last: dict[tuple[str, str], tuple[float, float]] = {}
    for match in filter(None, map(SAMPLE.fullmatch, lines)):
        key = (
            match["name"],
            match["labels"].removeprefix('job="load",instance="it",op="retrieve"').lstrip(","),
        )
        now = float(match["at"]), float(match["value"])
        at, value = last.get(key, (0.0, 0.0))
        assert now[0] > at
        assert now[1] >= value
        last[key] = now
    rows = judged(record)
    ended = {labels: value for (name, labels), (_, value) in last.items() if name == COUNTER}
    assert sum(ended.values()) == len(rows)
    assert ended['result="busy"'] == ended['result="deadline"'] == 1
    durations = "p2pcore_operation_duration_seconds"
    buckets = [value for (name, _), (_, value) in last.items() if name == f"{durations}_bucket"]
    assert len(buckets) == len(BOUNDS_S) + 1
    assert buckets == sorted(buckets)
    assert buckets[-1] == last[f"{durations}_count", ""][1] == len(rows) - 1


def test_a_run_without_an_operation_is_refused(tmp_path: Path) -> None:
    record = run(tmp_path, [])
    with pytest.raises(LoadRecordError, match="no operation was due"):
        write_openmetrics(record, tmp_path / "run.om")


def test_prometheus_finds_the_p99_of_the_report_in_its_bucket(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    record = run(tmp_path / "run", drawn())
    write_openmetrics(record, tmp_path / "run.om")
    data = blocks(tmp_path, tmp_path / "run.om")
    name = "p2pcore_operation_duration_seconds_bucket"
    query = f'histogram_quantile(0.99, sum by (le) (last_over_time({name}{{job="load"}}[1m])))'
    moment = WALL_NS // 10**9 + 14
    asked = urllib.parse.urlencode({"query": query, "time": moment})
    with served(data) as address:
        url = f"{address}/api/v1/query?{asked}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            found = json.load(answer)["data"]["result"]
        window = TimeWindow(begin_s=moment - 60, end_s=moment)
        field = sample_field(
            Prometheus(address),
            FieldRequest(window=window, job="load", name="lab", objectives=[], least_complete=0.0,
                         asked_s=moment, command=""),
        )  # fmt: skip
    by_promql_s = float(found[0]["value"][1])
    by_report_s = figures(judged(record), record.errors, 10.0).latency_s["p99"]
    assert by_report_s is not None
    assert abs(bisect_left(BOUNDS_S, by_promql_s) - bisect_left(BOUNDS_S, by_report_s)) <= 1
    # Sampled as if it were production, the run says the same.
    by_field_s = quantile_s(field.bounds_s, field.timed(), 99.0)
    assert by_field_s is not None
    assert abs(bisect_left(BOUNDS_S, by_field_s) - bisect_left(BOUNDS_S, by_report_s)) <= 1
    # `increase` reckons half a scrape more at either end.
    assert field.operations == pytest.approx(len(judged(record)), rel=0.1)
