"""`make history` in a clone whose origin has no results takes what the repository keeps."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
@pytest.mark.skipif(
    not (ROOT / ".git").exists() or shutil.which("make") is None, reason="needs git's files, make"
)
def test_it_works_in_a_fresh_clone(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    shutil.copy(ROOT / "Makefile", clone)
    # The environment of this process stands in for the one that make would build.
    command = ["make", f"VENV={sys.prefix}", "PUBLISHER=", "history"]
    done = subprocess.run(command, cwd=clone, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "origin has no branch benchmark-results" in done.stdout
    assert "make site" in done.stdout
    assert list((clone / ".asv" / "results").glob("*/*.json"))
