"""Child processes that cannot outlive the process that measures.

Theory of operation. A child says one JSON line on its standard output when it is ready, answers
one JSON line per line it reads, and ends when its standard input ends. The kernel closes that
pipe however the parent dies, so a parent that is killed leaves no orphans. A child that is paused
reads nothing; so each has a process group of its own, and to a group that its parent's death
leaves alone with a stopped process in it, the kernel sends SIGHUP and SIGCONT (POSIX, `_exit`). A
child that does not follow the end of its input within `GRACE_S` ends itself from the thread that
reads it; a parent that waits longer kills it by its id. And a parent that ends by itself, if only
because Ctrl-C came before it knew that it had a child, sees all of them gone first.

Two things any child can do, whatever it serves: keep self metrics that the monitor reads, and trace
its allocations when it is asked to.

Rule: knows nothing of p2pcore, sockets or swarms.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, Any, Protocol

from benchmarks.common.allocations import trace_begin, trace_end
from benchmarks.common.entered import Entered
from benchmarks.common.footprint import counts_everything, heap_bytes
from benchmarks.common.loops import running_loop
from benchmarks.common.self_metrics import SelfMetrics, self_metrics_file

__all__ = [
    "Child",
    "ChildError",
    "ChildService",
    "WithChild",
    "allow_descriptors",
    "child_environment",
    "require_running",
    "serve_parent",
    "stop_all",
]

ENTRY = Path(__file__).with_name("entry.py")
READY_S = 30.0  # an import on a machine whose cores are all busy; ten times the usual start
ANSWER_S = 30.0  # one question; the answer may include a garbage collection
SELF_METRICS = "P2PCORE_SELF_METRICS"  # tells a child where to write its self metrics
HEAP_BEATS = 2  # between counts of the heap, of 40 µs each: they walk the free lists
GRACE_S = 10.0  # from the end of input to the end of the process; a shutdown is bounded by 5 s
KILL_WAIT_S = 10.0  # the kernel reaps a killed process at once; more means a stuck system call


class ChildError(RuntimeError):
    """A child did not start, did not answer or ended with an error; the message has its words."""


class ChildService(Protocol):
    """What a child does between its ready line and the end of its input.

    One that also has `counters()`, a mapping of names to numbers, shows them in its self metrics.
    """

    async def start(self) -> dict[str, Any]:
        """Begin to serve; what is returned becomes the ready line."""

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """Answer one line of the parent."""

    async def stop(self) -> None:
        """Let go of everything, in bounded time."""


class Child:
    """One child process, from its ready line to its end; the caller's side.

    `module` is a module of the suite with `run_child(arguments)`; `core_dir` is the directory that
    holds the p2pcore package the child must use, or "-" if it uses none; `environment` is added to
    this process's. With `self_metrics` the child keeps one, and the attribute of that name is its
    file. `ready` is what the child reported. Constructing does not wait: call `wait_ready`.
    """

    def __init__(
        self,
        module: str,
        arguments: list[str],
        core_dir: str = "-",
        environment: dict[str, str] | None = None,
        *,
        self_metrics: bool = False,
    ) -> None:
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 -- closed by stop()
        self.ready: dict[str, Any] = {}
        self.self_metrics = self_metrics_file() if self_metrics else None
        place = {SELF_METRICS: str(self.self_metrics)} if self.self_metrics else {}
        with _interrupt_later():
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(ENTRY), module, core_dir, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                env=child_environment() | (environment or {}) | place,
                process_group=0,
            )
            _begun.add(self)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """What it ended with, a signal below 0; None while it runs."""
        return self._process.poll()

    def wait_ready(self) -> dict[str, Any]:
        """The child's ready line; raises ChildError with the child's own words if none comes."""
        self.ready = self._read_line(READY_S, "become ready")
        return self.ready

    def ask(self, question: dict[str, Any], within_s: float = ANSWER_S) -> dict[str, Any]:
        """Send one line and wait for its answer."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            self._process.stdin.flush()
        except (OSError, ValueError) as error:  # a ValueError after `kill`: the pipe is closed
            raise ChildError(f"child {self.pid} is gone: {error}{self.words()}") from error
        return self._read_line(within_s, f"answer {question}")

    def trace_begin(self) -> None:
        """Have the child trace its allocations, which slows it down; see `allocations`."""
        self.ask({"trace": "begin"})

    def trace_end(self) -> list[dict[str, Any]]:
        """The lines of source whose allocations grew since `trace_begin`, the largest first."""
        sites: list[dict[str, Any]] = self.ask({"trace": "end"})["sites"]
        return sites

    def kill(self) -> None:
        """End the child by SIGKILL, as a crash would; returns once it is gone. `stop` is not needed
        after this."""
        self._process.kill()
        self._process.wait(KILL_WAIT_S)
        self._close()

    def pause(self) -> None:
        """Stop the child: nothing runs until `resume`, nothing is closed. Returns once it stands
        still: one that stops after its parent's death would stay for ever."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        """Let a paused child go on where it was."""
        self._process.send_signal(signal.SIGCONT)

    def release(self) -> None:
        """Tell the child to end, without waiting: several children then end side by side."""
        assert self._process.stdin is not None
        self.resume()  # a paused one would not notice
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def stop(self) -> None:
        """End the child and see it gone; raises ChildError if it had to be killed or failed."""
        self.release()
        killed = False
        try:
            self._process.wait(GRACE_S + KILL_WAIT_S)
        except subprocess.TimeoutExpired:
            killed = True
            self._process.kill()
            self._process.wait(KILL_WAIT_S)
        words = self.words()
        self._close()
        if isinstance(sys.exc_info()[1], KeyboardInterrupt):
            return  # says more, and is not to be hidden
        if killed:
            raise ChildError(f"child {self.pid} ignored the end of its input, killed{words}")
        if self._process.returncode:
            raise ChildError(f"child {self.pid} ended with {self._process.returncode}{words}")

    def _read_line(self, within_s: float, what: str) -> dict[str, Any]:
        """One line of the child, read with a deadline by a watchdog that kills a mute child."""
        assert self._process.stdout is not None
        watchdog = threading.Timer(within_s, self._process.kill)
        watchdog.daemon = True  # Ctrl-C may come before it can be cancelled
        try:
            watchdog.start()
            line = self._process.stdout.readline()
        finally:
            watchdog.cancel()
        if not line:
            code = self._process.wait(KILL_WAIT_S)
            raise ChildError(
                f"child {self.pid} ended with {code} and did not {what} "
                f"(it has {within_s:.0f} s){self.words()}"
            )
        answer = json.loads(line)
        if not isinstance(answer, dict):
            raise ChildError(f"child {self.pid} said {line!r}, not a JSON object{self.words()}")
        if "error" in answer:
            raise ChildError(f"child {self.pid} could not {what}: {answer['error']}{self.words()}")
        return answer

    def _close(self) -> None:
        assert self._process.stdout is not None
        _begun.discard(self)
        self.release()
        self._process.stdout.close()
        self._stderr.close()
        if self.self_metrics is not None:  # a child that was killed has left it
            self.self_metrics.unlink(missing_ok=True)

    def words(self) -> str:
        """The last of what the child wrote to its standard error, for a message."""
        if self._stderr.closed:
            return ""
        self._stderr.seek(0)
        text = self._stderr.read().decode(errors="replace").strip()
        return f"; it wrote:\n{text[-2000:]}" if text else ""


class WithChild(Entered):
    """The parent's side of what one child does: it is ready on entering, and gone on leaving."""

    _child: Child

    def _enter(self) -> None:
        self._stack.callback(self._child.stop)
        self._child.wait_ready()


