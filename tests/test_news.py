"""What a release will say: fragments of known kinds, assembled into a section of the changelog."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from p2pcore import __version__
from tests.house import ROOT

FRAGMENTS = sorted(path for path in (ROOT / "news").iterdir() if path.name != "README.md")


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.name)
def test_a_fragment_is_a_sentence_of_a_known_kind(path: Path) -> None:
    assert re.fullmatch(r"(\d+|\+[\w-]+)\.(added|changed|fixed|removed)(\.\d+)?\.md", path.name)
    text = path.read_text(encoding="utf-8")
    assert re.fullmatch(r"\S.*[.)]\n", text, re.DOTALL)


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_next_release_says_all_of_it(tmp_path: Path) -> None:
    for name in (
        "CHANGELOG.md",
        "pyproject.toml",
        "p2pcore/version.py",
        ".github/release_notes.py",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "news", tmp_path / "news")
    (tmp_path / "news" / "7.fixed.md").write_text("A hole is closed.\n", encoding="utf-8")
    before = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").partition("start -->\n")[2]

    run(tmp_path, "-m", "towncrier", "build", "--yes", "--version", __version__)
    notes = run(tmp_path, ".github/release_notes.py", f"v{__version__}")

    assert "- A hole is closed. (#7)" in notes
    one_line = " ".join(notes.split())
    for path in FRAGMENTS:
        assert " ".join(path.read_text(encoding="utf-8").split()) in one_line
    after = (tmp_path / "CHANGELOG.md").read_text(encoding="utf-8")
    assert after.endswith(before)
    assert [path.name for path in (tmp_path / "news").iterdir()] == ["README.md"]
