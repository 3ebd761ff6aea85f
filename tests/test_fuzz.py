"""The short form of `fuzz.py`: a million events by hand, some thousands here."""

import pytest

from p2pcore.session import answers, pending
from p2pcore.wire.messages import Confirmed, Message, Reply
from tests.fuzz import Fuzz


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["node", "client"])
def test_peers_that_say_anything(kind: str, seed: int) -> None:
    """Nothing is raised, nothing grows, nothing stays open."""
    fuzz = Fuzz(kind, seed)
    fuzz.run(10_000)
    fuzz.settle()
    assert fuzz.machine.counters.misbehaved > 20, "they were heard, and found out"
    assert fuzz.lives == 1 or kind == "node"


def test_the_same_seed_is_the_same_run() -> None:
    """Or what was found could not be looked for."""
    one, other = Fuzz("node", 5), Fuzz("node", 5)
    for fuzz in (one, other):
        fuzz.run(3000)
    assert one.machine.counters == other.machine.counters
    assert (one.mono_ns, list(one.links)) == (other.mono_ns, list(other.links))


def test_it_finds_what_it_is_there_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where confirmations are not checked against their questions, hand-over takes places that
    are not there."""
    check = answers.objection

    def lax(question: Message, reply: Reply) -> str | None:
        return None if isinstance(reply, Confirmed) else check(question, reply)

    monkeypatch.setattr(pending, "objection", lax)

    def fuzz_until_it_breaks() -> None:
        for seed in range(6):
            Fuzz("node", seed).run(10_000)

    with pytest.raises(IndexError):
        fuzz_until_it_breaks()
