"""`p2pcore serve --metrics` as a process."""

import json
import logging
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from p2pcore.cli import main
from p2pcore.cli.output import _JsonLines
from tests.processes import PATIENCE_S

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")
SOLO = ("--replicas", "1")


def endpoints(log: Path, count: int = 1) -> list[str]:
    """The addresses that the log tells, once there are so many."""
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        words = log.read_text().replace('"', " ").split()
        found = [word for word in words if word.startswith("http://") and "/metrics" in word]
        if len(found) >= count:
            return [word.removesuffix("/metrics") for word in found]
        assert time.monotonic() < deadline_s, log.read_text()
        time.sleep(0.01)


def ask(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_node_is_scraped_and_probed(serve: Callable[..., Any], command: Any) -> None:
    serving = serve("--metrics", "127.0.0.1:0", *SOLO)
    (url,) = endpoints(serving.log)
    assert command("put", "key", "value", "--via", serving.address).returncode == 0
    status, text = ask(f"{url}/metrics")
    assert status == 200
    told = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert told["p2pcore_store_records",] == 1
    assert told["p2pcore_replica_requests_total", "store"] == 1
    assert ask(f"{url}/healthz") == (200, "alive\n")
    assert ask(f"{url}/readyz") == (200, "ready\n")
    serving.process.send_signal(signal.SIGTERM)
    assert serving.wait_exit() == 0


def test_it_is_there_before_the_node_has_joined(launch: Callable[..., Any]) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        member = f"127.0.0.1:{nobody.getsockname()[1]}"
        serving = launch("--json", "--metrics", "127.0.0.1:0", "--join", member, *SOLO)
        (url,) = endpoints(serving.log)
        status, text = ask(f"{url}/readyz")
        assert (status, text[:7]) == (503, "joining")
        assert ask(f"{url}/healthz")[0] == 200
        serving.process.send_signal(signal.SIGTERM)
        assert serving.wait_exit() == 0


def test_each_worker_has_its_own(launch: Callable[..., Any]) -> None:
    serving = launch("--workers", "2", "--metrics", "127.0.0.1:0", *SOLO)
    ids = {serving.process.stdout.readline().split()[-1] for _ in range(2)}
    assert len(ids) == 2
    urls = endpoints(serving.log, 2)
    assert len(set(urls)) == 2
    deadline_s = time.monotonic() + PATIENCE_S
    for url in urls:
        while ask(f"{url}/readyz") != (200, "ready\n"):
            assert time.monotonic() < deadline_s, serving.log.read_text()
    serving.process.send_signal(signal.SIGTERM)
    assert serving.wait_exit() == 0


@pytest.fixture
def own_log() -> Iterator[None]:
    """`serve` in this process: its log does not outlive the test, nor its stream."""
    loggers = [logging.getLogger(), logging.getLogger("p2pcore")]
    levels, before = [each.level for each in loggers], set(loggers[0].handlers)
    yield
    for each, level in zip(loggers, levels, strict=True):
        each.setLevel(level)
    for handler in set(loggers[0].handlers) - before:
        if type(handler) is logging.StreamHandler:  # pytest's own are others
            loggers[0].removeHandler(handler)


@pytest.mark.usefixtures("own_log")
def test_an_address_that_cant_be_used(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        words = ["serve", "--json", "--listen", "127.0.0.1:0", "--metrics", address, *SOLO]
        assert main(words) == 2
    said = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert said["kind"] == "ConfigError"
    assert f"metrics: {address} can't be used" in said["error"]
    assert main(["serve", "--metrics", "9464"]) == 2
    assert "--metrics" in capsys.readouterr().err
    last = "127.0.0.1:65535"
    assert main(["serve", "--workers", "2", "--metrics", last]) == 2
    assert "65536" in capsys.readouterr().err


def test_a_line_about_one_operation_has_its_trace_id_in_json() -> None:
    record = logging.LogRecord("p2pcore.operations", logging.INFO, "", 0, "put: ok", (), None)
    vars(record).update(trace_id="ab" * 16, op="put", result="ok", seconds=0.0012, secret="no")
    told = json.loads(_JsonLines(None).format(record))
    assert told.pop("time").endswith("Z")
    assert told == {
        "level": "info", "logger": "p2pcore.operations", "message": "put: ok",
        "trace_id": "ab" * 16, "op": "put", "result": "ok", "seconds": 0.0012,
    }  # fmt: skip
