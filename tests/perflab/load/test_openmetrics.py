"""A run as OpenMetrics: every operation is in it once, and Prometheus finds the report's P99."""

import contextlib
import json
import re
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from p2pcore.metrics.table import BOUNDS_S, RESULTS
from perflab.load.figures import figures, judged
from perflab.load.openmetrics import RESULT_OF, openmetrics, write_openmetrics
from perflab.load.record import OUTCOMES, LoadRecord, LoadRecordError, read_load
from tests.perflab.load.test_record import manifest, row, write

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


@contextlib.contextmanager
def prometheus(program: str, data: Path) -> Iterator[str]:
    """The address of a Prometheus that serves blocks."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    settings = data.parent / "prometheus.yaml"
    settings.write_text("{}\n")
    process = subprocess.Popen(
        [
            program,
            f"--config.file={settings}",
            f"--storage.tsdb.path={data}",
            "--storage.tsdb.retention.time=100y",
            f"--web.listen-address={address}",
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://{address}/-/ready", timeout=5).close()
                break
            assert process.poll() is None, "Prometheus has ended"
            assert time.monotonic() < deadline, "Prometheus is not ready after 60 s"
            time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def test_prometheus_finds_the_p99_of_the_report_in_its_bucket(tmp_path: Path) -> None:
    promtool, program = shutil.which("promtool"), shutil.which("prometheus")
    if promtool is None or program is None:
        pytest.skip("Prometheus is not on the PATH: Debian's package prometheus has it")
    (tmp_path / "run").mkdir()
    record = run(tmp_path / "run", drawn())
    write_openmetrics(record, tmp_path / "run.om")
    made = subprocess.run(
        [promtool, "tsdb", "create-blocks-from", "openmetrics", "run.om", "data"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    name = "p2pcore_operation_duration_seconds_bucket"
    query = f'histogram_quantile(0.99, sum by (le) (last_over_time({name}{{job="load"}}[1m])))'
    moment = WALL_NS // 10**9 + 14
    asked = urllib.parse.urlencode({"query": query, "time": moment})
    with prometheus(program, tmp_path / "data") as address:
        url = f"http://{address}/api/v1/query?{asked}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            found = json.load(answer)["data"]["result"]
    by_promql_s = float(found[0]["value"][1])
    by_report_s = figures(judged(record), record.errors, 10.0).latency_s["p99"]
    assert by_report_s is not None
    assert abs(bisect_left(BOUNDS_S, by_promql_s) - bisect_left(BOUNDS_S, by_report_s)) <= 1
