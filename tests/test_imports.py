"""The contracts on imports (pyproject.toml): the tree keeps them, and each can be broken."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TREES = ("p2pcore", "benchmarks", "perflab")
LINTER = [
    sys.executable, "-P", "-c", "import sys; from importlinter.cli import lint_imports_command; "
    "sys.path.insert(0, '.'); lint_imports_command()", "--no-cache", "--no-logo",
]  # fmt: skip


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(LINTER, cwd=root, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages that the contracts are about, without what they were compiled to."""
    root = tmp_path_factory.mktemp("tree")
    shutil.copy(ROOT / "pyproject.toml", root)
    for name in TREES:
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def test_the_tree_keeps_them(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("p2pcore/session/link.py", "from p2pcore.overlay.table import ContactTable", "tower"),
        (
            "p2pcore/storage/memory.py",
            "from p2pcore.replication.replica import Replica",
            "tower",
        ),
        ("p2pcore/node.py", "from p2pcore import AdaptiveClient", "tower"),
        ("p2pcore/aio/host.py", "from p2pcore.sim.world import World", "tower"),
        ("p2pcore/unheard_of.py", "", "tower"),
        (
            "p2pcore/sim/hosts/process.py",
            "from p2pcore.sim.world import World",
            "simulator",
        ),
        ("p2pcore/cli/node_process.py", "from p2pcore.cli.serve import serve", "no circles"),
        ("p2pcore/aio/connection.py", "from p2pcore.aio.host import Host", "no circles"),
        ("p2pcore/overlay/lookup.py", "import asyncio", "sans-IO"),
        ("p2pcore/wire/codec.py", "from time import monotonic", "sans-IO"),
        ("p2pcore/replication/sync.py", "from cryptography import x509", "sans-IO"),
        ("p2pcore/aio/host.py", "from benchmarks.common import loops", "three trees"),
        ("benchmarks/common/swarm.py", "from perflab.gate import policy", "three trees"),
        ("benchmarks/common/swarm.py", "from p2pcore import errors", "one door"),
        ("perflab/load/client.py", "from p2pcore import errors", "one door"),
        ("perflab/stats/slope.py", "from benchmarks.common import loops", "other projects"),
        ("perflab/foreign/trends.py", "from benchmarks.common import loops", "other projects"),
        ("perflab/alerts/judge.py", "from perflab.gate import command", "other projects"),
        ("perflab/gate/judge.py", "from perflab.gate import command", "a verdict reads files"),
        ("perflab/load/record.py", "from perflab.processes import fleet", "a verdict reads files"),
        ("perflab/chaos/command.py", "from perflab.load import run", "one another's"),
        ("perflab/results/commits.py", "from perflab.site import model", "one another's"),
    ],
)
def test_each_can_be_broken(copy: Path, file: str, line: str, broken: str) -> None:
    path = copy / file
    before = path.read_text(encoding="utf-8") if path.exists() else None
    guarded = f"from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    {line or '...'}\n"
    path.write_text(f"{before or ''}\n{guarded}", encoding="utf-8")
    try:
        done = lint(copy)
    finally:
        path.unlink() if before is None else path.write_text(before, encoding="utf-8")
    assert done.returncode == 1, done.stdout + done.stderr
    assert any(broken in text and "BROKEN" in text for text in done.stdout.splitlines())
