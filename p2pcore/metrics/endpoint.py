"""The HTTP endpoint that Prometheus scrapes and probes ask: `/metrics`, `/healthz`, `/readyz`.

Theory of operation. It shares the event loop with the node, so all of it is bounded: connections,
the size of a request, and the time for one. A connection carries one request. The figures are read
at one moment; rendering them takes longer, and goes on one family a turn, so that no request of the
network waits for all of it.

The server of prometheus-client itself has a thread for each connection, without a bound on their
number, on the size of what they ask, or on their time.

Rule: answers; what "ready" means, the node knows.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from p2pcore.address import split_address
from p2pcore.errors import ConfigError
from p2pcore.metrics.collector import MetricsCollector, library, metric_of

if TYPE_CHECKING:
    from prometheus_client import Metric

__all__ = ["MetricsEndpoint", "Readiness"]

log = logging.getLogger("p2pcore")

MAX_CONNECTIONS = 16  # at a time: a scraper or two, and probes; up to twice that are told so
MAX_REQUEST_BYTES = 8 * 1024  # its line and headers; a scraper's are some 300
PATIENCE_S = 5.0  # from the first byte of a connection to its last
TEXT = "text/plain; charset=utf-8"
END = b"# EOF\n"  # of OpenMetrics

Readiness = Callable[[], tuple[bool, str]]
"""Whether the node is ready for what is its, and its state in words."""


class _Answer(NamedTuple):
    status: HTTPStatus
    body: bytes
    kind: str = TEXT
    more: tuple[str, ...] = ()  # headers


class _One:
    """A registry of one metric."""

    def __init__(self, metric: "Metric") -> None:
        self._metric = metric

    def collect(self) -> "Iterator[Metric]":
        yield self._metric


class MetricsEndpoint:
    """Serves the figures of one collector, and those of the process.

    Args:
        collector: whose they are.
        readiness: asked for each `/readyz`.
    """

    def __init__(self, collector: MetricsCollector, readiness: Readiness) -> None:
        self._collector = collector
        self._process = library().ProcessCollector(registry=None)
        self._readiness = readiness
        self._server: asyncio.Server | None = None
        self._answering: set[asyncio.Task[object]] = set()

    async def listen(self, address: str) -> str:
        """Answer at `host:port`; returns the address that was bound.

        Raises:
            ConfigError: it can't be used.
        """
        try:
            host, port = split_address(address)
            self._server = await asyncio.start_server(
                self._on_connection, host, port, limit=MAX_REQUEST_BYTES, backlog=MAX_CONNECTIONS
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise ConfigError(f"metrics: {address} can't be used: {reason or error}") from error
        bound, port = self._server.sockets[0].getsockname()[:2]
        return f"[{bound}]:{port}" if ":" in bound else f"{bound}:{port}"

    async def close(self) -> None:
        """Leave no socket and no task."""
        if self._server is not None:
            self._server.close()
        for task in self._answering:
            task.cancel()
        if self._answering:
            await asyncio.wait(self._answering)

    async def _on_connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._answering.add(task)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._serve(reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            writer.transport.abort()  # it has gone, or takes too long
        except asyncio.CancelledError:
            writer.transport.abort()  # this closes; nobody waits for the task but `close`
        finally:
            self._answering.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._answering) > 2 * MAX_CONNECTIONS:
            writer.transport.abort()
            return
        request = b""
        try:
            request = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            text = f"a request has up to {MAX_REQUEST_BYTES} bytes\n"
            answer = _Answer(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, text.encode())
        else:
            answer = await self._safe_answer(request)
        head = (
            f"HTTP/1.1 {answer.status.value} {answer.status.phrase}",
            f"Content-Type: {answer.kind}",
            f"Content-Length: {len(answer.body)}",
            *answer.more,
            "Connection: close\r\n\r\n",
        )
        body = b"" if request.startswith(b"HEAD ") else answer.body
        writer.write("\r\n".join(head).encode("latin-1") + body)
        await writer.drain()
        if not request:  # to close with something unread would take the answer back
            writer.write_eof()
            while await reader.read(MAX_REQUEST_BYTES):
                pass
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def _safe_answer(self, request: bytes) -> _Answer:
        """The answer, or that there is a bug of ours, which must not end the connection unsaid."""
        try:
            return await self._answer(request)
        except Exception:
            log.exception("a request for metrics failed")
            return _Answer(HTTPStatus.INTERNAL_SERVER_ERROR, b"the log says why\n")

    async def _answer(self, request: bytes) -> _Answer:
        if len(self._answering) > MAX_CONNECTIONS:
            text = f"{MAX_CONNECTIONS} connections are open, which is the limit\n"
            return _Answer(HTTPStatus.SERVICE_UNAVAILABLE, text.encode())
        first, *rest = request.decode("latin-1").split("\r\n")
        words = first.split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1.") or not words[1].startswith("/"):
            return _Answer(HTTPStatus.BAD_REQUEST, b"that is no request of HTTP/1\n")
        if words[0] not in ("GET", "HEAD"):
            body = b"there is only GET and HEAD\n"
            return _Answer(HTTPStatus.METHOD_NOT_ALLOWED, body, more=("Allow: GET, HEAD",))
        match words[1].partition("?")[0]:
            case "/metrics":
                return await self._metrics(_accepted(rest))
            case "/healthz":
                return _Answer(HTTPStatus.OK, b"alive\n")
            case "/readyz":
                ready, state = self._readiness()
                status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
                return _Answer(status, f"{state}\n".encode())
            case _:
                return _Answer(HTTPStatus.NOT_FOUND, b"there are /metrics, /healthz and /readyz\n")

    async def _metrics(self, accepted: str) -> _Answer:
        """All figures in the form that the scraper takes, rendered one family a turn."""
        from prometheus_client.exposition import choose_encoder

        encode, kind = choose_encoder(accepted)
        parts: list[bytes] = []
        for family, readings in self._collector.read():
            parts.append(encode(_One(metric_of(family, readings))).removesuffix(END))
            await asyncio.sleep(0)
        parts.append(encode(self._process))
        return _Answer(HTTPStatus.OK, b"".join(parts), kind)


def _accepted(headers: list[str]) -> str:
    """What the header `Accept` says; empty if there is none."""
    for header in headers:
        name, _, value = header.partition(":")
        if name.strip().lower() == "accept":
            return value.strip()
    return ""
