"""Scraping an endpoint as Prometheus does, with the parser of prometheus-client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from p2pcore import AdaptiveCoordinator
from p2pcore.metrics.collector import MetricsCollector
from p2pcore.metrics.endpoint import MetricsEndpoint

__all__ = ["ask", "endpoint_of", "figures", "say", "scrape"]

OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@asynccontextmanager
async def endpoint_of(node: AdaptiveCoordinator) -> AsyncIterator[str]:
    """The endpoint of a node; gives its address."""
    endpoint = MetricsEndpoint(node.metrics(), node.readiness)
    try:
        yield await endpoint.listen("127.0.0.1:0")
    finally:
        await endpoint.close()


async def say(address: str, request: bytes) -> bytes:
    """What comes back for these bytes, until the other side ends the connection."""
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(request)
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def ask(address: str, path: str, method: str = "GET") -> tuple[int, bytes]:
    """The status and body of one answer; 0: the other side has hung up."""
    head = f"{method} {path} HTTP/1.1\r\nHost: {address}\r\nAccept: {OPEN_METRICS}\r\n\r\n"
    answer = await say(address, head.encode())
    first, _, body = answer.partition(b"\r\n\r\n")
    return int(first.split()[1]) if first else 0, body


async def scrape(address: str) -> dict[str, Metric]:
    """All families by name."""
    status, body = await ask(address, "/metrics")
    assert status == 200
    return {family.name: family for family in text_string_to_metric_families(body.decode())}


def figures(collector: MetricsCollector) -> dict[tuple[str, ...], float]:
    """Each series that is not 0, by its name and the values of its labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in collector.collect()
        for sample in family.samples
        if sample.value
    }
