"""What a diff says of a commit before it is measured."""

from pathlib import Path

import pytest

from perflab.culprit.prior import PINNED, RUNS, WORDS, weights
from perflab.results.checkout import Commit, commit_of
from tests.perflab.results.test_checkout import git

BOX = '''"""A box."""
LIMIT = 3


def put(value):
    return value + LIMIT


def get():
    return 1
'''
PUT, GET = "p2pcore/box.py:put", "p2pcore/box.py:get"
SHARES = {PUT: 0.7, GET: 0.1, "p2pcore/other.py:f": 0.2}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    (tmp_path / "p2pcore").mkdir()
    committed(tmp_path, "p2pcore/box.py", BOX)
    return tmp_path


def committed(folder: Path, name: str, text: str) -> Commit:
    (folder / name).write_text(text, encoding="utf-8")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", name)
    return commit_of(folder, "HEAD")


@pytest.mark.parametrize(
    ("name", "text", "weight"),
    [
        ("p2pcore/box.py", BOX.replace("value + LIMIT", "value - LIMIT"), RUNS + 0.7),
        ("p2pcore/box.py", BOX.replace("return 1", "return 2"), RUNS + 0.1),
        ("p2pcore/box.py", BOX.replace("LIMIT = 3", "LIMIT = 4"), RUNS + 0.7),  # put uses it
        ("p2pcore/box.py", BOX + "\n\ndef more():\n    return 2\n", RUNS),
        ("p2pcore/box.py", BOX.replace("A box", "The box"), WORDS),
        ("README.md", "Words.", WORDS),
        ("pyproject.toml", "[project]", PINNED),
        ("p2pcore/py.typed", "", PINNED),
    ],
)
def test_a_commit_weighs_what_it_touches(
    name: str, text: str, weight: float, repository: Path
) -> None:
    commit = committed(repository, name, text)
    assert weights(repository, [commit], SHARES) == [pytest.approx(weight)]
    runs = weight >= RUNS
    assert weights(repository, [commit], None) == [1.0 if runs else pytest.approx(weight)]


def test_the_first_commit_of_all_is_not_ruled_out(repository: Path) -> None:
    assert weights(repository, [commit_of(repository, "HEAD")], SHARES) == [1.0]
