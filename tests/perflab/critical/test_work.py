"""The work of real messages is counted, each function's part can be taken away, and sums stay."""

from functools import cache
from pathlib import Path

import pytest

from benchmarks.common import subject
from perflab.critical.work import CoreWork, WorkError, work_of
from tests.house import ROOT

FEED = "p2pcore/wire/codec.py:FrameParser.feed"
ON_STORE = "p2pcore/replication/replica.py:Replica._on_store"


@cache
def ours() -> CoreWork:
    return work_of(str(ROOT))


def test_every_message_has_its_work_and_who_reads_it() -> None:
    work = ours()
    assert set(work.messages) == {
        ("node", "Store"), ("client", "Stored"), ("node", "Fetch"), ("client", "Found")
    }  # fmt: skip
    assert work.messages["node", "Store"] == work.messages["client", "Stored"]
    kinds = work.kinds()
    assert all(read > 100 and send > 10 for read, send in kinds.values())
    of_nodes = work.at_nodes(kinds)
    assert 0 < of_nodes < sum(sum(each.values()) for each in work.own.values())
    assert of_nodes == pytest.approx(
        sum(
            work.messages[reader, kind] * kinds[kind][reader != "node"]
            for reader, kind in work.messages
        )
        / work.operations
    )


def test_a_function_that_costs_nothing_takes_its_part_of_its_messages_away() -> None:
    work = ours()
    kinds, without = work.kinds(), work.kinds({ON_STORE: 1.0})
    assert without["Store"][0] < kinds["Store"][0]
    assert without["Fetch"] == kinds["Fetch"]
    deeper = work.kinds({ON_STORE: 1.0}, callees=True)
    assert deeper["Store"][0] < without["Store"][0]
    half = work.kinds({ON_STORE: 0.5})["Store"][0]
    assert 2 * half == pytest.approx(kinds["Store"][0] + without["Store"][0])
    nothing = dict.fromkeys(set().union(*work.own.values()), 1.0)
    assert all(each == pytest.approx((0.0, 0.0)) for each in work.kinds(nothing).values())


def test_shares_are_of_all_work_and_each_names_its_message() -> None:
    work = ours()
    own, within = work.functions(), work.functions(callees=True)
    assert sum(own.values()) == pytest.approx(1.0, abs=0.02)  # the rest is the library's
    assert all(within[name] >= own[name] - 1e-9 for name in own)
    assert work.most_of(ON_STORE)[0] == "read Store"
    assert own[FEED] > 0.05


def test_the_same_core_is_counted_the_same_again() -> None:
    assert work_of(subject.core_dir()) == ours()


def test_a_core_that_cannot_be_traced_says_why(tmp_path: Path) -> None:
    (tmp_path / "p2pcore").mkdir()
    (tmp_path / "p2pcore" / "__init__.py").write_text("raise OSError(7)\n", encoding="utf-8")
    with pytest.raises(WorkError, match=r"ended with 1: .*OSError"):
        work_of(str(tmp_path))
