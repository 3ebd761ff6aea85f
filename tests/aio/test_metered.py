"""What nodes and clients count once their metrics are wanted, and not before."""

import asyncio
import logging
import subprocess
import sys
import threading

import pytest
from opentelemetry import trace
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from p2pcore import (
    AdaptiveCoordinator,
    BusyError,
    CoordinatorConfig,
    DeadlineError,
    KeyNotFoundError,
    P2PError,
    QuorumError,
    UsageError,
    errors,
)
from p2pcore.aio import metered
from p2pcore.aio.turn import Turns
from p2pcore.metrics.operations import result_of
from p2pcore.metrics.table import RESULTS
from tests.aio.support import ONE, client_of, crash, swarm
from tests.metrics.scraping import figures

ENDED = "p2pcore_operations_total"
COUNT = "p2pcore_operation_duration_seconds_count"


async def test_each_operation_is_counted_by_how_it_ended() -> None:
    async with swarm(3) as nodes, client_of(nodes[0]) as client:
        metrics = client.metrics()
        assert client.metrics() is metrics
        await client.store("a", b"1", listed=True)
        await client.store_many({"b": b"2", "c": b"3"}, listed=True)
        assert await client.retrieve("a") == b"1"
        assert await client.retrieve_many(["a", "b"]) == {"a": b"1", "b": b"2"}
        assert sorted([name async for name in client.scan()]) == ["a", "b", "c"]
        await client.delete("a")
        with pytest.raises(KeyNotFoundError):
            await client.retrieve("a")
        with pytest.raises(UsageError):
            await client.store("a", 7)
        told = {key[1:]: value for key, value in figures(metrics).items() if key[0] == ENDED}
        steps = told.pop(("scan", "ok"))
        assert steps >= 1
        once = [("store", "ok"), ("store_many", "ok"), ("retrieve", "ok"), ("retrieve_many", "ok"),
                ("delete", "ok"), ("retrieve", "not_found"), ("store", "misuse")]  # fmt: skip
        assert told == dict.fromkeys(once, 1)
        counts = {key[1]: value for key, value in figures(metrics).items() if key[0] == COUNT}
        assert counts["retrieve"] == 2
        assert counts["store"] == 1  # misuse says nothing of how long a store takes


async def test_what_is_cancelled_or_late_is_told_apart() -> None:
    async with swarm(3) as nodes, client_of(nodes[0]) as client:
        metrics = client.metrics()
        task = asyncio.create_task(client.retrieve("a"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for node in nodes[1:]:
            crash(node)
        with pytest.raises((DeadlineError, QuorumError)) as raised:
            await client.retrieve("a", timeout_s=0.5)
        told, how = figures(metrics), result_of(raised.value)
        assert how in ("deadline", "quorum")
        assert told[ENDED, "retrieve", "cancelled"] == told[ENDED, "retrieve", how] == 1
        assert told[COUNT, "retrieve"] == 1  # who cancels says how long it took, not the network


def test_every_error_has_a_word_of_the_table() -> None:
    kinds: list[type[P2PError]] = [
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, P2PError)
    ]
    assert kinds
    words = {each.__name__: result_of(each.__new__(each)) for each in kinds}
    assert set(words.values()) <= set(RESULTS)
    assert words["BusyError"] == "busy"
    assert words["NotAllowedError"] == "refused"
    assert words["LimitError"] == "misuse"
    assert result_of(BusyError()) == "busy"
    assert result_of(asyncio.CancelledError()) == "cancelled"
    assert result_of(b"value") == "ok"


async def test_an_example_in_a_bucket_is_found_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "p2pcore.operations")
    context = trace.SpanContext(
        trace_id=0xABC, span_id=1, is_remote=False, trace_flags=trace.TraceFlags(1)
    )
    async with AdaptiveCoordinator(CoordinatorConfig(**ONE)) as node:
        registry = CollectorRegistry()
        registry.register(node.metrics(sample=2))
        await node.store("a", b"1")
        assert not caplog.records
        await node.store("b", b"1")
        (record,) = caplog.records
        assert (record.op, record.result) == ("store", "ok")  # type: ignore[attr-defined]
        await node.retrieve("a")
        with trace.use_span(trace.NonRecordingSpan(context)):
            await node.retrieve("b")
        text = exposition.generate_latest(registry).decode()
    shown = {
        sample.labels["op"]: sample.exemplar
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.exemplar is not None
    }
    assert shown["store"].labels == {"trace_id": record.trace_id}  # type: ignore[attr-defined]
    assert shown["retrieve"].labels == {"trace_id": f"{0xABC:032x}"}
    assert caplog.records[-1].trace_id == f"{0xABC:032x}"  # type: ignore[attr-defined]


async def test_a_registry_is_read_in_any_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    async with swarm(3) as nodes, client_of(nodes[0]) as client:
        registry = CollectorRegistry()
        registry.register(client.metrics())
        await client.store("a", b"1")
        text = (await asyncio.to_thread(generate_latest, registry)).decode()
        assert 'p2pcore_operations_total{op="store",result="ok"} 1.0' in text
        assert 'p2pcore_peers{state="well"}' in text
        monkeypatch.setattr(metered, "PATIENCE_S", 0.05)
        texts: list[bytes] = []
        thread = threading.Thread(target=lambda: texts.append(generate_latest(registry)))
        thread.start()
        thread.join()  # meanwhile the loop does not answer
        assert texts == [b""]
    assert b'result="ok"} 1.0' in generate_latest(registry)  # closed, it tells what it was


async def test_without_metrics_nothing_is_timed() -> None:
    async with AdaptiveCoordinator(CoordinatorConfig(**ONE)) as node:
        assert node._host is not None
        hooks = {"store", "retrieve", "_scan_on", "_metered"}
        assert not hooks & set(vars(node))
        assert type(node._host.intake.turns) is Turns
        assert node._node.coordinating.on_over is None
        before = len(vars(node._node)), len(vars(node._host))
        node.metrics()
        assert hooks <= set(vars(node))
        assert (len(vars(node._node)), len(vars(node._host))) == before


def test_whoever_wants_no_metrics_loads_nothing_of_them() -> None:
    code = (
        "import sys; from p2pcore import AdaptiveClient, AdaptiveCoordinator; "
        "print([m for m in sys.modules if 'metrics' in m or 'metered' in m or 'prometheus' in m])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


async def test_what_cant_be_meant() -> None:
    node = AdaptiveCoordinator(CoordinatorConfig(**ONE))
    for wrong in (-1, 1.5, True, "1"):
        with pytest.raises(UsageError, match="sample"):
            node.metrics(sample=wrong)
