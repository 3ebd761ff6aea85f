"""Processes of the command line, as fixtures for the tests that need real ones."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

PATIENCE_S = 60.0  # for anything that a process does; far above what it takes on a busy machine
PYTHON = [sys.executable, "-W", "error"]


def environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k != "P2PCORE_NETWORK_KEY_FILE"}


class Serving:
    """A `p2pcore serve` that has said where it is."""

    def __init__(self, log: Path, *words: str, python: list[str] | None = None) -> None:
        self.log = log
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [*(python or [*PYTHON, "-m", "p2pcore"]), "serve", *words],
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=environment(),
                text=True,
            )

    def wait_ready(self) -> None:
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()  # ends with the process, if not before
        assert self.line.startswith("serving "), self.log.read_text()
        _, self.address, _, self.node_id = self.line.split()

    def wait_exit(self) -> int:
        return self.process.wait(PATIENCE_S)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Serving]]:
    """Starts `p2pcore serve` with these words; nothing is awaited. All end with the test."""
    started: list[Serving] = []

    def start(*words: str, python: list[str] | None = None) -> Serving:
        serving = Serving(tmp_path / f"serve-{len(started)}.log", *words, python=python)
        started.append(serving)
        return serving

    try:
        yield start
    finally:
        for serving in started:
            serving.end()


@pytest.fixture
def serve(launch: Callable[..., Serving]) -> Callable[..., Serving]:
    """Starts `p2pcore serve` with these words; returns once it has joined."""

    def start(*words: str) -> Serving:
        serving = launch(*words)
        serving.wait_ready()
        return serving

    return start


@pytest.fixture
def command() -> Callable[..., "subprocess.CompletedProcess[bytes]"]:
    """Runs one command to its end."""

    def run(*words: str) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            [*PYTHON, "-m", "p2pcore", *words],
            capture_output=True,
            env=environment(),
            timeout=PATIENCE_S,
            check=False,
        )

    return run


@contextmanager
def busy_core() -> Iterator[None]:
    """Another process takes all of a processor that it can get."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
        assert psutil.Process(process.pid).cpu_times().user > 0
    finally:
        process.kill()
        process.wait()
