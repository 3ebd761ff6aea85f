"""No ruler needs p2pcore: what it takes does not change with the core."""

import json
import subprocess
import sys

import pytest

from benchmarks.common.entry import SUITE_PARENT
from benchmarks.common.ruler.fresh import IMPORT_PROGRAM, import_s, run_fresh

ALONE = ["pairs", "small_core", "ceiling", "fresh", "versions"]


@pytest.mark.parametrize("module", ALONE)
def test_a_ruler_imports_nothing_of_the_core(module: str) -> None:
    script = (
        "import json, sys\n"
        f"sys.path.insert(0, {SUITE_PARENT!r})\n"
        f"import benchmarks.common.ruler.{module}\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = json.loads(done.stdout)
    assert not [name for name in loaded if name.split(".")[0] == "p2pcore"]
    assert "benchmarks.common.subject" not in loaded


def test_what_the_ruler_imports_is_there_and_not_the_core() -> None:
    assert "p2pcore" not in IMPORT_PROGRAM
    assert import_s() > 0


def test_a_fresh_interpreter_that_fails_is_no_figure() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        run_fresh("raise SystemExit(3)")
