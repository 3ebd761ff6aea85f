"""What is asked of a process on a seat, and what comes of its files."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.common.children import ChildError
from perflab.cluster.remote_child import RemoteChild
from tests.perflab.cluster.seats import ScriptedSeat


@contextmanager
def child(seat: ScriptedSeat, folder: Path) -> Iterator[RemoteChild]:
    made = RemoteChild(seat, 3, "module", [], {}, folder)
    try:
        yield made
    finally:
        made.abandon()
        made.stop()


def test_answers_go_to_their_questions_in_order(tmp_path: Path) -> None:
    seat = ScriptedSeat()
    seat.answers = [b'{"n": 1}\n', b'{"error": "no"}\n', b"nonsense\n"]
    with child(seat, tmp_path) as it:
        assert it.wait_ready() == {"ready": True}
        assert it.ask({"a": 1}) == {"n": 1}
        with pytest.raises(ChildError, match=r"could not answer .*: no"):
            it.ask({"a": 2})
        with pytest.raises(ChildError, match="is no JSON object"):
            it.ask({"a": 3})
    assert seat.told == [b'{"a": 1}\n', b'{"a": 2}\n', b'{"a": 3}\n']


def test_files_are_copied_as_they_grow_and_only_its_own(tmp_path: Path) -> None:
    seat = ScriptedSeat()
    seat.files = {"rows-3.bin": b"abc", "rows-2.bin": b"another's", "../x-3.bin": b"elsewhere"}
    seat.answers = [b"{}\n", b"{}\n"]
    with child(seat, tmp_path) as it:
        it.ask({})
        seat.files["rows-3.bin"] += b"def"
        it.ask({})
        assert [path.name for path in tmp_path.iterdir()] == ["rows-3.bin"]
        assert (tmp_path / "rows-3.bin").read_bytes() == b"abcdef"
        seat.hashes = {"rows-3.bin": hashlib.sha256(b"abcdef").hexdigest()}
        assert it.copies_differ() == []


def test_a_copy_that_is_not_the_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perflab.cluster.remote_child.SETTLE_S", 0.0)
    seat = ScriptedSeat()
    seat.hashes = {"rows-3.bin": "0" * 64}
    with child(seat, tmp_path) as it:
        it.wait_ready()
        assert it.copies_differ() == ["rows-3.bin"]


def test_one_that_ends_or_cannot_be_reached_does_not_answer(tmp_path: Path) -> None:
    seat = ScriptedSeat()
    with child(seat, tmp_path) as it:
        it.wait_ready()
        seat.reached = False
        with pytest.raises(ChildError, match=r"is silent .* far does not answer"):
            it.ask({}, within_s=0.1)
        assert it.silent_s > 0
        seat.reached, seat.exit = True, -9
        with pytest.raises(ChildError, match="ended with -9"):
            it.ask({})
