"""Many runs on all processors, one process each at a time.

Rule: the processes share nothing; what each run finds depends on its scenario alone.

Workers never see Ctrl-C, which is the sweep's own to handle: it is blocked where they are spawned,
and they inherit that. They are ended in the middle of a run when the sweep is, however it ends; if
it is killed, each notices by itself.
"""

import os
import signal
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from p2pcore.sim.checkers.known_failures import known_failure
from p2pcore.sim.explore.play import Outcome, play
from p2pcore.sim.explore.scenarios import draw
from p2pcore.sim.explore.shrink import shrunk

__all__ = ["SweepError", "outcomes"]

STORY_LINES = 40  # of each failing run that are kept


class SweepError(RuntimeError):
    """A worker failed, which is no outcome of its run; the message names both."""


def outcomes(
    runs: list[tuple[str, int]], *, jobs: int, shrink: bool
) -> Generator[Outcome, None, None]:
    """Play (scenario, seed) pairs; yields what came of each as it is done.

    When the consumer is interrupted or stops, what is not over is given up, and no process is left.
    """
    left = iter(runs)
    with _workers(min(jobs, len(runs)), shrink) as workers:
        playing: dict[Any, tuple[str, int]] = {}
        for pipe, run in zip(workers, left, strict=False):
            pipe.send(run)
            playing[pipe] = run
        while playing:
            for pipe in _ready(list(playing)):
                found = _result(pipe, workers, playing.pop(pipe))
                following = next(left, None)
                if following is not None:
                    pipe.send(following)
                    playing[pipe] = following
                yield found


@contextmanager
def _workers(count: int, shrink: bool) -> Iterator[dict[Any, SpawnProcess]]:
    """So many processes that play what their pipes bring; gone on leaving."""
    context = get_context("spawn")
    found: dict[Any, SpawnProcess] = {}
    resource_tracker.ensure_running()  # when it is begun, it lets Ctrl-C through again
    try:
        for _ in range(count):
            here, there = context.Pipe()
            process = context.Process(target=_work, args=(there, shrink), daemon=True)
            found[here] = process
            with _interrupts_held():
                process.start()
            there.close()
        yield found
    finally:
        begun = [process for process in found.values() if process.pid is not None]
        for process in begun:
            process.terminate()
        for process in begun:
            process.join()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Let Ctrl-C wait; a process that is begun meanwhile never gets it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ready(pipes: list[Any]) -> list[Any]:
    """Those that have something to say; waits for one."""
    return list(connection.wait(pipes))


def _result(pipe: Any, workers: dict[Any, SpawnProcess], run: tuple[str, int]) -> Outcome:
    """What a worker says of its run; SweepError if it says nothing, or that it failed."""
    place = f"{run[0]}, seed {run[1]}"
    try:
        found = pipe.recv()
    except EOFError:
        workers[pipe].join()
        code = workers[pipe].exitcode
        raise SweepError(f"a worker ended with {code} while it played {place}") from None
    if isinstance(found, Outcome):
        return found
    raise SweepError(f"a worker failed at {place}: {found}")


def _work(pipe: "Connection[Any, Any]", shrink: bool) -> None:
    """The worker's side: plays until its pipe is closed, or its parent gone."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            name, seed = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(_play(name, seed, shrink))
        except Exception as error:
            pipe.send(f"{type(error).__name__}: {error}")


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _play(name: str, seed: int, shrink: bool) -> Outcome:
    outcome = play(draw(name, seed))
    if shrink and not outcome.ok and known_failure(name, outcome.broken) is None:
        outcome = shrunk(outcome)
    del outcome.story[:-STORY_LINES]
    return outcome
