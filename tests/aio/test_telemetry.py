"""Operations as OpenTelemetry's histogram: in its SDK's memory, and at a receiver of OTLP."""

import http.server
import subprocess
import sys
import threading
from typing import Any

import pytest

from p2pcore import AdaptiveClient, ClientConfig, KeyNotFoundError, UsageError
from p2pcore.metrics.table import BOUNDS_S
from p2pcore.metrics.telemetry import DURATION
from tests.aio.support import client_of, crash, swarm

sdk = pytest.importorskip("opentelemetry.sdk.metrics")
export = pytest.importorskip("opentelemetry.sdk.metrics.export")


def told(reader: Any) -> dict[tuple[str, ...], Any]:
    """By operation, and by its error if it had one, the point of the histogram."""
    found = {}
    for resource in reader.get_metrics_data().resource_metrics:
        for scope in resource.scope_metrics:
            assert scope.scope.name == "p2pcore"
            (metric,) = scope.metrics
            assert (metric.name, metric.unit) == (DURATION, "s")
            for point in metric.data.data_points:
                attributes = dict(point.attributes)
                assert attributes.pop("db.system.name") == "p2pcore"
                error = attributes.get("error.type")
                assert attributes.pop("db.response.status_code", None) == error
                found[tuple(attributes.values())] = point
    return found


async def test_operations_are_told_as_the_conventions_say() -> None:
    reader = export.InMemoryMetricReader()
    provider = sdk.MeterProvider(metric_readers=[reader])
    async with swarm(3) as nodes, client_of(nodes[0]) as client:
        client.instrument(meter_provider=provider)
        with pytest.raises(UsageError, match="instrumented already"):
            client.instrument()
        metrics = client.metrics()  # both, beside each other
        for number in range(5):
            await client.store(f"{number}", b"value")
        await client.store_many({"a": b"1", "b": b"2"})
        with pytest.raises(KeyNotFoundError):
            await client.retrieve("nothing")
        with pytest.raises(UsageError):
            await client.store("a", 7)
        for node in nodes[1:]:
            crash(node)
        with pytest.raises(Exception) as raised:  # noqa: PT011 - whichever comes first
            await client.retrieve("0", timeout_s=0.5)
    found = told(reader)
    error = {"DeadlineError": "deadline", "QuorumError": "quorum"}[type(raised.value).__name__]
    assert set(found) == {("store",), ("store_many",), ("retrieve",), ("retrieve", error)}
    assert found[("store",)].count == 5  # misuse says nothing of how long a store takes
    assert found[("store_many",)].count == 1  # a batch is one operation
    assert tuple(found[("store",)].explicit_bounds) == BOUNDS_S
    assert 0 < found[("store",)].sum < 5
    assert metrics.operations.ended["store", "ok"] == 5
    assert metrics.operations.ended["retrieve", error] == 1


class _Receiver(http.server.BaseHTTPRequestHandler):
    """Takes what an exporter of OTLP over HTTP posts."""

    def do_POST(self) -> None:
        assert isinstance(self.server, _Server)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path, self.headers["Content-Type"], body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class _Server(http.server.HTTPServer):
    received: list[tuple[str, str, bytes]]


async def test_an_exporter_brings_them_to_a_receiver_of_otlp() -> None:
    otlp = pytest.importorskip("opentelemetry.exporter.otlp.proto.http.metric_exporter")
    service = pytest.importorskip("opentelemetry.proto.collector.metrics.v1.metrics_service_pb2")
    with _Server(("127.0.0.1", 0), _Receiver) as server:
        server.received = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            address = f"http://127.0.0.1:{server.server_port}/v1/metrics"
            reader = export.PeriodicExportingMetricReader(otlp.OTLPMetricExporter(address))
            provider = sdk.MeterProvider(metric_readers=[reader])
            async with swarm(3) as nodes, client_of(nodes[0]) as client:
                client.instrument(meter_provider=provider)
                await client.store("a", b"1")
            provider.shutdown()  # which sends what there is
        finally:
            server.shutdown()
            thread.join()
    ((path, kind, body), *_) = server.received
    assert (path, kind) == ("/v1/metrics", "application/x-protobuf")
    sent = service.ExportMetricsServiceRequest.FromString(body)
    (metric,) = sent.resource_metrics[0].scope_metrics[0].metrics
    (point,) = metric.histogram.data_points
    assert (metric.name, point.count) == (DURATION, 1)
    assert {each.key: each.value.string_value for each in point.attributes} == {
        "db.system.name": "p2pcore",
        "db.operation.name": "store",
    }


async def test_without_it_nothing_is_loaded_and_without_the_package_it_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = AdaptiveClient(ClientConfig(bootstrap=["127.0.0.1:9"]))
    assert "store" not in vars(client)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(Exception, match=r"pip install 'p2pcore\[otel\]'"):
        client.instrument()
    assert "store" not in vars(client)


def test_the_core_loads_no_part_of_it() -> None:
    code = "import sys, p2pcore, p2pcore.blocking; print('opentelemetry' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
