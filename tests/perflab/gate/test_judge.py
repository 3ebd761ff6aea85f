"""The gate's words and exit codes for measurements of every kind, whole, partial and absent."""

import dataclasses
import datetime
import json
from pathlib import Path
from typing import Any

import pytest

from perflab.gate.judge import GateOutcome, GateVerdict, judge, suspects
from perflab.gate.policy import Accepted, Policy, load_policy
from perflab.gate.record import Measured, MeasuredError, load, parse

TODAY = datetime.date(2026, 11, 23)
Entry = dict[str, Any]


def exact(*values: float, unit: str = "messages") -> Entry:
    return {"kind": "exact", "unit": unit, "stages": [list(values)]}


def paired(*stages: list[float]) -> Entry:
    return {"kind": "paired", "unit": "seconds", "stages": list(stages)}


def counted(*stages: list[float]) -> Entry:
    """Slow operations of blocks."""
    return {"kind": "paired", "unit": "slow operations", "stages": list(stages)}


def seeded(*stages: list[float]) -> Entry:
    return {"kind": "seeded", "unit": "messages", "stages": list(stages)}


UNREACHED: Entry = {"kind": "exact", "unit": "messages", "skipped": "no a.b", "unreached": True}


def side(metrics: dict[str, Entry], failed: str = "") -> Measured:
    return parse({"format": 1, "commit": "a" * 40, "metrics": metrics, "failed": failed})


def gate(base: Entry | None, head: Entry | None, policy: Policy | None = None) -> GateOutcome:
    """The outcome for one benchmark, beside another one that did not change."""
    calm = {"calm": exact(5)}
    before, after = ({**calm, "it": each} if each else calm for each in (base, head))
    return judge(side(before), side(after), policy or load_policy(), TODAY)


def word(outcome: GateOutcome) -> GateVerdict:
    return next(each.verdict for each in outcome.judgements if each.name == "it")


def quiet(least: float, step: int = 7) -> list[float]:
    """Rounds that differ by up to 1.5 %, in an order that the step decides."""
    return [least * (1 + 0.0005 * (number * step % 31)) for number in range(32)]


def wild(least: float, step: int = 1) -> list[float]:
    """Rounds of which no two are near each other, in an order that the step decides."""
    return [least * (1 + 0.1 * (number * step % 32)) for number in range(32)]


@pytest.mark.parametrize(
    ("base", "head", "verdict", "code"),
    [
        (exact(6), exact(6), GateVerdict.UNCHANGED, 0),
        (exact(6), exact(7), GateVerdict.REGRESSION, 1),
        (exact(1_000_000), exact(1_000_001), GateVerdict.REGRESSION, 1),
        (exact(0), exact(1), GateVerdict.REGRESSION, 1),
        (exact(0), exact(0), GateVerdict.UNCHANGED, 0),
        (exact(7), exact(6), GateVerdict.IMPROVEMENT, 0),
        (counted([0] * 40), counted([0] * 40), GateVerdict.UNCHANGED, 0),
        (counted([0] * 40), counted([1] * 40), GateVerdict.UNDECIDED, 2),
        (counted([0], [0] * 40), counted([1], [1] * 40), GateVerdict.REGRESSION, 1),
        (counted([1], [1] * 40), counted([0], [0] * 40), GateVerdict.IMPROVEMENT, 0),
        (counted([0], [0, 9] * 20), counted([0], [9, 0] * 20), GateVerdict.UNDECIDED, 2),
        (seeded([10, 12, 11]), seeded([10, 12, 11]), GateVerdict.UNCHANGED, 0),
        (seeded([10] * 14), seeded([13] * 14), GateVerdict.UNDECIDED, 2),
        (seeded([10], [10] * 20), seeded([13], [13] * 20), GateVerdict.REGRESSION, 1),
        (seeded([10], [10] * 20), seeded([7], [7] * 20), GateVerdict.IMPROVEMENT, 0),
        (seeded([10, 12]), seeded([10, 13]), GateVerdict.UNDECIDED, 2),
        (paired(quiet(1)), paired(quiet(1.001)), GateVerdict.UNCHANGED, 0),
        (paired(quiet(1)), paired(quiet(1.1)), GateVerdict.UNDECIDED, 2),
        (paired(quiet(1), quiet(1)), paired(quiet(1.1), quiet(1.1)), GateVerdict.REGRESSION, 1),
        (paired(quiet(1), quiet(1)), paired(quiet(1.1), quiet(1.001)), GateVerdict.UNCHANGED, 0),
        (paired(quiet(1), quiet(1)), paired(quiet(0.9), quiet(0.9)), GateVerdict.IMPROVEMENT, 0),
        (paired(quiet(1), wild(1)), paired(quiet(1.1), wild(1.1, 5)), GateVerdict.UNDECIDED, 2),
        (paired([1.0] * 3), paired([1.1] * 3), GateVerdict.UNDECIDED, 2),
    ],
)
def test_verdicts_by_kind(base: Entry, head: Entry, verdict: GateVerdict, code: int) -> None:
    outcome = gate(base, head)
    assert (word(outcome), outcome.code) == (verdict, code)


