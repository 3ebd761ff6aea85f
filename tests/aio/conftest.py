"""Every test of this folder runs on both event loops, and leaves nothing behind."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import psutil
import pytest
import uvloop

from tests.aio.support import eventually

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.SelectorEventLoop,
    "uvloop": uvloop.new_event_loop,
}

# libuv opens pipes of its own with a process's first loop: before any test counts what is open.
uvloop.new_event_loop().close()


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return LOOPS


def sockets() -> list[tuple[int, object, object]]:
    """What this process has open towards the network."""
    connections = psutil.Process().net_connections(kind="inet")
    return sorted((c.fd, str(c.laddr), str(c.raddr)) for c in connections)


def files() -> list[str]:
    """What every open descriptor leads to, where the system tells."""
    found = []
    for descriptor in Path("/proc/self/fd").glob("*"):
        with contextlib.suppress(OSError):  # the one that this listing needed itself
            found.append(str(descriptor.readlink()).split("[")[0])  # numbers change by themselves
    return sorted(name for name in found if name != os.devnull)  # libuv keeps one in reserve


def timers(loop: asyncio.AbstractEventLoop) -> list[asyncio.TimerHandle]:
    """Those still to fire; uvloop does not tell."""
    scheduled: list[asyncio.TimerHandle] = getattr(loop, "_scheduled", [])
    return [timer for timer in scheduled if not timer.cancelled()]


@pytest.fixture(autouse=True)
async def nothing_left(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """No socket, descriptor, task or timer outlives the nodes and clients of a test."""
    before, files_before = sockets(), files()
    yield
    # A transport that was told to close does so in one of the next turns of the loop.
    await eventually(lambda: sockets() == before)
    await eventually(lambda: files() == files_before, 2)
    assert {task for task in asyncio.all_tasks() if task is not asyncio.current_task()} == set()
    assert timers(asyncio.get_running_loop()) == []
