"""The policy file: what ships is sound, and typing errors do not loosen the gate."""

import datetime
import re
from pathlib import Path

import pytest

from perflab.gate.policy import POLICY, Limits, PolicyError, load_policy
from perflab.gate.record import Kind
from perflab.gate.run import METRICS

ACCEPT = """
[[accept]]
match = "counts.*"
up_to = 1.2
reason = "a second round trip"
until = 2026-12-31
"""


def test_the_shipped_policy_keeps_the_goals() -> None:
    policy = load_policy()
    assert policy.false_alarms <= 0.01
    assert policy.limits("counts.messages.store.8", Kind.EXACT).floor == 0
    assert policy.limits("instructions.encode_store", Kind.EXACT).floor == 0.01
    assert policy.limits("cpu.encode_store", Kind.PAIRED).tolerance <= 0.05
    assert all(line.up_to <= 1.1 and line.reason for line in policy.accepted)


def test_the_last_line_that_matches_counts(tmp_path: Path) -> None:
    extra = '[[benchmark]]\nmatch = "instructions.tls*"\nfloor = 0.03\n'
    policy = load_policy(_written(tmp_path, extra))
    assert policy.limits("instructions.tls_record", Kind.EXACT) == Limits(0.03, 0.0)
    assert policy.limits("instructions.clock", Kind.EXACT).floor == 0.01


def test_an_accepted_change_has_a_limit_and_an_end(tmp_path: Path) -> None:
    policy = load_policy(_written(tmp_path, ACCEPT))
    last, after = datetime.date(2026, 12, 31), datetime.date(2027, 1, 1)
    assert policy.acceptance("counts.bytes.store.8", 1.2, last) is not None
    assert policy.acceptance("counts.bytes.store.8", 1.21, last) is None
    assert policy.acceptance("cpu.clock", 1.1, last) is None
    assert policy.acceptance("counts.bytes.store.8", 1.2, after) is None
    assert policy.expired(last) == []
    assert [line.match for line in policy.expired(after)] == ["counts.*"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("false_alarms = 0.01", "false_alarm = 0.01", "did you mean 'false_alarms'"),
        ("false_alarms = 0.01", "false_alarms = 2", "a number from 1e-06 to 0.5, not 2"),
        ("looks = 4", "looks = 2.5", "a whole number"),
        ("[kind.paired]", "[kind.pared]", "did you mean 'paired'"),
        ("tolerance = 0.05", "tolerance = 0.01", "below floor 0.02"),
        ("[gate]", "[[gate]]", r"a table \[gate\]"),
        ("undecided = 0", "undecided = true", "not True"),
    ],
)
def test_errors_name_the_entry(tmp_path: Path, old: str, new: str, words: str) -> None:
    text = POLICY.read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / "policy.toml"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(PolicyError, match=words):
        load_policy(file)


@pytest.mark.parametrize("line", ["reason", "until", "up_to", "match"])
def test_an_acceptance_needs_all_of_its_lines(tmp_path: Path, line: str) -> None:
    kept = "\n".join(each for each in ACCEPT.splitlines() if not each.startswith(line))
    with pytest.raises(PolicyError, match=line):
        load_policy(_written(tmp_path, kept))


def test_a_file_that_is_no_policy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be read"):
        load_policy(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("[gate\n", encoding="utf-8")
    with pytest.raises(PolicyError, match="cannot be read"):
        load_policy(tmp_path / "bad.toml")


def _written(place: Path, extra: str) -> Path:
    file = place / "policy.toml"
    file.write_text(POLICY.read_text(encoding="utf-8") + extra, encoding="utf-8")
    return file


def test_the_manual_has_a_row_for_each_figure_and_no_row_without_one() -> None:
    text = (Path(__file__).parents[3] / "docs" / "gate.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `((?:\w+\.)+\w+)` \| (?:exact|seeded|paired) \|", text, re.MULTILINE)
    patterns = [re.compile(re.sub(r"[A-Z]+", r"\\w+", row.replace(".", r"\."))) for row in rows]
    nameless = [name for name in METRICS if not any(each.fullmatch(name) for each in patterns)]
    assert nameless == []
    idle = [each.pattern for each in patterns if not any(map(each.fullmatch, METRICS))]
    assert idle == []
