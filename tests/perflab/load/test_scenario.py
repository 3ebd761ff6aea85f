"""Scenarios say what they mean, and what cannot be meant is refused with its value."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from perflab.__main__ import main
from perflab.load.fault_kinds import FAULT_KINDS, HealedFault
from perflab.load.patterns import OWN_FIELDS, PATTERNS
from perflab.load.replay import ScenarioError
from perflab.load.scenario import LoadScenario, read_scenario, scenario_of, shipped

CONSTANT = {"pattern": "constant", "rate": 100, "seconds": 3}
SHARE = {"kind": "share", "at_s": 1, "for_s": 0.5, "share": 0.1}


def one(phase: dict[str, Any], **more: Any) -> LoadScenario:
    return scenario_of({"name": "one", "phase": [phase], **more})


def per_second(scenario: LoadScenario) -> dict[int, int]:
    return dict(Counter(due_ns // 1_000_000_000 for due_ns, _ in scenario.due()))


@pytest.mark.parametrize("name", shipped())
def test_shipped_scenarios_can_be_read_and_begin_with_a_warm_up(name: str) -> None:
    scenario = read_scenario(name)
    assert scenario.about
    assert scenario.phase[0].warm_up
    assert not scenario.phase[-1].warm_up
    assert scenario.duration_s > 10


@pytest.mark.parametrize(
    ("phase", "counts"),
    [
        (CONSTANT, {0: 100, 1: 100, 2: 100}),
        ({"pattern": "soak", "rate": 5, "seconds": 2}, {0: 5, 1: 5}),
        ({"pattern": "steps", "rates": [10, 30], "seconds": 1}, {0: 10, 1: 30}),
        ({"pattern": "burst", "size": 7, "every_s": 1, "seconds": 2}, {0: 7, 1: 7}),
        ({"pattern": "ramp", "rate": 0, "to_rate": 20, "seconds": 2}, {0: 5, 1: 15}),
        (
            {"pattern": "spike", "rate": 10, "spike_rate": 50, "spike_at_s": 1, "spike_s": 1,
             "seconds": 3},
            {0: 10, 1: 50, 2: 10},
        ),
    ],
)  # fmt: skip
def test_patterns_offer_what_they_say(phase: dict[str, Any], counts: dict[int, int]) -> None:
    assert per_second(one(phase)) == counts
    assert one(phase).duration_s == len(counts)


def test_chance_has_the_rate_on_average_and_a_seed() -> None:
    poisson = {"pattern": "poisson", "rate": 1000, "seconds": 5}
    due = list(one(poisson, seed=4).due())
    assert len(due) == pytest.approx(5000, rel=0.1)
    assert due == list(one(poisson, seed=4).due()) != list(one(poisson, seed=5).due())


def test_phases_follow_each_other() -> None:
    both = scenario_of({"name": "two", "phase": [CONSTANT, {**CONSTANT, "rate": 10}]})
    assert per_second(both) == {0: 100, 1: 100, 2: 100, 3: 10, 4: 10, 5: 10}
    assert [both.rate_at(at_s) for at_s in (0, 2.9, 3, 5.9, 6)] == [100, 100, 10, 10, 0]


def test_a_trace_is_replayed_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "seen.txt").write_text("# seen\n0.5 store 3\n\n0.5 retrieve 3\n2 delete 3\n")
    file = tmp_path / "replay.toml"
    file.write_text('[[phase]]\npattern = "trace"\nfile = "seen.txt"\n')
    scenario = read_scenario(str(file))
    assert scenario.name == "replay"
    assert scenario.duration_s == 2
    assert scenario.deletes
    assert [(due_ns, step and tuple(step)) for due_ns, step in scenario.due()] == [
        (500_000_000, ("store", 3, 1)),
        (500_000_000, ("retrieve", 3, 1)),
        (2_000_000_000, ("delete", 3, 1)),
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("1 store", "line 2: `seconds operation record`"),
        ("1 steal 3", "'steal'"),
        ("1 store -1", "-1"),
        ("0.1 store 1", "never fall"),
        ("nan store 1", "never fall"),
    ],
)
def test_a_bad_line_of_a_trace_is_named(tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / "bad.txt").write_text(f"0.5 store 3\n{line}\n")
    with pytest.raises(ScenarioError, match=words):
        one({"pattern": "trace", "file": str(tmp_path / "bad.txt")})


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"phase": []}, "one or more"),
        ({"phase": [{**CONSTANT, "pattern": "wavy"}]}, "'wavy'"),
        ({"phase": [{**CONSTANT, "rate": -1}]}, "-1"),
        ({"phase": [{**CONSTANT, "rate": float("nan")}]}, "nan"),
        ({"phase": [{**CONSTANT, "rat": 1}]}, "'rat'"),
        ({"phase": [{**CONSTANT, "size": 1}]}, "has no 'size'"),
        ({"phase": [{"pattern": "constant", "seconds": 1}]}, "needs 'rate'"),
        ({"phase": [{**CONSTANT, "seconds": 0}]}, "seconds"),
        ({"phase": [CONSTANT], "load": {"mix": "G"}}, "'G'"),
        ({"phase": [CONSTANT], "load": {"mix": {"steal": 1}}}, "'steal'"),
        ({"phase": [CONSTANT], "load": {"mix": {"store": 0}}}, "more than nothing"),
        ({"phase": [CONSTANT], "load": {"value_bytes": 8}}, "8"),
        ({"phase": [CONSTANT], "load": {"clients": 0}}, "clients"),
        ({"phase": [CONSTANT], "fault": [{"kind": "flood", "at_s": 1}]}, "flood"),
        ({"phase": [CONSTANT], "fault": [{"kind": "pause", "at_s": 1}]}, "for_s"),
        ({"phase": [CONSTANT], "fault": [{"kind": "kill", "at_s": 3}]}, "before the end"),
        ({"phase": [CONSTANT], "fault": [{"kind": "kill", "at_s": 1, "nodes": 5}]}, "fewer"),
        ({"phase": [CONSTANT], "fault": [SHARE | {"share": 0.001}]}, "0.001"),
        ({"phase": [CONSTANT], "fault": [SHARE | {"nodes": 6}]}, "up to the 5 left"),
        ({"phase": [CONSTANT], "nodes": 0}, "nodes"),
        ({"phase": CONSTANT}, r"\[\[phase\]\]"),
    ],
)
def test_what_cannot_be_meant_is_refused(table: dict[str, Any], words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        scenario_of({"name": "bad", **table})


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="sustained-100"):
        read_scenario("nonesuch")
    (tmp_path / "bad.toml").write_text("phase = [")
    with pytest.raises(ScenarioError, match=r"bad\.toml"):
        read_scenario(str(tmp_path / "bad.toml"))


def rows_of(heading: str) -> dict[str, tuple[str, ...]]:
    """By each name of its first column, the cells of a table of docs/load.md."""
    text = (Path(__file__).parents[3] / "docs" / "load.md").read_text(encoding="utf-8")
    lines = text[text.index(f"| {heading} |") :].split("\n\n")[0].splitlines()[2:]
    cells = [line.strip("| ").split(" | ") for line in lines]
    return {name: tuple(each) for each in cells for name in re.findall(r"`(\w+)`", each[0])}


def test_the_manual_has_a_row_for_each_pattern_with_what_it_needs() -> None:
    rows = rows_of("pattern")
    assert rows.keys() == PATTERNS.keys()
    for name, kind in PATTERNS.items():
        needed = {each.name for each in structs.fields(kind) if each.required}
        assert set(re.findall(r"`(\w+)`", rows[name][1])) == needed, name


def test_the_manual_has_a_row_for_each_fault_with_what_is_its_own() -> None:
    rows = rows_of("kind")
    assert rows.keys() == FAULT_KINDS.keys()
    common = set(HealedFault.__struct_fields__)
    for name, kind in FAULT_KINDS.items():
        for own in set(kind.__struct_fields__) - common:
            assert f"`{own}" in rows[name][1], f"{name} does not say {own}"
        assert ("relay" in rows[name][-1]) == kind.of_links, name


def test_each_option_of_a_pattern_is_one_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["load", "--help"])
    told = capsys.readouterr().out
    assert all(f"--{name.replace('_', '-')} " in told for name in OWN_FIELDS)
    assert ", ".join(PATTERNS) in " ".join(told.split())
