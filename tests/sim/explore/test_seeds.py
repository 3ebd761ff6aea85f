"""Bugs that sweeps have found in the core, each as the scenario and seed that showed it.

What a seed draws changes with `scenarios.py`; these were looked up anew then, with the mend undone.
"""

import pytest

from p2pcore.sim.explore.play import play
from p2pcore.sim.explore.scenarios import draw


@pytest.mark.parametrize(
    ("scenario", "seed"),
    [
        # A coordinator, late, put a client's old value under a newer version than those of writes
        # that had been acknowledged since: read-your-writes.
        ("partition", 21),
        ("partition", 24),
        # Two nodes that joined at the same time did not know each other, and both counted for the
        # same keys: readiness.
        ("calm", 5),
        ("tombstones", 3),
        # A clock that was an hour ahead for seconds made tombstones of records that had not ended,
        # of the same versions, for ever: contents.
        ("clocks", 2),
        ("clocks", 3),
        # What had expired too early came back from one neighbour in turn, which most hold nothing
        # of: contents.
        ("clocks", 30),
        # A write counted the acknowledgement of a replica together with that of the node that had
        # taken its place since, a round later: the two others lacked it. readiness.
        ("power", 38),
        # Who was on probation stayed so when the link on which it was asked ended, and another was
        # there: half of a network did not know the other half: convergence.
        ("moments", 24),
        # Somebody new came while all others were on their way back after a loss of power. It
        # counted, and so did they, before those were there that held the last writes: readiness.
        ("moments", 83),
        # A newcomer took itself for a replica of distant keys, pulled their records, and could
        # not find those who were to have them, so that it kept them for ever: convergence.
        pytest.param("large", 1111, marks=pytest.mark.slow),
    ],
)
def test_it_does_not_come_back(scenario: str, seed: int) -> None:
    outcome = play(draw(scenario, seed))
    assert outcome.ok, f"{outcome.broken}: {outcome.text}\n" + "\n".join(outcome.story)
