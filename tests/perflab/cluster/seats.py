"""A seat without a process: what it is told is kept, and what it is to say is put in."""

from collections.abc import Mapping
from typing import Any

from perflab.cluster.scheduler import SchedulerError


class ScriptedSeat:
    """Answers each line by `answers` in turn."""

    here = False

    def __init__(self, name: str = "far", **about: str) -> None:
        self.name, self._about = name, about
        self.told: list[bytes] = []
        self.lines: list[bytes] = [b'{"ready": true}\n']
        self.answers: list[bytes] = []
        self.files: dict[str, bytes] = {}
        self.hashes: dict[str, str] = {}
        self.exit: int | None = None
        self.reached = True
        self.ended = False

    def about(self) -> dict[str, str]:
        return self._about

    def clock_ns(self) -> int:
        return 0

    def start(self, module: str, arguments: list[str], environment: Mapping[str, str]) -> int:
        return 4711

    def look(self, lines: int, sizes: dict[str, int], tell: bytes = b"") -> dict[str, Any]:
        if not self.reached:
            raise SchedulerError("far does not answer")
        for line in tell.splitlines(keepends=True):
            self.told.append(line)
            if self.answers:
                self.lines.append(self.answers.pop(0))
        files = {name: data[sizes.get(name, 0) :] for name, data in self.files.items()}
        return {
            "lines": self.lines[lines:],
            "files": {name: data for name, data in files.items() if data},
            "exit": self.exit,
            "words": "",
        }

    def digests(self) -> dict[str, str]:
        return self.hashes

    def end(self) -> None:
        self.exit, self.ended = 0, True

    def let_go(self) -> None:
        self.ended = True

    def trouble(self) -> str:
        return ""
