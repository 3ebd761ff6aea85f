"""What the edge does is counted the same in every run, and a defect there is found where it is."""

import datetime
import shutil
from pathlib import Path

import pytest

import p2pcore
from benchmarks.common.counting.edge_lab import AT_ONCE, EdgeLab
from benchmarks.common.counting.wire_loop import LOOPS
from perflab.gate.edge import EDGE_METRICS, KEPT_METRICS, take_edge
from perflab.gate.judge import GateOutcome, GateVerdict, judge
from perflab.gate.policy import load_policy
from perflab.gate.recorder import Recorder
from perflab.gate.seeded_defects import DEFECTS, NEUTRAL, Edit, apply, misplaced, missing
from perflab.results.checkout import Commit

CORE = Path(p2pcore.__file__).parent
COMMIT = Commit("0" * 40, "Mutated")
AT_THE_EDGE = [edit for edit in DEFECTS if any("edge" in name for name in edit.must)]


def judged(place: Path, *edits: Edit) -> GateOutcome:
    """The gate's words on a copy of p2pcore with these edits."""
    shutil.copytree(CORE, place / "p2pcore", ignore=shutil.ignore_patterns("__pycache__"))
    for edit in edits:
        apply(edit, place)
    sheets = Recorder(COMMIT), Recorder(COMMIT)
    take_edge(sheets, (str(CORE.parent), str(place)), lambda: True)
    base, head = (sheet.measured() for sheet in sheets)
    return judge(base, head, load_policy(), datetime.date.today())


@pytest.fixture(scope="module")
def counts() -> dict[str, dict[str, float]]:
    with EdgeLab("asyncio") as lab:
        return lab.count()


def test_operations_share_turns_and_writes(counts: dict[str, dict[str, float]]) -> None:
    assert counts["store"]["rounds"] == 2
    assert counts["store"]["writes"] == 6  # to three replicas and back
    assert counts["store"]["futures"] == 1
    assert counts["store"]["tasks"] == counts["store"]["timers"] == 0
    assert counts["retrieve"]["writes"] == 4
    at_once = counts["at_once"]
    assert at_once["rounds"] == 2  # all of them are in flight together
    assert at_once["tasks"] == AT_ONCE  # the caller's own
    assert at_once["writes"] < AT_ONCE
    assert counts["connect"]["python_calls"] > counts["store"]["python_calls"]
    assert counts["retrieve_1MiB"]["written_bytes"] > 2 * 2**20  # of two replicas


@pytest.mark.parametrize("edit", AT_THE_EDGE, ids=lambda edit: edit.name)
def test_a_defect_at_the_edge_is_found_where_it_is(edit: Edit, tmp_path: Path) -> None:
    outcome = judged(tmp_path, edit)
    blamed = {each.name for each in outcome.regressions}
    assert missing(edit, blamed) == []
    assert misplaced(edit, blamed) == []


def test_neutral_edits_change_nothing_at_the_edge(tmp_path: Path) -> None:
    outcome = judged(tmp_path, *NEUTRAL)
    assert outcome.counts() == {GateVerdict.UNCHANGED: len(EDGE_METRICS) + len(KEPT_METRICS)}


def test_an_operation_that_waits_for_another_is_no_more_at_once(tmp_path: Path) -> None:
    """A lock around what a client stores: rounds tell, where nothing else is dearer."""
    shutil.copytree(CORE, tmp_path / "p2pcore", ignore=shutil.ignore_patterns("__pycache__"))
    path = tmp_path / "p2pcore" / "aio" / "client.py"
    path.write_text(
        path.read_text(encoding="utf-8")
        + """

_lock = __import__("asyncio").Lock()
_plain_store = AdaptiveClient.store


async def _store(self, *arguments, **named):
    async with _lock:
        return await _plain_store(self, *arguments, **named)


AdaptiveClient.store = _store
""",
        encoding="utf-8",
    )
    with EdgeLab("asyncio", str(tmp_path)) as lab:
        assert lab.count()["at_once"]["rounds"] == 2 * AT_ONCE


def test_a_core_that_breaks_is_not_slower(tmp_path: Path) -> None:
    (tmp_path / "p2pcore").mkdir()
    (tmp_path / "p2pcore" / "__init__.py").write_text("raise SystemExit(7)", encoding="utf-8")
    sheets = Recorder(COMMIT), Recorder(COMMIT)
    take_edge(sheets, (str(CORE.parent), str(tmp_path)), lambda: True)
    head = sheets[1].measured().metrics
    assert all(head[name].failed for name in EDGE_METRICS)
    assert sorted({name.rsplit(".", 1)[1] for name in EDGE_METRICS}) == sorted(LOOPS)
