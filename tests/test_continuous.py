"""The trials of plain asv read it rightly, and their defects are what they say."""

import json
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.continuous.__main__ import _spread, main
from tests.continuous.clone import MACHINE, Clone, changed, neighbour
from tests.continuous.defects import DEFECTS, codec_truth
from tests.perflab.results.test_checkout import git

ROOT = Path(__file__).parent.parent
SAID = """
| Change   | Before [1b0] <main>   | After [2c1] <trial>   |   Ratio | Benchmark        |
|----------|-----------------------|-----------------------|---------|------------------|
| +        | 210±4μs               | 247±3μs               |    1.18 | a.track('store') |
| -        | 1.04±0ms              | 500±20μs              |    0.48 | a.B.track_d      |
| !        | 3                     | failed                |     n/a | a.B.track_e      |
"""


def test_what_asv_calls_changed_is_read() -> None:
    newly_failed = math.inf
    assert changed(SAID) == {
        "a.track('store')": 1.18, "a.B.track_d": 0.48, "a.B.track_e": newly_failed
    }  # fmt: skip


def test_figures_are_those_beside_a_ruler_and_the_clock_can_be_had(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "-m", "One")
    commit = git(tmp_path, "rev-parse", "HEAD").strip()
    place = tmp_path / ".asv" / "results" / MACHINE
    place.mkdir(parents=True)
    content = {
        "result_columns": ["result", "params", "version", "stats_number"],
        "results": {
            "a.B.c": [[0.5, None, 2.0], [["1", "2", "3"]], "3, ruler 1", [1500, None, 1000]],
            "a.B.d": [[7.0], [], "3", [1]],
        },
    }
    (place / f"{commit[:8]}-env.json").write_text(json.dumps(content))
    trial = Clone(tmp_path, tmp_path)
    assert trial.figures("HEAD") == {"a.B.c(1)": 0.5, "a.B.c(3)": 2.0}
    assert trial.figures("HEAD", raw=True) == {"a.B.c(1)": 0.75, "a.B.c(3)": 2.0}


def test_the_spread_is_by_nearest_rank() -> None:
    assert _spread([1.0, 2.0]) == 2.0
    assert _spread([float(number) for number in range(1, 12)]) == 5.0  # 10 over 2


@pytest.mark.parametrize("defect", DEFECTS, ids=[each.name for each in DEFECTS])
def test_a_defect_is_one_of_this_core(defect: object, tmp_path: Path) -> None:
    """Its code runs at the end of its module, and what it replaces is not what it was."""
    assert hasattr(defect, "module")
    [found] = [each for each in DEFECTS if each is defect]
    shutil.copytree(ROOT / "p2pcore", tmp_path / "p2pcore")
    with (tmp_path / found.module).open("a") as file:
        file.write(f"\n\n{found.code}")
    module = found.module.removesuffix(".py").replace("/", ".")
    name = "encode_frame" if found.name == "codec" else "AdaptiveClient.retrieve"
    name = "AdaptiveClient.store" if found.name == "store" else name
    script = (
        f"import {module} as m; print(m.{name}.__code__.co_name, m.{name}.__code__.co_firstlineno)"
    )
    lines = []
    for place in (ROOT, tmp_path):
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=place, capture_output=True, text=True, check=True
        )
        lines.append(done.stdout)
    assert lines[0] != lines[1]
    assert all(re.compile(pattern) and ratio != 1 for pattern, ratio in found.truth)
    if found.name == "codec":
        assert codec_truth(tmp_path) > 0


def test_a_neighbour_ends_with_its_trial() -> None:
    with neighbour(1) as process:
        assert process.poll() is None
    assert process.poll() is not None


def test_wrong_words_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["abc"])
    assert refused.value.code == 2
    assert "abc" in capsys.readouterr().err
