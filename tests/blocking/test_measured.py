"""What a blocking client counts once somebody wants it, in any thread, and not before."""

import os
import threading
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from p2pcore import ClientConfig, KeyNotFoundError, UsageError
from p2pcore.blocking import Client
from p2pcore.metrics.table import FAMILIES
from tests.metrics.scraping import figures
from tests.processes import Serving

ENDED = "p2pcore_operations_total"
COUNT = "p2pcore_operation_duration_seconds_count"
THREADS, EACH = 4, 25


def test_operations_of_all_threads_are_counted_while_a_registry_reads(client: Client) -> None:
    assert "store" not in vars(client)  # nothing is timed before
    metrics = client.metrics()
    assert client.metrics() is metrics
    registry = CollectorRegistry()
    registry.register(metrics)

    def work(number: int) -> None:
        for turn in range(EACH):
            client.store(f"{number} {turn}", b"value", listed=True)
            assert client.retrieve(f"{number} {turn}") == b"value"
            with pytest.raises(KeyNotFoundError):
                client.retrieve("nothing")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert b"p2pcore_peers" in generate_latest(registry)
    for thread in threads:
        thread.join()
    client.store_many({"a": b"1", "b": b"2"})
    assert len(list(client.scan("0 "))) == EACH
    with pytest.raises(UsageError):
        client.store("a", 7)
    told = figures(metrics)
    all_of_them = THREADS * EACH
    assert told[ENDED, "store", "ok"] == told[COUNT, "store"] == all_of_them
    assert told[ENDED, "retrieve", "ok"] == told[ENDED, "retrieve", "not_found"] == all_of_them
    assert told[COUNT, "retrieve"] == 2 * all_of_them
    assert told[ENDED, "store_many", "ok"] == told[ENDED, "store", "misuse"] == 1
    assert told[ENDED, "scan", "ok"] >= 1
    assert told["p2pcore_peers", "well"] >= 3
    # As of the asyncio client, but for the event loop, of which there is none.
    names = {each.name for each in FAMILIES if each.on_client} - {"p2pcore_loop_lag_seconds"}
    lines = generate_latest(registry).decode()
    for name in names:
        assert f"\n{name.removesuffix('_info')}" in f"\n{lines}", name
    assert "loop_lag" not in lines


def test_metrics_wanted_before_it_is_connected_count_from_the_first_call(
    nodes: list[Serving],
) -> None:
    client = Client(ClientConfig(bootstrap=[nodes[0].address]))
    metrics = client.metrics(sample=0)
    assert figures(metrics).get((ENDED, "store", "ok"), 0) == 0
    with client:
        client.store("early", b"value")
        assert figures(metrics)[ENDED, "store", "ok"] == 1
        assert figures(metrics)["p2pcore_peers", "well"] >= 1
    assert figures(metrics)[ENDED, "store", "ok"] == 1  # closed, it can still be read


def test_a_client_that_was_broken_is_read_where_it_goes_on(client: Client) -> None:
    metrics = client.metrics()
    client.store("before", b"value")
    broken = client._driver
    assert broken is not None
    with pytest.raises(ZeroDivisionError):
        broken.run(lambda *_: 1 // 0)
    client.store("after", b"value")
    assert client._driver is not broken
    told = figures(metrics)
    assert told[ENDED, "store", "ok"] == 2
    assert told["p2pcore_peers", "well"] >= 1
    assert metrics.machine is client._driver.machine


def test_a_forked_process_reads_its_copy(client: Client) -> None:
    metrics = client.metrics()
    client.store("fork", b"value")
    with metrics.through.__self__._telling:  # type: ignore[attr-defined]
        child = os.fork()
        if child == 0:  # the lock is held for ever here
            os._exit(0 if figures(metrics)[ENDED, "store", "ok"] == 1 else 1)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_opentelemetry_is_told(client: Client) -> None:
    sdk = pytest.importorskip("opentelemetry.sdk.metrics")
    export = pytest.importorskip("opentelemetry.sdk.metrics.export")
    reader = export.InMemoryMetricReader()
    client.instrument(meter_provider=sdk.MeterProvider(metric_readers=[reader]))
    with pytest.raises(UsageError, match="instrumented already"):
        client.instrument()
    client.store("told", b"value")
    (resource,) = reader.get_metrics_data().resource_metrics
    (point,) = resource.scope_metrics[0].metrics[0].data.data_points
    assert (point.count, point.attributes["db.operation.name"]) == (1, "store")


def test_a_sample_that_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    client = Client(ClientConfig(bootstrap=["127.0.0.1:9"], data_dir=tmp_path))
    with pytest.raises(UsageError, match="sample"):
        client.metrics(sample=-1)
