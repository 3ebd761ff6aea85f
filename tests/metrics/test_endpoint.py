"""The endpoint on real sockets: what it tells under load, whom it refuses, and when it is ready."""

import asyncio
import sys
from pathlib import Path

import pytest
from prometheus_client import Metric

from p2pcore import AdaptiveCoordinator, ConfigError, CoordinatorConfig
from p2pcore.metrics import endpoint as endpoints
from p2pcore.metrics.table import BOUNDS_S, Family, FamilyKind, families
from tests.aio.support import ONE, client_of, crash, eventually, swarm
from tests.metrics.scraping import ask, endpoint_of, figures, say, scrape

OPERATIONS = 300


def open_metrics_name(family: Family) -> str:
    return family.name.removesuffix("_total").removesuffix("_info")


def check_family(family: Family, told: Metric) -> None:
    """What was scraped is what the table says."""
    assert told.type == family.kind
    assert told.documentation == family.help
    for sample in told.samples:
        labels = dict(sample.labels)
        end = labels.pop("le", None)
        assert end is None or end == "+Inf" or float(end) in BOUNDS_S
        assert set(labels) == set(family.labels)
        if family.kind is not FamilyKind.INFO:
            assert all(value in family.labels[label] for label, value in labels.items())
    if family.kind is FamilyKind.HISTOGRAM:
        ends = [s.labels["le"] for s in told.samples if s.name.endswith("_bucket")]
        assert len(set(ends)) == len(BOUNDS_S) + 1


async def test_the_parser_reads_it_under_load_and_it_tells_what_the_table_says(
    tmp_path: Path,
) -> None:
    async with swarm(2) as nodes:
        config = CoordinatorConfig(bootstrap=[nodes[0].address], data_dir=tmp_path / "data")
        async with AdaptiveCoordinator(config) as node, endpoint_of(node) as address:
            await node.wait_ready()
            async with client_of(node) as client:
                async with asyncio.TaskGroup() as group:
                    for number in range(OPERATIONS):
                        group.create_task(client.store(f"key {number}", b"value"))
                    during = [await scrape(address) for _ in range(3)]
                await client.retrieve_many([f"key {number}" for number in range(OPERATIONS)])
                await eventually(lambda: sum(node.metrics().loop_lags.counts))
                told = await scrape(address)
            expected = {open_metrics_name(each): each for each in families(node=True, disk=True)}
            ours = {name: each for name, each in told.items() if name.startswith("p2pcore")}
            assert set(ours) == set(expected)
            for name, family in expected.items():
                check_family(family, told[name])
            values = {name: each.samples[0].value for name, each in ours.items()}
            assert values["p2pcore_store_records"] == node.stored_records == OPERATIONS
            assert values["p2pcore_store_bytes"] == node._node.store.size_bytes
            requests = {s.labels["kind"]: s.value for s in told["p2pcore_replica_requests"].samples}
            assert requests == {"store": node.stats.stores, "fetch": node.stats.fetches}
            assert requests["store"] == OPERATIONS
            assert ("process_cpu_seconds" in told) == (sys.platform == "linux")
            for name in ("wal_sync_duration", "queue_delay", "loop_lag"):
                samples = {s.name: s for s in told[f"p2pcore_{name}_seconds"].samples}
                assert samples[f"p2pcore_{name}_seconds_count"].value > 0
            counts = [each["p2pcore_replica_requests"].samples[0].value for each in during]
            assert counts == sorted(counts)


async def test_ready_when_its_ranges_were_handed_over_until_it_leaves() -> None:
    async with swarm(3) as nodes:
        node = AdaptiveCoordinator(CoordinatorConfig(bootstrap=[nodes[0].address]))
        async with endpoint_of(node) as address:
            assert await ask(address, "/healthz") == (200, b"alive\n")
            status, state = await ask(address, "/readyz")
            assert (status, state[:7]) == (503, b"joining")
            async with node:
                await node.wait_ready()
                assert await ask(address, "/readyz") == (200, b"ready\n")
            assert await ask(address, "/readyz") == (503, b"leaving\n")
            assert await ask(address, "/healthz") == (200, b"alive\n")


async def test_a_lost_replica_is_told_until_its_share_is_copied_and_nobody_is_unready() -> None:
    settings = {"copy_after_s": 1.0}
    async with swarm(4, **settings) as nodes:
        async with asyncio.timeout(20):
            for node in nodes:
                await node.wait_ready()
        async with client_of(nodes[0]) as client, endpoint_of(nodes[0]) as address:
            await client.store_many({f"key {number}": b"value" for number in range(50)})
            await eventually(lambda: nodes[0].stored_records > 0)
            collector, name = nodes[0].metrics(), "p2pcore_under_replicated_records"
            assert (name,) not in figures(collector)
            crash(nodes[3])
            await eventually(lambda: figures(collector).get((name,)), 20)
            assert figures(collector)[(name,)] <= nodes[0].stored_records
            assert figures(collector)["p2pcore_peers", "lost"] == 1
            assert (await ask(address, "/readyz"))[0] == 200
            await eventually(lambda: (name,) not in figures(collector), 30)


async def test_what_is_no_request_is_answered_so() -> None:
    async with AdaptiveCoordinator(CoordinatorConfig(**ONE)) as node, endpoint_of(node) as address:
        assert (await ask(address, "/nothing"))[0] == 404
        assert (await ask(address, "/metrics", "POST"))[0] == 405
        assert await ask(address, "/readyz?verbose", "HEAD") == (200, b"")
        for garbage in (b"", b"hello", b"GET /metrics", b"\xff \x00", b"GET http://a/ HTTP/1.1"):
            assert (await say(address, garbage + b"\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
        long = b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 2 * endpoints.MAX_REQUEST_BYTES
        assert (await say(address, long)).startswith(b"HTTP/1.1 431 ")
        plain = await say(address, b"GET /metrics HTTP/1.0\r\n\r\n")
        assert b"text/plain; version=0.0.4" in plain
        assert b"\np2pcore_build_info{" in plain


async def test_who_is_silent_or_one_too_many_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "MAX_CONNECTIONS", 2)
    async with AdaptiveCoordinator(CoordinatorConfig(**ONE)) as node, endpoint_of(node) as address:
        host, port = address.split(":")
        held = [await asyncio.open_connection(host, int(port)) for _ in range(2)]
        status, text = await ask(address, "/healthz")
        assert (status, text) == (503, b"2 connections are open, which is the limit\n")
        held += [await asyncio.open_connection(host, int(port)) for _ in range(3)]
        assert await held[-1][0].read() == b""  # nor are there more than twice as many
        for _, writer in held:
            writer.close()

        async def answered() -> bool:
            return (await ask(address, "/healthz"))[0] == 200

        async with asyncio.timeout(10):
            while not await answered():
                pass
        monkeypatch.setattr(endpoints, "PATIENCE_S", 0.05)
        assert await say(address, b"GET /metrics") == b""  # and no more


async def test_an_address_that_is_taken_is_named() -> None:
    async with AdaptiveCoordinator(CoordinatorConfig(**ONE)) as node, endpoint_of(node) as address:
        with pytest.raises(ConfigError, match=f"metrics: {address} can't be used"):
            await endpoints.MetricsEndpoint(node.metrics(), node.readiness).listen(address)


async def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    async with AdaptiveCoordinator(CoordinatorConfig(**ONE)) as node:
        with pytest.raises(ConfigError, match=r"pip install 'p2pcore\[metrics\]'"):
            node.metrics()
