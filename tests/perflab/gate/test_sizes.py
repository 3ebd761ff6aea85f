"""What is dearer for large values shows at their size and as growth, and nowhere else."""

import datetime
import shutil
from pathlib import Path

import pytest

import p2pcore
from benchmarks.micro.catalogue import COUNTED, MICROS
from benchmarks.micro.edge import EDGE
from benchmarks.micro.sizes import GROWTHS, SIZES
from perflab.gate.instructions import unavailable
from perflab.gate.judge import judge
from perflab.gate.policy import load_policy
from perflab.gate.recorder import Recorder
from perflab.gate.seeded_defects import DEFECTS, apply, misplaced
from perflab.gate.sizes import LEAST, SIZE_METRICS, take_sizes
from perflab.results.checkout import Commit

CORE = Path(p2pcore.__file__).parent
COMMIT = Commit("0" * 40, "Mutated")
COPY = next(edit for edit in DEFECTS if edit.name == "large frames are copied once more")
OF_CODEC = tuple(f"instructions.{name}" for name in (*SIZES, *GROWTHS) if "batch" not in name)


@pytest.mark.parametrize("name", [*SIZES, *EDGE])
def test_each_gives_the_right_result_and_again(name: str) -> None:
    prepared = COUNTED[name].prepare()  # compares its result
    for _ in range(2):
        prepared.run(prepared.fresh())


def test_nothing_is_timed_that_is_only_counted() -> None:
    assert not MICROS.keys() & {*SIZES, *EDGE, *GROWTHS}
    assert len(set(SIZE_METRICS)) == len(SIZES) + len(EDGE) + len(GROWTHS)


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.skipif(bool(unavailable()), reason=unavailable() or "valgrind is there")
def test_a_copy_of_large_frames_shows_in_their_size_and_growth_alone(tmp_path: Path) -> None:
    shutil.copytree(CORE, tmp_path / "p2pcore", ignore=shutil.ignore_patterns("__pycache__"))
    apply(COPY, tmp_path)
    wanted = set(OF_CODEC)
    sheets = tuple(Recorder(COMMIT, None, wanted.__contains__) for _ in range(2))
    cores = str(CORE.parent), str(tmp_path)
    take_sizes((sheets[0], sheets[1]), cores, wanted.__contains__, lambda: True)
    base, head = (sheet.measured() for sheet in sheets)
    outcome = judge(base, head, load_policy(), datetime.date.today())
    blamed = {each.name for each in outcome.regressions}
    assert set(COPY.must) <= blamed
    assert misplaced(COPY, blamed) == []
    assert not [name for name in blamed if "parse" in name or "put" in name or "pieces" in name]
    growths = [each for each in outcome.judgements if each.name.endswith("_growth")]
    assert growths
    assert all(each.base >= LEAST for each in growths)


def test_without_valgrind_they_are_skipped_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    sheets = Recorder(COMMIT), Recorder(COMMIT)
    take_sizes(sheets, (str(CORE.parent),) * 2, lambda _: True, lambda: True)
    metrics = sheets[0].measured().metrics
    assert {metrics[name].skipped for name in SIZE_METRICS} == {"valgrind is not installed"}
