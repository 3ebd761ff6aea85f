"""`python -m tests.perflab.canary.trials RUNS [BURN]`: real canaries here, one after another.

Without BURN both sides are equal; with it, the candidate's nodes do so many empty loops more for
each message (`worse_child.py`). A line for each run: the ruling, and what each figure can be.
Each run takes a minute at most; nothing else may run meanwhile."""

import os
import sys
import threading
from collections import Counter
from pathlib import Path

from benchmarks.common import subject
from perflab.canary.judge import FIGURES, CanaryJudge
from perflab.canary.plan import CanaryPlan
from perflab.canary.record import PairOfSlots, Ruling
from perflab.canary.report import interval
from perflab.canary.run import CanaryRun
from perflab.canary.sides import ServedSide
from tests.perflab.canary import worse_child


class _TrialSide(ServedSide):
    child_module = "worse_child"


class _Nobody:
    def say(self, text: str) -> None:
        pass

    def pair(self, pair: PairOfSlots, judge: CanaryJudge) -> None:
        pass


def trial(seed: int, environment: dict[str, str]) -> tuple[Ruling, CanaryJudge]:
    """One canary of a minute at most, the candidate with this in its nodes' environment."""
    plan = CanaryPlan(seed=seed)
    baseline, candidate = (
        _TrialSide(
            name,
            subject.core_dir(),
            plan,
            run="trial",
            nodes=3,
            loop=subject.default_loop(),
            switches={},
            environment=each,
        )
        for name, each in (("baseline", {}), ("candidate", environment))
    )
    judge = CanaryJudge(FIGURES)
    with baseline, candidate:
        ruling = CanaryRun(
            plan=plan,
            baseline=baseline,
            candidate=candidate,
            judge=judge,
            watcher=_Nobody(),
            stop=threading.Event(),
        ).run()
    return ruling, judge


def main(arguments: list[str]) -> None:
    """Run the trials and tell each as it ends."""
    here = str(Path(worse_child.__file__).parent)
    sys.path.insert(0, here)
    os.environ["PYTHONPATH"] = here
    environment = {worse_child.BURN: arguments[1]} if len(arguments) > 1 else {}
    said: Counter[str] = Counter()
    for number in range(int(arguments[0])):
        seed = int.from_bytes(os.urandom(4))
        ruling, judge = trial(seed, environment)
        said[f"{ruling.verdict} {ruling.decided_by}".strip()] += 1
        figures = "; ".join(f"{each.name} {interval(each)}" for each in judge.standings())
        print(
            f"{number + 1:3} seed {seed:10} {ruling.seconds:5.1f} s {ruling.pairs:4} pairs: "
            f"{ruling.verdict} {ruling.decided_by} ({figures})",
            flush=True,
        )
    print(dict(said))


if __name__ == "__main__":
    main(sys.argv[1:])
