"""What a gate says, in each form, of measurements that gave every verdict."""

import dataclasses
import datetime
import json
from xml.etree import ElementTree

import pytest

from perflab.gate import report
from perflab.gate.judge import GateOutcome, judge
from perflab.gate.policy import Accepted, load_policy
from perflab.gate.record import Measured, parse

TODAY = datetime.date(2026, 11, 23)
QUIET = [1 + 0.0005 * (7 * number % 31) for number in range(32)]
WILD = [1 + 0.1 * number for number in range(32)]


def side(commit: str, subject: str, factor: float) -> Measured:
    def paired(*stages: list[float]) -> dict[str, object]:
        return {"kind": "paired", "unit": "seconds", "stages": stages}

    def count(value: float) -> dict[str, object]:
        return {"kind": "exact", "unit": "messages", "stages": [[value]]}

    slower = [value * factor for value in QUIET]
    metrics = {
        "calm": count(6),
        "more": count(6 * factor),
        "agreed": count(10 * factor),
        "from_nothing": count(factor - 1),
        "slower": paired(slower, slower),
        "quiet": paired([value * (1 + (factor - 1) / 100) for value in QUIET]),
        "noisy": paired([value * factor for value in WILD]),
        "gone": count(1),
        "absent": {"kind": "exact", "unit": "instructions", "skipped": "valgrind is not installed"},
    }
    if factor != 1:
        del metrics["gone"]
    return parse({"format": 1, "commit": commit, "subject": subject, "metrics": metrics})


@pytest.fixture
def outcome() -> GateOutcome:
    accepted = (
        Accepted("agreed", 1.5, "worth it", TODAY),
        Accepted("other", 1.5, "was worth it", datetime.date(2026, 1, 1)),
    )
    policy = dataclasses.replace(load_policy(), accepted=accepted)
    head = side("b" * 40, "Send | more <b>@everyone</b>", 1.1)
    return judge(side("a" * 40, "Base", 1.0), head, policy, TODAY)


def test_the_table_tells_what_changed_the_worst_first(outcome: GateOutcome) -> None:
    lines = report.as_table(outcome).splitlines()
    assert lines[0].startswith("gate: regression (4 regression, 1 not measured, 1 undecided, ")
    rows = [line for line in lines if "  exact " in line or "  paired " in line]
    names = [row.split()[0] for row in rows]
    assert names[0] == "from_nothing" or set(names[:4]) == {
        "from_nothing", "more", "slower", "agreed"
    }  # fmt: skip
    assert names[4:] == ["gone", "noisy"]
    text = "\n".join(lines)
    assert "regression, accepted until 2026-11-23: worth it" in text
    assert "undecided (could be up to +" in text
    assert "it disappeared in head" in text
    assert "the policy's acceptance of other ended on 2026-01-01" in text
    assert "smallest slowdown that this run could have found" in text
    assert "skipped: valgrind is not installed" in text


def test_everything_can_be_shown(outcome: GateOutcome) -> None:
    text = report.as_table(outcome, everything=True)
    assert "unchanged (within ±" in text
    assert all(each.name in text for each in outcome.judgements)


def test_markdown_has_the_verdict_first_and_no_mark_from_a_commit(outcome: GateOutcome) -> None:
    text = report.as_markdown(outcome)
    assert text.startswith("### Benchmark gate: regression")
    assert "Send \\| more &lt;b&gt;@\u200beveryone&lt;/b&gt;" in text
    assert "calm" not in text
    rows = [line for line in text.splitlines() if line.startswith("| **")]
    assert len(rows) == 6
    assert all(row.replace("\\|", "").count("|") == 7 for row in rows)
    assert "python -m perflab gate aaaaaaaaaaaa bbbbbbbbbbbb --only '" in text


def test_json_is_strict_and_has_every_benchmark(outcome: GateOutcome) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    content = json.loads(report.as_json(outcome), parse_constant=refuse)
    assert content["exit_code"] == 1
    found = content["benchmarks"]
    assert set(found) == {each.name for each in outcome.judgements}
    assert found["from_nothing"]["ratio"] is None
    assert found["more"]["ratio"] == pytest.approx(1.1)
    assert found["agreed"]["accepted"] == {"reason": "worth it", "until": "2026-11-23"}
    assert found["slower"]["low"] > 1.02


def test_junit_counts_failures_errors_and_skipped(outcome: GateOutcome) -> None:
    suite = ElementTree.fromstring(report.as_junit(outcome).split("\n", 1)[1])
    found = {name: int(suite.get(name) or 0) for name in ("failures", "errors", "skipped")}
    assert found == {"failures": 3, "errors": 2, "skipped": 1}
    assert len(suite.findall("testcase")) == int(suite.get("tests") or 0) == 9


def test_annotations_are_one_line_each(outcome: GateOutcome) -> None:
    lines = report.as_annotations(outcome)
    assert len(lines) == 6
    assert all(line.startswith("::") and "\n" not in line for line in lines)
    assert sum(line.startswith("::error") for line in lines) == 3


def test_nothing_changed_is_said() -> None:
    base = side("a" * 40, "Base", 1.0)
    calm = dataclasses.replace(base, metrics={"calm": base.metrics["calm"]})
    outcome = judge(calm, calm, load_policy(), TODAY)
    assert "nothing changed" in report.as_table(outcome)
    assert report.headline(outcome) == "pass (1 unchanged)"