class Ending(Protocol):
    """What can be told to end, and then be seen to."""

    def release(self) -> None: ...

    def stop(self) -> None: ...


def stop_all(children: Sequence[Ending]) -> None:
    """End children side by side; all of them, even if one has something to complain about."""
    for child in children:
        child.release()
    with contextlib.ExitStack() as stack:
        for child in children:
            stack.callback(child.stop)


def require_running() -> None:
    """Raise ChildError, with its words, if a child has ended that nobody has ended."""
    for child in list(_begun):
        code = child.exit_code
        if code is not None:
            raise ChildError(f"child {child.pid} ended with {code} by itself{child.words()}")


_begun: set[Child] = set()  # and not seen gone yet


@atexit.register
def _stop_forgotten() -> None:
    with contextlib.suppress(ChildError):  # nobody is left to hear it
        stop_all(list(_begun))


@contextlib.contextmanager
def _interrupt_later() -> Iterator[None]:
    """Keep Ctrl-C waiting, in the thread that it would interrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    handler = signal.signal(signal.SIGINT, lambda *call: came.append(call))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if came and callable(handler):
            handler(*came[0])


def _self_metrics(service: ChildService) -> SelfMetrics | None:
    """The self metrics that the parent wishes, beating; None if it wishes none."""
    place = os.environ.pop(SELF_METRICS, None)
    if place is None:
        return None
    self_metrics = SelfMetrics(Path(place))
    counters = getattr(service, "counters", None)
    if counters is not None:
        self_metrics.register_group(counters, "counter")
    if counts_everything():
        self_metrics.register(
            "heap", "B", "gauge", lambda: heap_bytes(collect=False) or 0, every=HEAP_BEATS
        )
    self_metrics.start()
    return self_metrics


def child_environment() -> dict[str, str]:
    """This environment, with PYTHONPATH cut to what this process really imports from.

    asv takes the entries of PYTHONPATH out of its benchmark processes' sys.path but leaves the
    variable; a child would see other packages than its parent.
    """
    environment = dict(os.environ)
    inherited = environment.pop("PYTHONPATH", "")
    kept = [place for place in inherited.split(os.pathsep) if place and place in sys.path]
    if kept:
        environment["PYTHONPATH"] = os.pathsep.join(kept)
    return environment


def serve_parent(service: ChildService, loop_kind: str, source: str | None = None) -> None:
    """Run a service until the parent closes this process's standard input; the child's side."""
    finished = threading.Event()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        questions: asyncio.Queue[bytes] = asyncio.Queue()
        threading.Thread(
            target=_listen,
            args=(lambda line: loop.call_soon_threadsafe(questions.put_nowait, line), finished),
            daemon=True,
        ).start()
        self_metrics = None
        try:
            ready = await service.start()
            self_metrics = _self_metrics(service)
            _say(ready)
            while line := await questions.get():
                _say(await _answered(service.answer, line))
        finally:
            if self_metrics is not None:
                self_metrics.close()
            await service.stop()

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    with running_loop(loop_kind, source) as runner:
        runner.run(main())
    finished.set()


def allow_descriptors(wanted: int) -> None:
    """Raise the limit of open files as far as this process may; children inherit it."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _listen(pass_on: Callable[[bytes], object], finished: threading.Event) -> None:
    """Pass each line of standard input on; an empty one at its end, and then see the end come."""
    pending = b""
    # Not sys.stdin: a thread that waits inside its lock aborts the interpreter's shutdown.
    while chunk := os.read(0, 65536):
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            pass_on(line + b"\n")
    with contextlib.suppress(RuntimeError):  # the loop has ended by itself
        pass_on(b"")
    if not finished.wait(GRACE_S):
        os._exit(3)  # a loop that hangs must not outlive the one who measures


async def _answered(
    answer: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]], line: bytes
) -> dict[str, Any]:
    try:
        match question := json.loads(line):
            case {"trace": "begin"}:
                trace_begin()
                return {}
            case {"trace": "end"}:
                return {"sites": trace_end()}
        return await answer(question)
    except Exception as error:  # the parent is told; the service goes on
        return {"error": f"{type(error).__name__}: {error}"}


def _say(message: dict[str, Any]) -> None:
    """One JSON line to the parent; a parent that is gone is noticed by the end of input."""
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()
