"""What a change may accept of itself, and what of its policy is told."""

import datetime
from dataclasses import replace

import pytest
from msgspec import structs

from perflab.gate.policy import Accepted, Limits, Special, load_policy
from perflab.gate.policy_change import MOST_DAYS, admitted, differences, refused
from perflab.gate.record import Kind
from perflab.gate.run import METRICS

TODAY = datetime.date(2026, 11, 28)
SOON = TODAY + datetime.timedelta(days=MOST_DAYS)


def line(match: str, until: datetime.date = SOON) -> Accepted:
    return Accepted(match, 1.2, "worth it", until)


@pytest.mark.parametrize(
    "match",
    [
        "counts.messages.store.8",
        "counts.*.store.8",
        "counts.messages.*",
        "memory.record.*",
        "instructions.encode_*",
        "cpu.clock",
    ],
)
def test_what_names_its_benchmarks_may_be_accepted(match: str) -> None:
    assert refused(line(match), METRICS, TODAY) == ""


@pytest.mark.parametrize(
    "match",
    [
        *(
            "*",
            "**",
            "?*",
            "*?",
            "*.*",
            "*.*.*",
            "[a-z]*",
            "[!x]*",
            "*o*",
            "c*",
            "*.8",
            "*.record.8",
        ),
        *("[c-m]ounts.bytes.store.8", "memory.*", "cpu.*", "instructions.?*", "cpu.[a-z]*"),
        *("counts.*.*.*", "counts.*.s*.8", "counts.*.8"),
    ],
)
def test_what_catches_all_or_a_family_is_refused(match: str) -> None:
    assert "does not say which benchmarks" in refused(line(match), METRICS, TODAY)


def test_it_ends_within_three_months() -> None:
    assert refused(line("cpu.clock", SOON), METRICS, TODAY) == ""
    later = SOON + datetime.timedelta(days=1)
    assert f"it ends on {later}" in refused(line("cpu.clock", later), METRICS, TODAY)
    assert refused(line("cpu.clock", datetime.date(9999, 12, 31)), METRICS, TODAY)


def test_one_change_cannot_accept_most_of_it_line_by_line() -> None:
    base = load_policy()
    head = replace(base, accepted=tuple(line(name) for name in METRICS))
    policy, good, bad = admitted(base, head, METRICS, TODAY)
    assert policy.accepted == base.accepted
    assert good == []
    assert len(bad) == len(METRICS)
    assert "together its lines match" in bad[0]


def test_new_lines_count_beside_those_of_base() -> None:
    old, new, wide = line("cpu.clock"), line("counts.bytes.store.8"), line("*")
    base = replace(load_policy(), accepted=(old,))
    head = replace(base, accepted=(old, new, wide))
    policy, good, bad = admitted(base, head, METRICS, TODAY)
    assert policy.accepted == (old, new)
    assert [each.partition(" ")[0] for each in good] == ["counts.bytes.store.8"]
    assert [each.partition(" ")[0] for each in bad] == ["*"]


def test_a_line_of_base_that_the_change_loosens_is_the_changes() -> None:
    old = line("cpu.clock")
    looser = structs.replace(old, up_to=900.0, until=datetime.date(9999, 1, 1))
    base = replace(load_policy(), accepted=(old,))
    policy, good, bad = admitted(base, replace(base, accepted=(looser,)), METRICS, TODAY)
    assert policy.accepted == (old,)
    assert (len(good), len(bad)) == (0, 1)


def test_every_other_number_and_line_is_told_and_does_not_count() -> None:
    base = load_policy()
    head = replace(
        base,
        false_alarms=0.5,
        undecided=9,
        kinds={**base.kinds, Kind.EXACT: Limits(10.0, 10.0)},
        benchmarks=(*base.benchmarks, Special("memory.*", 10.0)),
    )
    told = "\n".join(differences(base, head))
    assert "[gate] false_alarms: 0.01, with this change 0.5" in told
    assert "[gate] undecided: 0, with this change 9" in told
    assert "[kind.exact] floor: 0, with this change 10" in told
    assert "[kind.exact] tolerance: 0, with this change 10" in told
    assert "memory.* floor 10" in told
    assert admitted(base, head, METRICS, TODAY)[0] == base
    assert differences(base, base) == []


def test_a_line_that_the_change_takes_out_is_told() -> None:
    base = replace(load_policy(), accepted=(line("cpu.clock"),))
    [told] = differences(base, load_policy())
    assert "cpu.clock" in told
    assert "gone with this change" in told
