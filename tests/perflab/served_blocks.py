"""A real Prometheus that serves blocks, and nothing that it scrapes: what it answers is known."""

import contextlib
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

__all__ = ["blocks", "served"]

READY_S = 60.0


def blocks(folder: Path, openmetrics: Path) -> Path:
    """The folder with the blocks that promtool makes of a file; more may go to the same one."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on the PATH: Debian's package prometheus has it")
    data = folder / "data"
    command = [promtool, "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=768h"]
    made = subprocess.run([*command, str(openmetrics), str(data)], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return data


@contextlib.contextmanager
def served(data: Path) -> Iterator[str]:
    """The address of a Prometheus that serves blocks."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("Prometheus is not on the PATH: Debian's package prometheus has it")
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
        deadline = time.monotonic() + READY_S
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://{address}/-/ready", timeout=5).close()
                break
            assert process.poll() is None, "Prometheus has ended"
            assert time.monotonic() < deadline, f"Prometheus is not ready after {READY_S:g} s"
            time.sleep(0.05)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(30)
