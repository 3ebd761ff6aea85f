"""Changes that would bend the ruler that judges them, tried on the command as it is called.

Each is a commit of a real small repository with a core, a ruler and a policy of its own; the gate
is started as somebody who has checked the change out would.
"""

import json
import shutil
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.perflab.gate.test_command import commit
from tests.perflab.results.test_checkout import git

ROOT = Path(__file__).parents[3]
RECORD = "memory.record.8"
FIELDS = "    value: bytes | None\n    expires_ms: int\n"
FATTER = FIELDS + "".join(f"    spare_{number}: None = None\n" for number in range(80))
SOON = date.today() + timedelta(days=30)


def accept(match: str, until: date = SOON, reason: str = "worth it", up_to: float = 9) -> str:
    return (
        f'\n[[accept]]\nmatch = "{match}"\nup_to = {up_to}\nreason = "{reason}"\nuntil = {until}\n'
    )


class Told(NamedTuple):
    """What a gate said."""

    code: int
    text: str
    verdict: dict[str, Any]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This checkout under git, as `base`; and `fatter`, whose records keep far more."""
    folder = tmp_path_factory.mktemp("rulers") / "repository"
    copied_checkout(folder)
    git(folder, "init", "--quiet", "--initial-branch=base")
    (folder / ".gitignore").write_text(".asv/\n__pycache__/\n.venv\n", encoding="utf-8")
    commit(folder, "Base")
    return folder


def copied_checkout(folder: Path) -> None:
    folder.mkdir()
    for name in ("README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml", "Makefile"):
        shutil.copy(ROOT / name, folder)
    for name in ("p2pcore", "benchmarks"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pyc*"))


def replaced(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, (file, old)
    file.write_text(text.replace(old, new), encoding="utf-8")


def changed(folder: Path, *changes: tuple[str, str, str], extra: str = "") -> None:
    """Check out a commit upon `base` with these changes of files, and more lines in the policy."""
    git(folder, "checkout", "--quiet", "--detach", "base")
    for name, old, new in changes:
        replaced(folder / name, old, new)
    with (folder / POLICY).open("a", encoding="utf-8") as policy:
        policy.write(extra)
    commit(folder, "Change")


POLICY = "perflab/gate/policy.toml"
COUNTS = "perflab/gate/counts.py"
FAT = ("p2pcore/storage/memory.py", FIELDS, FATTER)
HIDDEN = (
    COUNTS,
    "for keeper in KEEPERS)\n",
    'for keeper in KEEPERS if keeper != "record")\n',
)
NOTHING = ("README.md", "# p2pcore", "# p2pcore, again")


def gate(folder: Path, place: Path, *arguments: str) -> Told:
    """As somebody in that checkout would call it."""
    command = [sys.executable, "-m", "perflab", "gate", "base", "HEAD", "--output", str(place)]
    done = subprocess.run(
        [*command, *arguments], cwd=folder, capture_output=True, text=True, timeout=600
    )
    file = place / "verdict.json"
    verdict = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return Told(done.returncode, done.stdout + done.stderr, verdict)


def blamed(told: Told) -> list[str]:
    entries = told.verdict["benchmarks"].items()
    return [name for name, each in entries if each["verdict"] == "regression"]


MEMORY = ("--only", RECORD)


def test_a_benchmark_that_the_change_takes_off_the_list_is_measured_nevertheless(
    repository: Path, tmp_path: Path
) -> None:
    changed(repository, FAT, HIDDEN)
    told = gate(repository, tmp_path, *MEMORY)
    assert told.code == 1, told.text
    assert blamed(told) == [RECORD]
    assert f"the head's ruler no longer has {RECORD}" in told.text
    assert "the gate here is not the base's" in told.text
