"""Our side of a process that runs on a seat: what `children.Child` is to one of this machine.

Theory of operation. One thread per process looks after it: it passes questions on, takes answers in
their order, and appends what the process wrote to copies of its files here. So a seat that hangs
holds up nobody else. Every answer and every new byte is a *word* of the process; whoever waits
for it looks at the age of the last one, whatever the scheduler says.

Rule: knows no question and no file by its meaning.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.common.children import ANSWER_S, READY_S, ChildError
from perflab.cluster.scheduler import SchedulerError, Seat
from perflab.cluster.station import MOST_BYTES

__all__ = ["Posted", "RemoteChild"]

BUSY_BEAT_S, BEAT_S = 0.02, 0.5  # between looks: while somebody waits for an answer, and else
STOP_S = 25.0
SETTLE_S = 10.0


class Posted:
    """A question, and its answer when that is there."""

    def __init__(self, what: str, waited_for: bool = True) -> None:
        self.what, self.waited_for, self.came = what, waited_for, threading.Event()
        self.answer: dict[str, Any] = {}


class RemoteChild:
    """One process on a seat; `number` is in the names of all its files."""

    self_metrics = None

    def __init__(
        self,
        seat: Seat,
        number: int,
        module: str,
        arguments: list[str],
        environment: Mapping[str, str],
        copies: Path,
    ) -> None:
        self.seat = seat
        self.pid = seat.start(module, arguments, environment)
        self.exit_code: int | None = None
        self.trouble = ""
        self._words = ""
        self._copies, self._sizes = copies, dict[str, int]()
        self._may_be_named = re.compile(rf"[a-z]+-{number}\.[a-z]+")
        self._lines = 0
        self._ready = Posted("become ready")
        self._asked, self._outbox = deque([self._ready]), deque[bytes]()
        self._word_s = time.monotonic()
        self._wake, self._closed = threading.Event(), False
        self._thread = threading.Thread(target=self._attend, name=f"share {number}", daemon=True)
        self._thread.start()

    @property
    def silent_s(self) -> float:
        """Since its last word."""
        return time.monotonic() - self._word_s

    def wait_ready(self) -> dict[str, Any]:
        """The ready line; ChildError with the process's words if none comes."""
        return self._await(self._ready, READY_S)

    def ask(self, question: dict[str, Any], within_s: float = ANSWER_S) -> dict[str, Any]:
        """Send a question and wait for its answer; ChildError if there is none."""
        return self._await(self.post(question, waited_for=True), within_s)

    def post(self, question: dict[str, Any], *, waited_for: bool = False) -> Posted:
        """Send a question, now if its answer is waited for, else with the next look."""
        posted = Posted(f"answer {question}", waited_for)
        self._asked.append(posted)
        self._outbox.append(json.dumps(question).encode() + b"\n")
        if waited_for:
            self._wake.set()
        return posted

    def answer_to(self, posted: Posted, within_s: float = ANSWER_S) -> dict[str, Any]:
        """Wait for the answer to a question that was posted; ChildError as of `ask`."""
        return self._await(posted, within_s)

    def copies_differ(self) -> list[str]:
        """The files whose copy here is not the file there, once nothing more is written. Waits for
        what is still under way; raises SchedulerError."""
        deadline_s = time.monotonic() + SETTLE_S
        while True:
            theirs = self.seat.digests()
            bad = [name for name, digest in theirs.items() if self._digest(name) != digest]
            if not bad or time.monotonic() > deadline_s:
                return bad
            self._wake.set()
            self._thread.join(BUSY_BEAT_S)

    def release(self) -> None:
        """Tell it to end, without waiting."""
        if not self._closed:
            try:
                self.seat.end()
            except SchedulerError as error:
                self.trouble = str(error)
        self._wake.set()

    def abandon(self) -> None:
        """Wait for it no more: nothing it says from now on counts."""
        self._closed = True
        self._wake.set()

    def stop(self) -> None:
        """See it gone; ChildError if it failed. One that was abandoned is let go."""
        deadline_s = time.monotonic() + STOP_S
        while self.exit_code is None and not self._closed and time.monotonic() < deadline_s:
            self._wake.set()
            self._thread.join(BUSY_BEAT_S)
        abandoned, self._closed = self._closed, True
        self._wake.set()
        if not abandoned:
            self._thread.join(STOP_S)
        try:
            self.seat.let_go()
        except SchedulerError as error:
            self.trouble = str(error)
        if not abandoned and self.exit_code != 0:
            raise ChildError(f"share on {self.seat.name} ended with {self.exit_code}{self.words()}")

    def words(self) -> str:
        """What it wrote to its standard error, and what its seat says, for a message."""
        told = [
            each for each in (self.trouble, self._words and f"it wrote:\n{self._words}") if each
        ]
        return "".join(f"; {each}" for each in told)

    def _await(self, posted: Posted, within_s: float) -> dict[str, Any]:
        deadline_s = time.monotonic() + within_s
        while not posted.came.wait(BUSY_BEAT_S):
            if self.exit_code is not None or time.monotonic() > deadline_s:
                state = "is silent" if self.exit_code is None else f"ended with {self.exit_code}"
                raise ChildError(
                    f"share on {self.seat.name} {state} and did not {posted.what} (it has "
                    f"{within_s:.0f} s){self.words()}"
                )
        if "error" in posted.answer:
            raise ChildError(
                f"share on {self.seat.name} could not {posted.what}: {posted.answer['error']}"
            )
        return posted.answer

    # The thread

    def _attend(self) -> None:
        while not self._closed:
            self._wake.clear()
            try:
                questions = list(self._outbox)
                seen = self.seat.look(self._lines, self._sizes, b"".join(questions))
                for _ in questions:
                    self._outbox.popleft()
                while self._take(seen):
                    seen = self.seat.look(self._lines, self._sizes)
                self.trouble = self.seat.trouble()
            except SchedulerError as error:
                self.trouble = str(error)
            if not self._closed:
                hurry = any(each.waited_for for each in list(self._asked))
                self._wake.wait(BUSY_BEAT_S if hurry else BEAT_S)

    def _take(self, seen: Mapping[str, Any]) -> bool:
        """Keep what is new; whether there may be more at once."""
        if self._closed:
            return False
        for name, data in seen["files"].items():
            if self._may_be_named.fullmatch(name):  # else it is not one of its own
                with (self._copies / name).open("ab") as file:
                    file.write(data)
            self._sizes[name] = self._sizes.get(name, 0) + len(data)
        for line in seen["lines"]:
            self._lines += 1
            self._answered(line)
        if seen["files"] or seen["lines"]:
            self._word_s = time.monotonic()
        if seen["exit"] is not None:
            self._words = seen["words"]
            self.exit_code = seen["exit"]
        return any(len(data) >= MOST_BYTES for data in seen["files"].values())

    def _answered(self, line: bytes) -> None:
        if not self._asked:
            return
        posted = self._asked.popleft()
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            answer = {"error": f"{line[:100]!r} is no JSON object"}
        posted.answer = answer
        posted.came.set()

    def _digest(self, name: str) -> str:
        path = self._copies / name
        if not path.exists():
            return ""
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
