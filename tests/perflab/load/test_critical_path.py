"""Stages add up to the latency, whatever was told of an operation."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perflab.load.critical_path import critical_path, told
from perflab.load.traces import Followed, FollowedReply
from perflab.report.form import CriticalPath

MS = 1_000_000


def followed(number: int = 0, *, wait_ms: int = 1, final: bool = True) -> Followed:
    """Due at 0, begun after 1 ms, written after 3, read after 6, its turn after 10, ready after 15,
    the first reply after 21; then the other reply, and 7 ms to the caller."""

    def reply(node: str, at_ms: int, final: bool) -> FollowedReply:
        return FollowedReply(
            node=node, read_ns=6 * MS, waited_ns=4 * MS, served_ns=5 * MS,
            replied_ns=at_ms * MS, final=final,
        )  # fmt: skip

    return Followed(
        kind="retrieve",
        outcome="ok",
        due_ns=0,
        begun_ns=MS,
        written_ns=3 * MS,
        ended_ns=(28 + wait_ms) * MS + number,
        replies=[reply("a:1", 21, False), reply("b:1", 21 + wait_ms, final)],
    )


def path_of(*operations: Followed, one_clock: bool = True) -> CriticalPath:
    found = critical_path(operations, one_clock=one_clock)
    assert found is not None
    return found


def stages(path: CriticalPath, place: int = 0) -> dict[str, float]:
    return {each.name: round(each.ms[place], 3) for each in path.stages}


def test_each_stage_has_its_time() -> None:
    assert stages(path_of(*[followed()] * 10)) == {
        "start lag": 1, "client queue": 2, "way there": 3, "server queue": 4, "handling": 5,
        "way back": 6, "replica wait": 1, "client's end": 7,
    }  # fmt: skip


def test_ways_are_one_where_clocks_differ() -> None:
    strange = [replace(each, read_ns=10**15) for each in followed().replies]
    found = stages(path_of(*[replace(followed(), replies=strange)] * 10, one_clock=False))
    assert found["wire"] == 9
    assert "way there" not in found
    assert sum(found.values()) == 29


def test_a_node_may_be_done_before_all_requests_are_written() -> None:
    for one_clock in (True, False):
        early = replace(followed(), written_ns=20 * MS)
        found = stages(path_of(*[early] * 10, one_clock=one_clock))
        assert min(found.values()) == 0
        assert sum(found.values()) == 29


def test_a_final_reply_that_was_not_marked_was_waited_for() -> None:
    found = stages(path_of(*[followed(final=False)] * 10))
    assert (found["replica wait"], found["client's end"]) == (8, 0)


times = st.integers(0, 10**9)


@given(st.lists(times, min_size=8, max_size=8), st.booleans(), st.booleans())
def test_stages_add_up(numbers: list[int], final: bool, one_clock: bool) -> None:
    due, begun, written, read, turn, done, replied, ended = sorted(numbers)
    reply = FollowedReply(
        node="a:1", read_ns=read, waited_ns=turn - read, served_ns=done - turn,
        replied_ns=replied, final=final,
    )  # fmt: skip
    operation = Followed(
        kind="store", outcome="ok", due_ns=due, begun_ns=begun, written_ns=written,
        ended_ns=ended + 1, replies=[reply],
    )  # fmt: skip
    path = path_of(*[operation] * 10, one_clock=one_clock)
    assert path.total_ms[0] == pytest.approx((ended + 1 - due) / MS)
    assert sum(each.ms[0] for each in path.stages) == pytest.approx(path.total_ms[0], abs=1e-6)
    assert min(each.ms[0] for each in path.stages) >= 0


def test_the_tail_is_told_apart_from_the_middle() -> None:
    quick = [followed(n) for n in range(970)]
    slow = [followed(n, wait_ms=100) for n in range(30)]
    path = path_of(*slow, *quick)
    assert path.ranks == [50, 99]
    assert path.operations == [500, 10]
    assert stages(path, 0)["replica wait"] == 1
    assert stages(path, 1)["replica wait"] == 100
    assert path.waited_for == {"b:1": 1.0}
    middle, tail = told(path)
    assert middle.startswith("P50 of 1,000 followed, 29.00 ms: client's end 7.00, way back 6.00")
    assert tail.startswith("P99 of 1,000 followed, 128.00 ms: replica wait 100.00")
    assert path.chart.bars == ["P50: 29 ms", "P99: 128 ms"]
    assert sum(line.y[0] or 0 for line in path.chart.lines) == pytest.approx(100, abs=0.01)


def test_too_few_have_no_figure() -> None:
    assert critical_path([followed()] * 9, one_clock=True) is None
    assert path_of(*[followed()] * 499).ranks == [50]
    assert path_of(*[followed()] * 500).ranks == [50, 99]
    assert path_of(*[followed()] * 99).waited_for == {}


def test_what_failed_or_was_not_told_is_left_out() -> None:
    bad = [
        replace(followed(), outcome="timed_out"),
        replace(followed(), replies=[], written_ns=None),
    ]
    path = path_of(*[followed()] * 20, *bad)
    assert (path.followed, path.whole) == (22, 20)
