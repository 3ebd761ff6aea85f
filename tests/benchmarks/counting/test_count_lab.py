"""Counts are the same wherever and whenever they are made, and see the smallest waste."""

import json
from pathlib import Path

import pytest

from benchmarks.common import subject
from benchmarks.common.children import Child
from benchmarks.common.counting.count_lab import CountLab, Counts
from p2pcore.wire.codec import encode_frame
from tests.benchmarks.wasteful_child import EXTRA
from tests.processes import busy_core

HERE = Path(__file__).parents[1]
EVERYTHING = [
    "store", "retrieve", "delete", "store_many", "retrieve_many", "first_retrieve",
    "upkeep", "visit", "visit_with_records",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("meter", ["calls", pytest.param("allocations", marks=pytest.mark.nightly)])
def test_three_runs_count_the_same(meter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    for hash_seed in ("0", "1", "random"):
        monkeypatch.setenv("PYTHONHASHSEED", hash_seed)
        with CountLab(8, meter) as lab:
            if hash_seed == "1":
                with busy_core():
                    runs.append(lab.count(EVERYTHING))
            else:
                runs.append(lab.count(EVERYTHING))
    assert len(runs[0]) == 11
    assert runs[0] == runs[1] == runs[2]


@pytest.mark.slow
def test_random_streams_make_no_difference_to_operations() -> None:
    """Or they would not be exact: one draw more would look like a change."""
    runs = []
    for seed in range(2):
        with CountLab(8, "calls", seed) as lab:
            runs.append(lab.count(EVERYTHING[:6]))
    assert runs[0] == runs[1]


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> dict[str, Counts]:
    """What a store costs, by what it does too much."""
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    monkeypatch.syspath_prepend(HERE)
    found = {}
    for waste, meter in (
        ("nothing", "calls"),
        ("message", "calls"),
        ("python_calls", "calls"),
        ("c_calls", "calls"),
        ("nothing", "allocations"),
        ("allocations", "allocations"),
    ):
        order = json.dumps({"nodes": 8, "meter": meter, "seed": 0})
        child = Child(
            "wasteful_child", [waste, order], subject.core_dir(), {"PYTHONMALLOC": "malloc"}
        )
        try:
            child.wait_ready()
            counts = child.ask({"count": "store"})["store"]
        finally:
            child.stop()
        found[waste] = found.get(waste, {}) | counts
    return found


def test_one_thing_too_many_is_one_more(stores: dict[str, Counts]) -> None:
    usual = stores.pop("nothing")
    message = stores.pop("message")
    assert message["messages"] == usual["messages"] + 1
    assert message["bytes"] == usual["bytes"] + len(encode_frame(EXTRA))
    for waste, counts in stores.items():
        expected = {name: usual[name] + (name == waste) for name in counts}
        assert counts == expected


def test_what_is_no_question_is_an_error() -> None:
    from benchmarks.common.children import ChildError

    with CountLab(8, "nothing") as lab, pytest.raises(ChildError, match="flight"):
        lab.count(["flight"])


@pytest.mark.slow
def test_what_a_node_has_missed_costs_bytes() -> None:
    """More, the more it is; and the lab sees that all is repaired."""
    with CountLab(3, "nothing") as lab:
        found = lab.count(["missed_writes"])
    size = {thing: counts["bytes"] for thing, counts in found.items()}
    assert list(size) == ["missed 0", "missed 1", "missed 100", "missed 1000"]
    assert size["missed 0"] < size["missed 1"] < size["missed 100"]
    assert size["missed 1000"] > 1000 * 60
