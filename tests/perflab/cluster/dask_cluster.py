"""A scheduler of Dask and its workers on this machine, by Dask's own commands.

python -m tests.perflab.cluster.dask_cluster --workers 3     # until Ctrl-C
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

READY_S = 120.0  # on a crowded machine; an import of Dask alone takes seconds


class DaskCluster:
    """So many workers, from entering to leaving; with Dask's defaults, so that a worker that is
    killed has the consequences that it has elsewhere."""

    def __init__(self, workers: int, tls: list[str] | None = None) -> None:
        self._many, self._tls = workers, tls or []
        self._folder = tempfile.TemporaryDirectory(prefix="dask-")
        self._file = Path(self._folder.name) / "scheduler.json"
        self.address = ""
        self.workers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self._protocol = ["--protocol", "tls"] if self._tls else []
        self._scheduler = self._start(
            "scheduler", "--scheduler-file", str(self._file), "--port", "0", "--no-dashboard",
            "--host", "127.0.0.1", *self._protocol, *self._tls,
        )  # fmt: skip
        try:
            self._until(self._file.exists)
            self.address = json.loads(self._file.read_text())["address"]
            for _ in range(self._many):
                self.workers.append(self.start_worker())
        except BaseException:
            self._stop()
            raise
        return self

    def start_worker(self) -> subprocess.Popen[bytes]:
        """One more; it may take seconds until the scheduler has it."""
        folder = tempfile.mkdtemp(dir=self._folder.name)
        return self._start(
            "worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard",
            "--local-directory", folder, *self._protocol, *self._tls,
        )  # fmt: skip

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        for process in (*self.workers, self._scheduler):
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in (*self.workers, self._scheduler):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._folder.cleanup()

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        log = (Path(self._folder.name) / "log").open("ab")
        with log:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", "dask", *words],
                cwd=self._folder.name, stdout=log, stderr=log,
            )  # fmt: skip

    def _until(self, condition: object) -> None:
        assert callable(condition)
        deadline_s = time.monotonic() + READY_S
        while not condition():
            log = (Path(self._folder.name) / "log").read_text(errors="replace")
            assert self._scheduler.poll() is None, log
            assert time.monotonic() < deadline_s, log
            time.sleep(0.1)


def main() -> int:
    """Print the address, and the ids of the workers' processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=3)
    with DaskCluster(parser.parse_args().workers) as cluster:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        print(cluster.address, *(worker.pid for worker in cluster.workers), flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    return 0


if __name__ == "__main__":
    sys.exit(main())