@pytest.mark.parametrize(
    ("base", "head", "verdict", "code"),
    [
        (exact(6), None, GateVerdict.FAILED, 2),  # it disappeared
        (
            exact(6),
            {"kind": "exact", "unit": "messages", "skipped": "no such"},
            GateVerdict.FAILED,
            2,
        ),
        (
            exact(6),
            {"kind": "exact", "unit": "messages", "failed": "raised"},
            GateVerdict.FAILED,
            2,
        ),
        (exact(6), exact(float("nan")), GateVerdict.FAILED, 2),
        (
            exact(6),
            {"kind": "exact", "unit": "messages", "stages": [[None]]},
            GateVerdict.FAILED,
            2,
        ),
        (exact(6), exact(-1), GateVerdict.FAILED, 2),
        (exact(6), {"kind": "exact", "unit": "messages"}, GateVerdict.FAILED, 2),
        (exact(6), exact(6, unit="bytes"), GateVerdict.FAILED, 2),
        (exact(6), seeded([6]), GateVerdict.FAILED, 2),
        (paired([1.0, 2.0]), paired([1.0]), GateVerdict.FAILED, 2),
        ({"kind": "exact", "unit": "messages", "failed": "x"}, exact(6), GateVerdict.FAILED, 2),
        (None, {"kind": "exact", "unit": "messages", "failed": "x"}, GateVerdict.FAILED, 2),
        (None, exact(6), GateVerdict.NEW, 0),
        ({"kind": "exact", "unit": "messages", "skipped": "x"}, exact(6), GateVerdict.NEW, 0),
        ({"kind": "exact", "unit": "messages", "skipped": "x"}, None, GateVerdict.SKIPPED, 0),
        (UNREACHED, exact(6), GateVerdict.FAILED, 2),
        (exact(6), UNREACHED, GateVerdict.FAILED, 2),
        (UNREACHED, UNREACHED, GateVerdict.SKIPPED, 0),  # two commits before there was such a part
    ],
)
def test_what_is_missing_is_never_a_pass(
    base: Entry | None, head: Entry | None, verdict: GateVerdict, code: int
) -> None:
    outcome = gate(base, head)
    assert (word(outcome), outcome.code) == (verdict, code)


@pytest.mark.parametrize("sides", [(UNREACHED, exact(6)), (exact(6), UNREACHED)])
def test_a_part_that_is_not_reached_on_one_side_says_what_to_do(sides: tuple[Entry, Entry]) -> None:
    [found] = [each for each in gate(*sides).judgements if each.name == "it"]
    assert "no a.b" in found.why
    assert "alias" in found.why
    assert "parts.py" in found.why


def test_a_commit_that_could_not_be_built_is_not_slower() -> None:
    outcome = judge(side({"it": exact(6)}), side({}, "does not build"), load_policy(), TODAY)
    assert outcome.code == 2
    assert outcome.problems == ("head aaaaaaaa: does not build",)


def test_comparing_nothing_is_not_a_pass() -> None:
    assert judge(side({}), side({}), load_policy(), TODAY).code == 2
    new = judge(side({}), side({"it": exact(6)}), load_policy(), TODAY)
    assert new.code == 2


def test_observed_figures_never_block() -> None:
    entries = [{"kind": "observed", "unit": "ms", "stages": [[each]]} for each in (1.0, 90.0)]
    outcome = gate(*entries)
    assert (word(outcome), outcome.code) == (GateVerdict.OBSERVED, 0)


