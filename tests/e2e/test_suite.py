"""The suite runs: asv builds this commit, every benchmark gives a value, the site is whole.

`--quick` takes each benchmark once: the figures mean nothing here, that there are some does.
"""

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.common.asv_type import ROUNDS
from perflab.results.asv_results import current_versions, stored
from perflab.site.offline import external_references

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SUITES = {path.stem for path in (ROOT / "benchmarks").glob("[!_]*.py")}
LIMIT_S = 1200  # against hanging; alone on two cores it is a fifth of that


class Clone:
    """HEAD in a clone of its own, with the working tree's suite and the only branch, main."""

    def __init__(self, folder: Path):
        self.root, self.home = folder / "clone", folder / "home"
        self.home.mkdir()
        # A clone of a detached or shallow checkout has no main; asv's configuration names it.
        self._git(folder, "clone", "--quiet", f"file://{ROOT}", str(self.root))
        head = self._git(ROOT, "rev-parse", "HEAD")
        self._git(self.root, "fetch", "--quiet", "origin", head)
        self._git(self.root, "checkout", "--quiet", "--force", "-B", "main", head)
        ignored = shutil.ignore_patterns("__pycache__")
        for tree in ("benchmarks", "perflab"):
            shutil.rmtree(self.root / tree)
            shutil.copytree(ROOT / tree, self.root / tree, ignore=ignored)
        shutil.copy(ROOT / "asv.conf.json", self.root)
        self.results = self.root / ".asv" / "results"
        self.site = self.root / ".asv" / "html"

    def asv(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run an asv command as a person in the clone would, and demand that it succeeds."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = {
            # Downloaded packages are shared, the machine file is not.
            "PIP_CACHE_DIR": str(Path.home() / ".cache" / "pip"),
            **os.environ,
            "HOME": str(self.home),
            "P2PCORE_QUICK": "1",  # asv's own --quick does not reach the records' preparation
            "PATH": path,
        }
        done = subprocess.run(
            [sys.executable, "-m", "asv", *arguments],
            cwd=self.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
        assert done.returncode == 0, f"asv {arguments}: {done.returncode}\n{done.stdout[-8000:]}"
        return done

    def _git(self, folder: Path, *arguments: str) -> str:
        command = ["git", *arguments]
        done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """One commit, measured and published."""
    clone = Clone(tmp_path_factory.mktemp("suite"))
    clone.asv("machine", "--yes", "--machine", "e2e")
    clone.asv("check")
    # Forked, a benchmark process starts in 40 ms; started anew, as in a real run, in 300 or more.
    words = ["--quick", "--show-stderr", "--machine", "e2e", "--launch-method", "forkserver"]
    clone.asv("run", *words, "HEAD^!")
    clone.asv("publish")
    return clone


def _at_night(name: str, values: int) -> int:
    """How many of a benchmark's values are measured at night only: 16,384 nodes are one size in
    four, and under churn 4,096 are another; where silent machines are given up, 512 are one in
    three."""
    if name.startswith(("detection.GivenUp.", "detection.ProbeBytes.")):
        return values // 3
    if not name.startswith("simulated.Warm") or values % 4:
        return 0
    return values // 4 * (2 if name.startswith("simulated.WarmChurn") else 1)


def test_every_suite_has_benchmarks(clone: Clone) -> None:
    found = {name.split(".")[0] for name in current_versions(clone.results)}
    assert found
    assert found == SUITES


def test_the_type_with_rounds_is_found_in_the_environment_of_a_commit(clone: Clone) -> None:
    listed = json.loads((clone.results / "benchmarks.json").read_text())
    rounds = {each["rounds"] for name, each in listed.items() if name.startswith("hotpath.")}
    assert rounds == {ROUNDS}


def test_every_benchmark_has_a_value(clone: Clone) -> None:
    versions = current_versions(clone.results)
    (path,) = (clone.results / "e2e").glob("*-virtualenv-*.json")
    file = stored(path)
    assert versions
    assert file.lacking(versions) == []
    assert file.failed(versions) == []
    without = {
        name: sum(value is None or math.isnan(value) for value in record.values)
        for name, record in file.records.items()
    }
    counts = {name: len(record.values) for name, record in file.records.items()}
    assert {name: n for name, n in without.items() if n != _at_night(name, counts[name])} == {}


def test_the_site_shows_it_without_the_network(clone: Clone) -> None:
    assert external_references(clone.site) == []
    index = json.loads((clone.site / "index.json").read_text())
    assert set(index["benchmarks"]) == set(current_versions(clone.results))
    assert len(index["revision_to_hash"]) == 1
    graphs = {path.stem for path in (clone.site / "graphs").rglob("*.json")}
    assert set(index["benchmarks"]) <= graphs
