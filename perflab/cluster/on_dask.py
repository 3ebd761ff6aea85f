"""Seats on the workers of a Dask cluster: one long task each, pinned to its worker.

Theory of operation. The checkout travels as one archive, unpacked by a plugin on every worker, so
that each measures with this very code. A share is a task that only holds a station: its process
has its own interpreter, and nothing of Dask (loop, heartbeats, profiler) runs in it. The task is
pinned, may not move and is not pure: it must neither run elsewhere nor be taken for an earlier one.
What Dask says of it is told, and never decides anything. Calls to a station go through the
scheduler to the worker's own loop, and are short.

Tasks of a sweep are the other way round: pure, with retries, wherever there is room.

Rule: all of Dask that perflab knows.
"""

from __future__ import annotations

import asyncio
import io
import secrets
import sys
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import cloudpickle
from distributed import Client, Security, WorkerPlugin, as_completed

from benchmarks.common import subject
from benchmarks.common.entry import SUITE_PARENT
from perflab.cluster import on_worker, station
from perflab.cluster.scheduler import RETRIES, SchedulerError, Seat, TaskError, Tls
from perflab.cluster.station import Veiled, about, travels

__all__ = ["DaskScheduler", "DaskSeat"]

CONNECT_S = 10.0
CALL_S = 5.0  # one call to a worker; a look takes milliseconds
START_S = 30.0
UNPACK_S = 120.0  # of all workers

for _module in (on_worker, station):
    cloudpickle.register_pickle_by_value(_module)


class _UnpacksPlugin(on_worker.Unpacks, WorkerPlugin):  # type: ignore[misc]
    """As Dask wants it."""


cloudpickle.register_pickle_by_value(sys.modules[__name__])


class DaskSeat:
    """One worker."""

    here = False

    def __init__(self, client: Client, address: str) -> None:
        self.name = address
        self._client = client
        self._token = ""
        self._future: Any = None

    def about(self) -> dict[str, str]:
        found: dict[str, str] = self._run(on_worker.about_worker)
        return found

    def clock_ns(self) -> int:
        found: int = self._run(on_worker.clock_ns)
        return found

    def start(self, module: str, arguments: list[str], environment: Mapping[str, str]) -> int:
        self._token = secrets.token_hex(8)
        self._future = self._client.submit(
            on_worker.hold,
            self._token,
            module,
            arguments,
            Veiled(environment),
            key=f"p2pcore-share-{self._token}",
            workers=[self.name],
            allow_other_workers=False,
            pure=False,
            retries=0,
        )
        deadline_s = time.monotonic() + START_S
        while (pid := self._call("pid")) is None:
            if self.trouble() or time.monotonic() > deadline_s:
                why = self.trouble() or f"it has not begun after {START_S:g} s; is it busy?"
                raise SchedulerError(f"no share could be started on {self.name}: {why}")
            time.sleep(0.05)
        return int(pid)

    def look(self, lines: int, sizes: dict[str, int], tell: bytes = b"") -> dict[str, Any]:
        found: dict[str, Any] | None = self._call("look", lines, sizes, tell)
        if found is None:
            raise SchedulerError(f"{self.name} knows nothing of the share any more")
        return found

    def digests(self) -> dict[str, str]:
        return self._call("digests") or {}

    def end(self) -> None:
        self._call("end")

    def let_go(self) -> None:
        self._call("let_go")

    def trouble(self) -> str:
        status = self._future.status
        if status == "error":
            return f"Dask says: {self._future.exception()!r}"
        return "" if status in ("pending", "finished") else f"Dask says: {status}"

    def _call(self, name: str, *arguments: Any) -> Any:
        return self._run(on_worker.call, self._token, name, arguments)

    def _run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        async def run() -> Any:
            async with asyncio.timeout(CALL_S):
                return await self._client.run(function, *arguments, workers=[self.name])

        try:
            return self._client.sync(run)[self.name]
        except TimeoutError as error:
            raise SchedulerError(f"{self.name} did not answer within {CALL_S:g} s") from error
        except Exception as error:  # of any layer of Dask: the worker is gone, or its link
            words = " ".join(str(error).split())
            raise SchedulerError(f"{self.name}: {type(error).__name__}: {words}") from error


class DaskScheduler:
    """The workers that a scheduler has when it is entered."""

    def __init__(self, address: str, tls: Tls | None) -> None:
        self.name, self._tls = address, tls
        self.seats: list[Seat] = []

    def __enter__(self) -> Self:
        tls = self._tls
        security = None if tls is None else Security(
            tls_ca_file=str(tls.ca), tls_client_cert=str(tls.cert), tls_client_key=str(tls.key),
            require_encryption=True,
        )  # fmt: skip
        try:
            self._client = Client(
                self.name, timeout=CONNECT_S, security=security, set_as_default=False
            )
        except Exception as error:  # of any layer: no address, nobody there, another authority
            raise SchedulerError(f"{self.name} cannot be reached: {_line(error)}") from error
        try:
            self._send_checkout()
            workers = self._client.scheduler_info(n_workers=-1)["workers"]
        except BaseException:
            self._client.close()
            raise
        if not workers:
            self._client.close()
            raise SchedulerError(f"{self.name} has no workers: dask worker {self.name}")
        self.seats = [DaskSeat(self._client, address) for address in sorted(workers)]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def tasks(
        self, module: str, orders: Iterable[list[str]]
    ) -> Iterator[tuple[int, str | TaskError]]:
        """`Scheduler.tasks`, by Dask's own recovery."""
        session = secrets.token_hex(4)  # an interrupted sweep's may still be there
        futures = {
            self._client.submit(
                on_worker.task, module, order, key=f"p2pcore-{session}-{number}", retries=RETRIES
            ): number
            for number, order in enumerate(orders)
        }
        try:
            for future in as_completed(list(futures), loop=self._client.loop):
                failed = future.status == "error"
                found = TaskError(_line(future.exception())) if failed else future.result()
                yield futures[future], found
                future.release()
        finally:
            self._client.cancel(list(futures), force=True)

    def _send_checkout(self) -> None:
        core = subject.core_dir()
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, path in travels(SUITE_PARENT, core):
                archive.write(path, name)
        package = about(SUITE_PARENT, core)["package"][:16]
        plugin = _UnpacksPlugin(package, data.getvalue())
        try:
            self._client.register_plugin(plugin, name=f"p2pcore {package}")
        except Exception as error:
            raise SchedulerError(f"the checkout could not be unpacked: {_line(error)}") from error


def _line(error: BaseException | None) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
