"""One verdict of two rulers, and what the ruler of another commit may call new."""

from typing import Any

import pytest

from perflab.gate.judge import IDLE, GateOutcome, GateVerdict, judge
from perflab.gate.policy import load_policy
from perflab.gate.record import Measured, parse
from perflab.gate.two_rulers import merged
from tests.perflab.gate.test_judge import TODAY, UNREACHED, Entry, exact

SKIPPED: Entry = {"kind": "exact", "unit": "messages", "skipped": "no such feature"}


def side(metrics: dict[str, Entry], **more: Any) -> Measured:
    return parse({"format": 1, "commit": "a" * 40, "metrics": metrics} | more)


def outcome(base: Entry, head: Entry, **more: Any) -> GateOutcome:
    return judge(side({"it": base}, **more), side({"it": head}), load_policy(), TODAY)


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        ((exact(6), exact(6)), (exact(6), exact(6)), 0),
        ((exact(6), exact(6)), (exact(6), exact(7)), 1),
        ((exact(6), exact(7)), (exact(6), exact(6)), 1),
        ((exact(6), exact(6)), (SKIPPED, exact(6)), 2),
        ((exact(6), exact(6)), (SKIPPED, SKIPPED), 2),
        ((exact(6), exact(6)), (UNREACHED, exact(6)), 2),
        ((exact(6), exact(7)), (SKIPPED, SKIPPED), 1),
        ((exact(6), UNREACHED), (exact(6), exact(6)), 2),
    ],
)
def test_the_worse_of_two_rulers_counts(
    first: tuple[Entry, Entry], second: tuple[Entry, Entry], code: int
) -> None:
    assert merged(outcome(*first), outcome(*second)).code == code


def test_what_both_find_in_head_alone_is_new() -> None:
    calm = {"calm": exact(5)}
    base, head = side({**calm, "it": SKIPPED}), side({**calm, "it": exact(6)})
    first = judge(base, head, load_policy(), TODAY)
    # The head's ruler is not base's, and base's has the figure too: it measures it in head only.
    foreign = side({**calm, "it": SKIPPED}, own_figures=["it", "calm"])
    second = judge(foreign, head, load_policy(), TODAY)
    assert second.code == 2
    whole = merged(first, second)
    assert whole.code == 0
    assert whole.counts() == {GateVerdict.UNCHANGED: 2, GateVerdict.NEW: 1}


def test_a_figure_that_only_the_heads_ruler_has_is_judged() -> None:
    first = judge(side({}), side({}), load_policy(), TODAY)
    assert first.problems == (IDLE,)
    assert merged(first, outcome(exact(6), exact(6))).code == 0
    assert merged(first, outcome(exact(6), exact(7))).code == 1
    assert merged(first, first).problems == (IDLE,)


def test_each_says_which_ruler_it_is_of() -> None:
    whole = merged(outcome(exact(6), exact(6)), outcome(exact(6), exact(7)))
    assert [each.label for each in whole.judgements] == ["it", "it (by the head's ruler)"]


@pytest.mark.parametrize(
    ("own", "base", "verdict"),
    [
        (["it"], UNREACHED, GateVerdict.FAILED),
        (["it"], SKIPPED, GateVerdict.FAILED),  # the feature was there for its own ruler
        ([], UNREACHED, GateVerdict.NEW),  # a real new part, of a ruler that came with it
        ([], SKIPPED, GateVerdict.NEW),
    ],
)
def test_another_ruler_may_call_new_what_bases_own_did_not_have(
    own: list[str], base: Entry, verdict: GateVerdict
) -> None:
    [found] = outcome(base, exact(6), own_figures=own).judgements
    assert found.verdict is verdict


@pytest.mark.parametrize(
    ("own", "verdict"), [(["it"], GateVerdict.FAILED), ([], GateVerdict.SKIPPED)]
)
def test_what_another_ruler_reaches_in_neither(own: list[str], verdict: GateVerdict) -> None:
    [found] = outcome(UNREACHED, UNREACHED, own_figures=own).judgements
    assert found.verdict is verdict


def test_what_the_change_does_to_its_judges_is_no_pass_and_told_first() -> None:
    calm = {"it": exact(6)}
    head = side(calm, notices=["accepted by this change"], problems=["no longer has it"])
    found = judge(side(calm), head, load_policy(), TODAY)
    assert found.code == 2
    assert found.notices == ("accepted by this change",)
    assert found.problems == ("no longer has it",)
