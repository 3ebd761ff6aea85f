"""Which operations are followed, and what is filed of them."""

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.common import subject
from perflab.load.record import LoadRecordError
from perflab.load.tracer import Tracer
from perflab.load.traces import FollowedReply, read_traces, traces_file


def test_one_in_so_many_of_the_kinds_that_can_be(tmp_path: Path) -> None:
    tracer = Tracer(tmp_path, 0, 10, zero_ns=0)
    assert [n for n in range(35) if tracer.follows(n, "store")] == [0, 10, 20, 30]
    assert not tracer.follows(10, "scan")
    assert not tracer.follows(10, "modify")
    tracer.close()
    assert read_traces(tmp_path, 1) == []


@pytest.mark.parametrize("old", [True, False])
def test_nothing_is_followed_by_an_old_core_or_for_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: bool
) -> None:
    monkeypatch.setattr(subject, "supports", lambda feature: not old)
    tracer = Tracer(tmp_path, 0, 10 if old else 0, zero_ns=0)
    assert not tracer.follows(0, "store")
    tracer.close()
    assert list(tmp_path.iterdir()) == []


def test_what_is_filed_is_read_again(tmp_path: Path) -> None:
    zero_ns = time.perf_counter_ns()
    tracer = Tracer(tmp_path, 3, 1, zero_ns)
    trace = tracer.follow(7)
    now_ns = time.monotonic_ns()
    trace.written_ns = now_ns
    trace.replies.append(
        SimpleNamespace(
            address="10.0.0.1:1",
            replied_ns=now_ns + 900,
            read_ns=now_ns + 100,
            turn_ns=now_ns + 250,
            done_ns=now_ns + 600,
            final=True,
        )
    )
    tracer.ended(7, "store", "ok", 1, 2, 3)
    tracer.follow(8)
    tracer.ended(8, "delete", "timed_out", 4, 5, 6)
    tracer.close()
    stored, deleted = read_traces(tmp_path, 4)
    assert stored.written_ns is not None
    assert 0 <= stored.written_ns < 60e9  # on the run's clock
    assert stored.replies == [
        FollowedReply(
            node="10.0.0.1:1",
            read_ns=stored.written_ns + 100,
            waited_ns=150,
            served_ns=350,
            replied_ns=stored.written_ns + 900,
            final=True,
        )
    ]
    assert (deleted.outcome, deleted.written_ns, deleted.replies) == ("timed_out", None, [])
    assert not tracer.open


def test_a_torn_line_is_left_out_and_a_strange_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / traces_file(0)
    path.write_text('{"kind":"sto')
    assert read_traces(tmp_path, 1) == []
    path.write_text('{"kind":"sing"}\n')
    with pytest.raises(LoadRecordError, match=r"traces-0\.jsonl"):
        read_traces(tmp_path, 1)
