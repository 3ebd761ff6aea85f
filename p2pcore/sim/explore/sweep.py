"""Many runs on all processors, one process each at a time.

Rule: the processes share nothing; what each run finds depends on its scenario alone.
"""

import signal
from collections.abc import Generator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from multiprocessing import get_context

from p2pcore.sim.checkers.known_failures import known_failure
from p2pcore.sim.explore.play import Outcome, play
from p2pcore.sim.explore.scenarios import draw
from p2pcore.sim.explore.shrink import shrunk

__all__ = ["outcomes"]

STORY_LINES = 40  # of each failing run that are kept


def outcomes(
    runs: list[tuple[str, int]], *, jobs: int, shrink: bool
) -> Generator[Outcome, None, None]:
    """Play (scenario, seed) pairs; yields what came of each as it is done.

    When the consumer is interrupted or stops, what has not begun is not played.
    """
    with ProcessPoolExecutor(jobs, get_context("spawn"), _in_worker) as pool:
        pending = {pool.submit(_play, name, seed, shrink) for name, seed in runs}
        try:
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _in_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the sweep's own process sees to that


def _play(name: str, seed: int, shrink: bool) -> Outcome:
    outcome = play(draw(name, seed))
    if shrink and not outcome.ok and known_failure(name, outcome.broken) is None:
        outcome = shrunk(outcome)
    del outcome.story[:-STORY_LINES]
    return outcome
