"""Lines about strangers: never a flood, never a secret."""

from p2pcore.effects import Instant, Notice
from p2pcore.session.links import SWEEP_NS
from p2pcore.session.refusals import LINES_PER_REASON, MAX_REASONS, PERIOD_NS, Refusals
from p2pcore.wire import messages as m
from tests.session.harness import Harness

NOW = Instant(10**9, 0)
OVER = Instant(10**9 + PERIOD_NS, 0)


def flood(count: int, reason: str = "no TLS") -> tuple[Refusals, list[str]]:
    lines: list[str] = []
    refusals = Refusals(lines.append)
    for number in range(count):
        refusals.add(f"10.0.0.{number}:1", reason, NOW)
    return refusals, lines


def test_a_few_are_told_one_by_one() -> None:
    refusals, lines = flood(LINES_PER_REASON)
    assert lines[0] == "refused 10.0.0.0:1: no TLS"
    assert len(lines) == LINES_PER_REASON
    assert not refusals.pending
    refusals.tally(OVER)
    assert len(lines) == LINES_PER_REASON


def test_the_others_are_counted_and_told_when_the_period_is_over() -> None:
    refusals, lines = flood(1000)
    assert len(lines) == LINES_PER_REASON
    assert refusals.pending
    refusals.tally(Instant(OVER.mono_ns - 1, 0))
    assert len(lines) == LINES_PER_REASON
    refusals.tally(OVER)
    assert lines[LINES_PER_REASON:] == ["refused 995 more within 10 s: no TLS"]
    assert not refusals.pending
    refusals.add("10.0.0.1:1", "no TLS", OVER)
    assert lines[-1] == "refused 10.0.0.1:1: no TLS", "another period, another five"


def test_the_next_refusal_tells_as_well() -> None:
    refusals, lines = flood(6)
    refusals.add("10.0.0.9:1", "no TLS", OVER)
    assert lines[-2:] == ["refused 1 more within 10 s: no TLS", "refused 10.0.0.9:1: no TLS"]


def test_one_reason_does_not_hide_another() -> None:
    refusals, lines = flood(1000)
    refusals.add("10.0.0.9:1", "another key", NOW)
    assert lines[-1] == "refused 10.0.0.9:1: another key"


def test_reasons_of_the_peers_own_making_are_bounded_too() -> None:
    lines: list[str] = []
    refusals = Refusals(lines.append)
    for number in range(1000):
        refusals.add("10.0.0.1:1", f"reason {number}", NOW)
    assert len(lines) == MAX_REASONS
    refusals.tally(OVER)
    assert lines[MAX_REASONS:] == [
        f"refused {1000 - MAX_REASONS} more within 10 s: for other reasons"
    ]


def test_links_say_it_without_being_asked() -> None:
    harness = Harness(max_links=100)
    notices = []
    for number in range(1, 21):
        notices += [e.text for e in harness.connected(number) if isinstance(e, Notice)]
        effects = harness.receive(number, m.Ping(1))
        notices += [effect.text for effect in effects if isinstance(effect, Notice)]
    assert len(notices) == LINES_PER_REASON
    swept = 0
    while harness.links.wake_at_ns is not None:
        notices += [effect.text for effect in harness.sweep(SWEEP_NS) if isinstance(effect, Notice)]
        swept += 1
    assert notices[LINES_PER_REASON:] == [
        "refused 15 more within 10 s: the first frame must be Ready"
    ]
    assert swept <= PERIOD_NS // SWEEP_NS + 1
