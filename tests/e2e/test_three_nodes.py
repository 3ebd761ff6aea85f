"""Three nodes, as processes: what is stored through one is read through another, and survives."""

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")


def test_a_record_survives_a_killed_replica(
    serve: Callable[..., Any], command: Callable[..., Any]
) -> None:
    first = serve()
    second = serve("--join", first.address)
    third = serve("--join", f"{first.address}#{first.node_id}")

    stored = command("put", "greeting", "hello", "--via", first.address, "--json")
    assert stored.returncode == 0, stored.stderr
    receipt = json.loads(stored.stdout)
    assert receipt["replicas"] == 3
    assert receipt["acks"] >= 2
    got = command("get", "greeting", "--via", second.address)
    assert (got.returncode, got.stdout) == (0, b"hello"), got.stderr

    third.process.kill()
    assert third.wait_exit() == -signal.SIGKILL
    for node in (first, second):
        got = command("get", "greeting", "--via", third.address, "--via", node.address)
        assert (got.returncode, got.stdout) == (0, b"hello"), got.stderr
    assert command("put", "greeting", "again", "--via", second.address).returncode == 0
    assert command("get", "greeting", "--via", first.address).stdout == b"again"

    first.process.send_signal(signal.SIGTERM)
    assert first.wait_exit() == 0
    # One of three is left, and two must answer: it says so instead of guessing.
    got = command("get", "greeting", "--via", second.address, "--timeout", "2")
    assert got.returncode == 4, got.stderr
    second.process.send_signal(signal.SIGINT)
    assert second.wait_exit() == 0


def test_what_was_deleted_is_gone_through_every_node(
    serve: Callable[..., Any], command: Callable[..., Any]
) -> None:
    first = serve("--replicas", "2")
    second = serve("--replicas", "2", "--join", first.address)
    assert command("put", "k", "v", "--via", first.address).returncode == 0
    assert command("delete", "k", "--via", second.address).returncode == 0
    for node in (first, second):
        got = command("get", "k", "--via", node.address)
        assert (got.returncode, got.stdout) == (1, b"")
        assert got.stderr.splitlines()[-1] == b"p2pcore: no record under 'k'"
