"""A real Prometheus that scrapes each second, with rules of ours; and waiting for what it says."""

import asyncio
import contextlib
import json
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from perflab.production.command import RULES
from perflab.production.rules import RuleSet

__all__ = ["LIMIT_S", "LivePrometheus", "free_ports", "until"]

LIMIT_S = 120


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


async def until(what: str, condition: Callable[[], Any]) -> Any:
    """What a condition answers as soon as it is something."""
    deadline = time.monotonic() + LIMIT_S
    while not (found := await asyncio.to_thread(condition)):
        assert time.monotonic() < deadline, f"{what}: not within {LIMIT_S} s"
        await asyncio.sleep(0.2)
    return found


class LivePrometheus:
    """The process, and what it is asked."""

    def __init__(self, folder: Path, scraped: Sequence[str], rules: RuleSet) -> None:
        program = shutil.which("prometheus")
        if program is None:
            pytest.skip("Prometheus is not on the PATH: Debian's package prometheus has it")
        (folder / RULES).write_text(yaml.safe_dump(rules.rules()))
        settings = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [RULES],
            "scrape_configs": [
                {"job_name": rules.job, "static_configs": [{"targets": list(scraped)}]}
            ],
        }
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(settings))
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        command = [program, f"--config.file={folder / 'prometheus.yaml'}"]
        command += [f"--storage.tsdb.path={folder / 'data'}"]
        command += [f"--web.listen-address=127.0.0.1:{port}"]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def end(self) -> None:
        self._process.kill()
        self._process.wait(30)

    def ask(self, path: str, **query: str) -> Any:
        """What Prometheus answers; None while it does not."""
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]
        return None

    def alerts(self, name: str, **labels: str) -> list[dict[str, Any]] | None:
        """Those of a name and with these labels that fire; None while nobody can be asked."""
        found = self.ask("alerts")
        if found is None:
            return None
        return [
            each
            for each in found["alerts"]
            if each["labels"].items() >= {"alertname": name, **labels}.items()
            and each["state"] == "firing"
        ]

    def firing(self, name: str) -> list[str] | None:
        """Whose alert fires; None while nobody can be asked."""
        found = self.alerts(name)
        return None if found is None else [each["labels"].get("instance", "") for each in found]

    def value(self, query: str) -> list[Any]:
        """The series that have a figure now."""
        found = self.ask("query", query=query)
        return [each for each in found["result"] if each["value"][1] != "NaN"] if found else []
