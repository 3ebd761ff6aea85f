"""The contracts on imports (pyproject.toml): the tree keeps them, and each can be broken."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
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
    for name in ("p2pcore", "benchmarks"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def test_the_tree_keeps_them(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("session/link.py", "from p2pcore.overlay.table import ContactTable", "is a tower"),
        ("storage/memory.py", "from p2pcore.replication.replica import Replica", "is a tower"),
        ("node.py", "from p2pcore import AdaptiveClient", "is a tower"),
        ("aio/host.py", "from p2pcore.sim.world import World", "is a tower"),
        ("unheard_of.py", "", "is a tower"),
        ("sim/hosts/process.py", "from p2pcore.sim.world import World", "the simulator is one"),
        ("cli/node_process.py", "from p2pcore.cli.serve import serve", "no circles"),
        ("aio/connection.py", "from p2pcore.aio.host import Host", "no circles"),
        ("overlay/lookup.py", "import asyncio", "sans-IO"),
        ("wire/codec.py", "from time import monotonic", "sans-IO"),
        ("replication/sync.py", "from cryptography import x509", "sans-IO"),
        ("aio/host.py", "from benchmarks.common import loops", "who measures it"),
    ],
)
def test_each_can_be_broken(copy: Path, file: str, line: str, broken: str) -> None:
    path = copy / "p2pcore" / file
    before = path.read_text(encoding="utf-8") if path.exists() else None
    guarded = f"from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    {line or '...'}\n"
    path.write_text(f"{before or ''}\n{guarded}", encoding="utf-8")
    try:
        done = lint(copy)
    finally:
        path.unlink() if before is None else path.write_text(before, encoding="utf-8")
    assert done.returncode == 1, done.stdout + done.stderr
    assert any(broken in text and "BROKEN" in text for text in done.stdout.splitlines())
