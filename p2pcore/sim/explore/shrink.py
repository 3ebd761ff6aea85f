"""A smaller run that breaks the same promise: easier to read than the one that was drawn.

Theory of operation. Faults are left out one by one, and operations cut off at the end, as long as
the same checker still finds something. Runs are cheap and replay exactly, so trying is the proof.
"""

from dataclasses import replace

from p2pcore.sim.explore.play import Outcome, play
from p2pcore.sim.explore.scenarios import Scenario

__all__ = ["shrunk"]

MAX_RUNS = 40
MAX_EVENTS = 300_000  # of the run: one that takes longer is not cheap to repeat


def shrunk(outcome: Outcome) -> Outcome:
    """The smallest run found that is broken in the same way; the given one if none is."""
    if outcome.events > MAX_EVENTS:
        return outcome
    best, runs = outcome, 0
    smaller = True
    while smaller:
        smaller = False
        for scenario in _smaller(best.scenario):
            if runs >= MAX_RUNS:
                return best
            runs += 1
            tried = play(scenario)
            if tried.broken == outcome.broken:
                best, smaller = tried, True
                break
    return best


def _smaller(scenario: Scenario) -> list[Scenario]:
    kept = scenario.kept
    fewer = [replace(scenario, keep=kept[:place] + kept[place + 1 :]) for place in range(len(kept))]
    count = scenario.operations if scenario.limit is None else scenario.limit
    cuts = [replace(scenario, limit=limit) for limit in (count // 2, count * 7 // 8)]
    return fewer + [cut for cut in cuts if cut.limit != count]
