"""A sync more, or more bytes, for a group of durable records is found, where strace is there."""

import datetime
import re
import shutil
from pathlib import Path

import pytest

import p2pcore
from benchmarks.micro.disk import GROUP
from perflab.gate import disk
from perflab.gate.disk import DISK_METRICS, DiskCountError, count_disk, take_disk
from perflab.gate.judge import GateOutcome, GateVerdict, judge
from perflab.gate.policy import load_policy
from perflab.gate.recorder import Recorder
from perflab.results.checkout import Commit

CORE = Path(p2pcore.__file__).parent
COMMIT = Commit("0" * 40, "Mutated")
SYNCS, WRITES, BYTES = DISK_METRICS
needs_strace = pytest.mark.skipif(
    bool(disk.unavailable()), reason="strace is not installed here: it counts system calls"
)


def mutated(place: Path, *edits: tuple[str, str, str]) -> str:
    shutil.copytree(CORE, place / "p2pcore", ignore=shutil.ignore_patterns("__pycache__"))
    for name, old, new in edits:
        path = place / "p2pcore" / name
        text = path.read_text(encoding="utf-8")
        assert text.count(old) >= 1
        path.write_text(text.replace(old, new), encoding="utf-8")
    return str(place)


def judged(head: str, base: str = str(CORE.parent)) -> GateOutcome:
    sheets = Recorder(COMMIT, None, lambda _: True), Recorder(COMMIT, None, lambda _: True)
    take_disk(sheets, (base, head), lambda: True)
    before, after = (sheet.measured() for sheet in sheets)
    return judge(before, after, load_policy(), datetime.date.today())


@needs_strace
def test_one_sync_for_a_group_and_more_bytes_than_its_values(tmp_path: Path) -> None:
    found = count_disk(str(CORE.parent))
    assert found.keys() == set(DISK_METRICS)
    assert found[SYNCS] == 1
    assert found[WRITES] >= 1
    assert GROUP * 1024 < found[BYTES] < 2 * GROUP * 1024
    count_disk.cache_clear()
    assert count_disk(str(CORE.parent)) == found


@needs_strace
def test_a_sync_that_is_left_out_is_seen(tmp_path: Path) -> None:
    lazy = mutated(tmp_path, ("aio/database.py", "2 if synced", "1 if synced"))
    assert count_disk(lazy)[SYNCS] == 0


@needs_strace
def test_a_value_that_is_written_twice_is_blamed(tmp_path: Path) -> None:
    text = (CORE / "aio/database.py").read_text(encoding="utf-8")
    [line] = re.findall(r"rows \+= \(number, entry, value, gone\)", text)
    twice = ("aio/database.py", line, line.replace("value", "value + value"))
    outcome = judged(mutated(tmp_path, twice))
    assert outcome.code == 1
    assert {each.name for each in outcome.regressions} == {BYTES, WRITES}


def test_without_strace_it_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "unavailable", lambda: "strace is not installed")
    outcome = judged(str(CORE.parent))
    assert {each.verdict for each in outcome.judgements} == {GateVerdict.SKIPPED}


@needs_strace
def test_a_database_that_was_moved_is_not_measured(tmp_path: Path) -> None:
    users = [path for path in (CORE / "aio").glob("*.py") if "Database" in path.read_text()]
    edits = [(f"aio/{path.name}", "Database", "RecordFile") for path in users]
    outcome = judged(mutated(tmp_path, *edits))
    assert {each.verdict for each in outcome.judgements} == {GateVerdict.FAILED}
    assert all("has no aio.database.Database" in each.why for each in outcome.judgements)


@needs_strace
def test_a_commit_from_before_there_were_disks_lacks_it(tmp_path: Path) -> None:
    default = '    durability: str = "auto"'
    hidden = '    durability: str = field(default_factory=lambda: "auto")'
    before = mutated(tmp_path, ("config.py", default, hidden))
    outcome = judged(str(CORE.parent), before)
    assert {each.verdict for each in outcome.judgements} == {GateVerdict.NEW}
    assert all("has no durability yet" in each.why for each in outcome.judgements)


@needs_strace
def test_a_core_that_fails_is_told_with_its_words(tmp_path: Path) -> None:
    broken = ("aio/database.py", 'self._run("COMMIT")', "raise RuntimeError('no commit today')")
    with pytest.raises(DiskCountError, match="no commit today"):
        count_disk(mutated(tmp_path, broken))
