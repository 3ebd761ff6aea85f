"""Whatever the suite asks of the core by name is there: today, and before names were moved."""

import ast
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
BEFORE_THE_MOVES = "7cd56e3bec090fc5d55f6665903236853c7e0b35"
OLDEST = "86a22999ec7139202a78bd639cf249224b21d1eb"  # see `subject.py`
LATER = {"overlay.ranking.Ranking"}  # what came after the oldest; it has no simulator to ask of

# Nodes had no disks then, so nothing is asked of these; the rest is what crowds tell a node, and
# these take their records from a disk.
WITH_DISKS = {
    "aio.database.Database",
    "effects.Persist",
    "ids.Key",
    "replication.custody.view_of",
    "session.greeting.greeting",
    *(f"wire.messages.{name}" for name in ("FindNode", "ListNames", "Ping", "Role", "Survey")),
}

# For a fresh interpreter: prints [module, name] of every part that the suite asks for, and whether
# it is there. Nothing is listed here: every micro benchmark, the machines and a world are made.
ASK = """
import json
from benchmarks.common import parts, subject

asked = {}

def part(module, name, look=parts.part):
    try:
        found = look(module, name)
    except NotImplementedError:
        asked[f"{module}.{name}"] = False
        raise
    asked[f"{module}.{name}"] = True
    return found

parts.part = subject.part = part
assert subject.core_dir() == CORE_DIR, subject.core_dir()
from benchmarks.micro.catalogue import COUNTED

def attempt(make):
    try:
        make()
    except NotImplementedError:
        pass

for micro in COUNTED.values():
    attempt(micro.prepare)
attempt(subject.machines)
attempt(lambda: subject.supports("simulator"))
if subject.supports("simulator"):
    world = subject.make_world(1, {"latency_us": 50})
    world.apply(subject.fault_from({"fault": "pause", "for_s": 1}))
    world.swarm(2)
    operation = world.nodes[0].start_lookup(bytes(32))
    operation.wait()
    assert subject.starter_id(operation) == world.nodes[0].node_id
    assert min(subject.traffic(world)) > 0
    from benchmarks.common.simulated.tail import tail

    attempt(lambda: tail(1, "stutter", nodes=4))
print(json.dumps(asked))
"""


def asked_of(core_dir: Path) -> dict[str, bool]:
    """Which parts the suite asks of the p2pcore in this directory, and whether it has them."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"CORE_DIR = {str(core_dir.resolve())!r}\n{ASK}"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(core_dir), str(ROOT)])},
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, bool] = json.loads(done.stdout)
    return found


def written_down() -> Iterator[str]:
    """Parts that the suite's source asks for in plain words."""
    for path in (ROOT / "benchmarks").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("part", "subject.part"):
                words = [each.value for each in node.args if isinstance(each, ast.Constant)]
                if len(words) == 2:
                    yield ".".join(map(str, words))


@pytest.fixture
def old_core(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A directory with p2pcore as it was at a commit."""
    commit = str(request.param)
    done = subprocess.run(
        ["git", "-C", ROOT, "archive", commit, "p2pcore"], capture_output=True, timeout=60
    )
    if done.returncode:
        pytest.skip(f"this clone has no commit {commit}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


@pytest.fixture(scope="module")
def today() -> dict[str, bool]:
    return asked_of(ROOT)


def test_today_has_every_part(today: dict[str, bool]) -> None:
    assert [name for name, found in today.items() if not found] == []
    assert {"versions.HybridClock", "contact.Contact", "sim.LinkProfile"} <= today.keys()


def test_no_part_escapes_the_question(today: dict[str, bool]) -> None:
    assert sorted(set(written_down()) - today.keys()) == []


@pytest.mark.slow
@pytest.mark.parametrize("old_core", [BEFORE_THE_MOVES], indirect=True)
def test_so_has_the_commit_before_the_moves(old_core: Path, today: dict[str, bool]) -> None:
    assert asked_of(old_core) == {
        name: found for name, found in today.items() if name not in WITH_DISKS
    }


@pytest.mark.slow
@pytest.mark.parametrize("old_core", [OLDEST], indirect=True)
def test_the_oldest_lacks_only_what_came_later(old_core: Path, today: dict[str, bool]) -> None:
    found = asked_of(old_core)
    assert {name for name in found if not found[name]} == LATER
    left_out = {name for name in today.keys() - found.keys() if not name.startswith("sim.")}
    assert left_out == WITH_DISKS
