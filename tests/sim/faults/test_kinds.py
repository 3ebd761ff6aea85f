"""Faults come from plain data, and can be written down as such."""

import re
import tomllib
from typing import Any

import pytest

from p2pcore.errors import ConfigError
from p2pcore.sim import (
    FAULTS,
    Crash,
    Partition,
    draw_faults,
    fault_from,
    table_of,
)
from p2pcore.sim.streams import Stream
from tests.house import ROOT


def test_faults_from_toml() -> None:
    text = """
    [[faults]]
    fault = "partition"
    at_s = 2
    side = ["n1", "n2"]
    one_way = true

    [[faults]]
    fault = "crash"
    count = 3
    """
    faults = [fault_from(table) for table in tomllib.loads(text)["faults"]]
    assert faults == [Partition(at_s=2, side=("n1", "n2"), one_way=True), Crash(count=3)]


def test_every_fault_has_a_name_and_defaults() -> None:
    for name in FAULTS:
        assert isinstance(fault_from({"fault": name}), FAULTS[name])
        assert table_of(fault_from({"fault": name})) == {"fault": name}


def test_the_page_has_a_row_of_each_fault() -> None:
    page = (ROOT / "docs" / "simulation.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `([a-z-]+)` \|", page, re.M)
    assert dict(rows) == {kind.__name__: name for name, kind in FAULTS.items()}


def test_a_fault_is_written_down_and_read_again() -> None:
    plan = draw_faults(Stream("tables"), count=100, within_s=60)
    for table in map(table_of, plan):
        assert table_of(fault_from(table)) == table
    assert [fault_from(table_of(fault)) for fault in plan] == plan


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"fault": "earthquake"}, "fault must be one of"),
        ({"fault": "crash", "when_s": 1}, "crash has no 'when_s'"),
        ({"fault": "crash", "at_s": -1}, "at_s must be 0 or more"),
        ({"fault": "crash", "count": 0}, "count must be at least 1"),
        ({"fault": "partition", "share": 1.0}, "share must be between 0 and 1"),
        ({"fault": "byzantine", "behaviour": "rude"}, "behaviour must be one of"),
        (
            {"fault": "stutter", "pause_ms": 1000},
            "pause_ms must be 1 to every_ms - 1",
        ),
        ({"fault": "distance", "extra_ms": 0}, "extra_ms must be at least 1"),
        ({"fault": "churn", "session_s": 0}, "session_s must be more than 0"),
    ],
)
def test_bad_faults_are_refused(table: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        fault_from(table)
