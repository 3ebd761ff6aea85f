"""The checker finds each breach of the promise where it is, and none where there is none."""

from pathlib import Path
from typing import Any

import pytest

from perflab.chaos.consistency import (
    FaultWindow,
    Kind,
    ObservedOperation,
    check,
    read_history,
    story,
)

S = 1_000_000_000


def done(
    kind: Kind,
    value: str | None,
    begin_s: float,
    end_s: float,
    version: int | None = None,
    *,
    client: str = "a",
    key: str = "k",
    error: str | None = None,
    last: bool = False,
) -> ObservedOperation:
    written = None if version is None else f"{version:032x}"
    begin_ns, end_ns = round(begin_s * S), round(end_s * S)
    return ObservedOperation(client, kind, key, value, begin_ns, end_ns, written, error, last)


def read(value: str | None, begin_s: float, **how: Any) -> ObservedOperation:
    return done("retrieve", value, begin_s, begin_s + 0.1, client="r", **how)


def last(value: str | None) -> ObservedOperation:
    return done("retrieve", value, 100, 100.1, client="last", last=True)


FIRST = done("store", "v1", 0, 1, 1)
SECOND = done("store", "v2", 2, 3, 2)
GONE = done("delete", None, 4, 5, 3)
FAILED = done("store", "v9", 2, 3, error="DeadlineError")
FAILED_DELETE = done("delete", None, 2, 3, error="DeadlineError")


@pytest.mark.parametrize(
    "history",
    [
        [read(None, 0), FIRST, read("v1", 1.5), last("v1")],
        [FIRST, SECOND, read("v2", 3.5), last("v2")],
        [FIRST, SECOND, read("v1", 2.5), read("v2", 2.5), last("v2")],  # both while it is written
        [FIRST, SECOND, GONE, read(None, 6), last(None)],
        [FIRST, GONE, read(None, 4.5), read("v1", 4.5), last(None)],
        # What was not acknowledged may have happened, sooner or later, or not.
        [FIRST, FAILED, read("v9", 9), last("v1")],
        [FIRST, FAILED, read("v1", 9), last("v9")],
        [FIRST, FAILED_DELETE, read(None, 9), last("v1")],
        [FAILED, last(None)],
        # A retrieve that failed says nothing.
        [FIRST, read(None, 2, error="DeadlineError"), last("v1")],
        # Versions count, not the order of the calls, for two writes at the same time.
        [done("store", "v1", 0, 2, 7), done("store", "v2", 1, 2, 6), read("v1", 3), last("v1")],
    ],
)
def test_histories_that_keep_the_promise(history: list[ObservedOperation]) -> None:
    report = check(history)
    assert not report.findings
    assert report.operations == len(history)


@pytest.mark.parametrize(
    ("breach", "history"),
    [
        ("stale", [FIRST, SECOND, read("v1", 3.5), last("v2")]),
        ("stale", [FIRST, SECOND, GONE, read("v2", 6), last(None)]),
        ("false not-found", [FIRST, read(None, 1.5), last("v1")]),
        ("false not-found", [FIRST, done("delete", None, 5, 6, 9), read(None, 2), last(None)]),
        ("false not-found", [done("delete", None, 0, 1, 1), SECOND, read(None, 4), last("v2")]),
        ("lost", [FIRST, SECOND, last("v1")]),
        ("lost", [FIRST, SECOND, last(None)]),
        ("lost", [FIRST, SECOND, GONE, last("v2")]),
        ("overtaken", [SECOND, done("store", "v3", 4, 5, 1), last("v2")]),
        ("invented", [FIRST, read("nobody's", 2), last("v1")]),
        ("invented", [read("v1", 0), done("store", "v1", 1, 2, 1), last("v1")]),
        ("invented", [FIRST, done("store", "v2", 0, 1, 1, key="other"), read("v2", 2), last("v1"),
                      done("retrieve", "v2", 100, 101, key="other", last=True)]),
        ("not looked at", [FIRST, read("v1", 2)]),
        ("not looked at", [FIRST, done("retrieve", None, 9, 10, error="X", last=True)]),
    ],
)  # fmt: skip
def test_each_breach_is_found(breach: str, history: list[ObservedOperation]) -> None:
    report = check(history)
    assert [finding.breach for finding in report.breaches] == [breach]


def test_a_client_that_misses_its_own_write_is_counted() -> None:
    others = [FIRST, SECOND, read("v1", 3.5), last("v2")]
    assert check(others).own == 0
    mine = done("retrieve", "v1", 3.5, 4, client="a")
    assert check([*others, mine]).own == 1


def test_outside_the_premises_some_findings_are_excused() -> None:
    cut = [FaultWindow(begin_ns=3 * S, end_ns=5 * S)]
    stale = [FIRST, SECOND, read("v1", 3.5), read(None, 4.5), last("v2")]
    report = check(stale, cut)
    assert not report.breaches
    assert report.count("stale", excused=True) == 1
    assert report.count("false not-found", excused=True) == 1
    assert check([*stale, read("v1", 5.5)], cut).count("stale", excused=False) == 1
    always = [FaultWindow(begin_ns=0, end_ns=1000 * S)]
    assert [f.breach for f in check([FIRST, SECOND, last("v1")], always).breaches] == ["lost"]
    assert check([FIRST, read("x", 2), last("v1")], always).breaches[0].breach == "invented"


def test_a_side_that_is_apart_keeps_its_promise_to_its_own_clients() -> None:
    sides = frozenset({"a", "r"}), frozenset({"b"})
    cut = [FaultWindow(begin_ns=0, end_ns=90 * S, sides=sides, apart_ns=(10 * S, 80 * S))]
    others = done("store", "b1", 20, 21, 9, client="b")
    mine = done("store", "a1", 12, 13, 5), done("store", "a2", 15, 16, 6)
    fine = [FIRST, *mine, others, read("v1", 11), read("a2", 30), last("b1")]
    assert not check(fine, cut).breaches
    for wrong in (read("a1", 30), read("v1", 30), read(None, 30)):
        (breach,) = check([*fine, wrong], cut).breaches
        assert "on its own side" in breach.text
    # What was written before they were apart may be out of reach.
    assert not check([FIRST, SECOND, read("v1", 30), read(None, 40), last("v2")], cut).breaches


def test_what_is_counted() -> None:
    report = check([FIRST, FAILED, GONE, read("v1", 3), last(None)])
    assert report.acknowledged == {"store": 1, "delete": 1, "retrieve": 2}
    assert report.failed == {"store": 1}
    assert report.errors == {"DeadlineError": 1}
    assert report.keys == 1


def test_the_story_of_a_key(tmp_path: Path) -> None:
    history = [
        FIRST,
        read(None, 1, key="other"),
        SECOND,
        read("v1", 3.5),
        last("v2"),
    ]
    path = tmp_path / "history"
    path.write_text("".join(operation.as_line() + "\n" for operation in history))
    assert read_history([path]) == history
    lines = story(history, check(history).breaches[0])
    assert len(lines) == 3
    assert "store v1: acknowledged as" in lines[0]
    assert "retrieve: gave v1" in lines[2]