def test_instructions_have_a_floor_and_the_seeds_spread_on_top() -> None:
    def code(base: list[float], head: list[float]) -> int:
        sides = [side({"instructions.x": exact(*values)}) for values in (base, head)]
        base_side, head_side = sides
        return judge(base_side, head_side, load_policy(), TODAY).code

    assert code([1000, 1001, 1002], [1009, 1010, 1011]) == 0
    assert code([1000, 1001, 1002], [1012, 1013, 1014]) == 1
    assert code([1000, 1000, 1000], [1000, 1020, 1040]) == 0  # the seeds disagree by 4 %
    assert code([1000, 1000, 1000], [1060, 1080, 1100]) == 1


def test_an_accepted_regression_passes_and_is_told() -> None:
    line = Accepted("i?", 1.2, "worth it", TODAY)
    policy = _with(load_policy(), accepted=(line,))
    outcome = gate(exact(10), exact(12), policy)
    assert (word(outcome), outcome.code) == (GateVerdict.REGRESSION, 0)
    assert [each.accepted for each in outcome.judgements if each.name == "it"] == [line]
    assert gate(exact(10), exact(13), policy).code == 1


def test_the_policy_may_allow_some_undecided() -> None:
    outcome = gate(paired(wild(1)), paired(wild(1)), _with(load_policy(), undecided=1))
    assert (word(outcome), outcome.code) == (GateVerdict.UNCHANGED, 0)  # the very same values
    outcome = gate(paired(wild(1)), paired(wild(1.01, 5)), _with(load_policy(), undecided=1))
    assert (word(outcome), outcome.code) == (GateVerdict.UNDECIDED, 0)


def test_a_suspect_is_whatever_another_stage_could_decide() -> None:
    base = side({"slower": paired(quiet(1)), "calm": paired(quiet(1)), "more": exact(6)})
    head = side({"slower": paired(quiet(1.1)), "calm": paired(quiet(1.001)), "more": exact(7)})
    assert suspects(base, head, load_policy()) == ["slower"]


def test_the_more_suspects_the_wider_the_bounds() -> None:
    policy = load_policy()
    base = {f"it{n}": paired(quiet(1), quiet(1)) for n in range(20)}
    head = {f"it{n}": paired(quiet(1.1, 5), quiet(1.1, 5)) for n in range(20)}
    many = judge(side(base), side(head), policy, TODAY).judgements[0]
    one = judge(side({"it0": base["it0"]}), side({"it0": head["it0"]}), policy, TODAY).judgements[0]
    assert many.low < one.low
    assert many.smallest > one.smallest


def test_blocks_are_compared_with_their_neighbours() -> None:
    """A spell that slows some blocks of both sides is no change; the mean sees the one pause."""
    level = [1.0, 2.0, 1.0, 4.0, 1.0]
    slower = [each * 1.1 for each in level[:4]] + [9.0]
    base, head = (
        {"kind": "paired", "unit": "s", "stages": [[blocks] * 16, [blocks] * 32]}
        for blocks in (level, slower)
    )
    [found] = [each for each in gate(base, head).judgements if each.name == "it"]
    assert found.verdict is GateVerdict.REGRESSION
    assert found.ratio == pytest.approx(1.1)
    assert found.mean == pytest.approx(sum(slower) / sum(level))


def test_files_are_read_back_with_their_blocks(tmp_path: Path) -> None:
    file = tmp_path / "base.json"
    content = {"format": 1, "commit": "c", "metrics": {"it": paired([1.0], [[3.0, 2.0, 9.0]])}}  # type: ignore[list-item]
    file.write_text(json.dumps(content), encoding="utf-8")
    metric = load(file).metrics["it"]
    assert metric.stages == (((1.0,),), ((3.0, 2.0, 9.0),))
    assert metric.rounds() == [3.0]


WHOLE = '{"format": 1, "commit": "c", "metrics": {"it": %s}}'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"format": 2}',
        '{"format": 1, "commit": "c"}',
        WHOLE % '{"kind": "felt", "unit": "s"}',
        WHOLE % '{"kind": "exact", "unit": "s", "stages": 4}',
        WHOLE % '{"kind": "exact", "unit": "s", "stages": [[[]]]}',
    ],
)
def test_files_that_are_none_are_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "base.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(MeasuredError, match=r"base\.json"):
        load(file)


def _with(policy: Policy, **changes: Any) -> Policy:
    return dataclasses.replace(policy, **changes)
