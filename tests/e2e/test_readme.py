"""The blocks of README and of the tutorial, pasted one after the other, with an empty home;
README's in a fresh environment, too."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="blocks for a POSIX shell")

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
TUTORIAL = BLOCK.findall((ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8"))
SHIPPED = ("p2pcore", "README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml")
PATIENCE_S = 600.0


def free_ports(count: int) -> int:
    """The first of so many neighbouring ports that nobody listens on."""
    for first in range(20_000, 32_000, 7):
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            return first
    raise AssertionError("no free ports")


def paste(folder: Path, blocks: list[tuple[str, str]]) -> str:
    """What a shell says that is given all of these, in its order. A line that fails ends it."""
    lines = ["set -eu", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"]
    for language, text in blocks:
        lines.append(text if language == "sh" else f"python - <<'END'\n{text}END\n")
    script = "\n".join(lines)
    for number, port in enumerate(range(first := free_ports(4), first + 4)):
        script = script.replace(f":{4100 + number}", f":{port}")
    home = folder / "home"
    home.mkdir()
    keep = {"PATH", "LANG", "PIP_INDEX_URL", "PIP_CONFIG_FILE", "PIP_CERT", "SSL_CERT_FILE"}
    run = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={name: os.environ[name] for name in keep & set(os.environ)} | {"HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def check(said: str) -> None:
    assert "stored greeting: 2 of 3 replicas confirmed" in said
    assert "\nhello\n" in said or "\nhello" in said
    assert "b'hello'\n100 values\n" in said
    assert re.search(r"[23] of 3 replicas have confirmed\nb'hello'\n", said)


def with_this_package(folder: Path) -> tuple[str, str]:
    """A block after which `python` and `p2pcore` are those of this checkout."""
    (folder / "bin").mkdir()
    for name, words in (("python", ""), ("p2pcore", "-m p2pcore")):
        stub = folder / "bin" / name
        stub.write_text(f'#!/bin/sh\nexec {sys.executable} {words} "$@"\n')
        stub.chmod(0o755)
    return "sh", f'export PATH="{folder}/bin:$PATH" PYTHONPATH="{ROOT}"\n'


def test_the_blocks_with_the_package_that_is_here(tmp_path: Path) -> None:
    """All but the installation."""
    blocks = [each for each in BLOCKS if "pip install" not in each[1]]
    assert len(BLOCKS) == len(blocks) + 1
    check(paste(tmp_path, [with_this_package(tmp_path), *blocks]))


def test_the_tutorial(tmp_path: Path) -> None:
    said = paste(tmp_path, [with_this_package(tmp_path), *TUTORIAL])
    for expected in (
        "good evening",
        "exit code 1: there is no such record",
        "200 users\nno record under 'user/200'\n",
        "200 users are left\n",
        "b'name'\nholds ",
        "b'hello' after a minute",
    ):
        assert expected in said


@pytest.mark.slow
def test_all_blocks_in_a_fresh_environment(tmp_path: Path) -> None:
    for name in SHIPPED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").symlink_to(sys.executable)  # of this version
    began_s = time.monotonic()
    check(paste(tmp_path, [("sh", f'PATH="{tmp_path}/bin:$PATH"\n'), *BLOCKS]))
    print(f"from the first block to the last: {time.monotonic() - began_s:.0f} s")
