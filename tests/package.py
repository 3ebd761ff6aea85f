"""Try built packages: `python -m tests.package DIST`, with the standard library alone.

Each package in the folder is installed into an environment of its own, with what it depends on and
no more, and is used from an empty folder: every module is imported, a node stores and gives back.
`perflab` makes the site, the alerts, the history and the trends of a project that is not ours.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.perflab.foreign.projects import (
    entry,
    make_repository,
    noisy,
    write_config,
    write_result,
)

__all__ = ["main", "try_package"]

PATIENCE_S = 300.0
KINDS = [("p2pcore", ".whl"), ("p2pcore", ".gz"), ("perflab", ".whl")]
USE = """
import importlib, pkgutil, subprocess, sys
from importlib.metadata import distribution
import p2pcore
from p2pcore import ClientConfig
from p2pcore.blocking import Client

needed = {each.split(";")[0].split(">")[0].strip() for each in distribution("p2pcore").requires
          if "extra ==" not in each}
assert needed == {"msgspec", "cryptography", "uvloop"}, needed
assert "venv" in p2pcore.__file__, p2pcore.__file__
for module in pkgutil.walk_packages(p2pcore.__path__, "p2pcore."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
node = subprocess.Popen(
    [sys.argv[1], "serve", "--replicas", "1"], stdout=subprocess.PIPE, text=True)
try:
    address = node.stdout.readline().split()[1]
    with Client(ClientConfig(bootstrap=[address])) as client:
        client.store("key", b"value")
        assert client.retrieve("key") == b"value"
    got = subprocess.run([sys.argv[1], "get", "key", "--via", address],
                         capture_output=True, check=True)
    assert got.stdout == b"value"
finally:
    node.terminate()
    assert node.wait(60) == 0
print("p2pcore", p2pcore.__version__, "works")
"""
USE_PERFLAB = """
import importlib, importlib.util, json, pkgutil, subprocess, sys
from pathlib import Path
import perflab

assert "venv" in perflab.__file__, perflab.__file__
for name in ("benchmarks", "p2pcore"):
    assert importlib.util.find_spec(name) is None, name
for module in pkgutil.walk_packages(perflab.__path__, "perflab."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
for words, code in (("site", 0), ("history pack", 0), ("trends --all", 0), ("alerts", 0)):
    done = subprocess.run([sys.argv[1], *words.split()], stdout=subprocess.PIPE, text=True)
    assert done.returncode == code, (words, done.returncode, done.stdout)
index = Path("html/index.html").read_text(encoding="utf-8")
assert "sorting.Sort.time_sort" in index
listed = json.loads(Path("html/data/site.json").read_bytes())
assert [len(place["commits"]) for place in listed["places"]] == [40]
assert len(Path(".asv-history/machines/box.jsonl").read_bytes().splitlines()) == 40
version = [sys.executable, "-m", "perflab", "--version"]
told = subprocess.run(version, check=True, stdout=subprocess.PIPE, text=True)
print(told.stdout.strip(), "works")
"""


def try_package(package: Path) -> str:
    """Install and use one package; returns what it said. Raises CalledProcessError."""
    name = package.name.partition("-")[0]
    with tempfile.TemporaryDirectory() as folder:
        venv = Path(folder) / "venv"
        # Without a pip of its own: this Python's installs there, and takes seconds less.
        run(folder, sys.executable, "-m", "venv", "--without-pip", str(venv))
        python, script = venv / "bin" / "python", venv / "bin" / name
        pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
        run(folder, *pip, "install", "--quiet", str(package.resolve()))
        run(folder, *pip, "check")
        if name == "perflab":
            suite = _another_project(Path(folder) / "project")
            return run(str(suite), str(python), "-c", USE_PERFLAB, str(script))
        return run(folder, str(python), "-c", USE, str(script))


def _another_project(folder: Path) -> Path:
    """A repository of forty commits, each measured; where its configuration of asv lies."""
    commits = make_repository(folder, 40)
    config = write_config(folder, repo=".")
    suite = {"sorting.Sort.time_sort": entry("sorting.Sort.time_sort")}
    for commit, value in zip(commits, noisy(1, 40, 1e-3), strict=True):
        write_result(folder / "results", commit, {name: [value] for name in suite}, suite)
    return config.parent


def run(folder: str, *words: str) -> str:
    """Run a command there, without what this process was told by its environment."""
    left_out = ("PYTHONPATH", "VIRTUAL_ENV", "P2PCORE_VIA", "P2PCORE_NETWORK_KEY_FILE")
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    done = subprocess.run(
        words, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True,
        timeout=PATIENCE_S,
    )  # fmt: skip
    return done.stdout


def main(words: list[str] | None = None) -> None:
    """Try every package in a folder: p2pcore's wheel and sdist, and the wheel of perflab."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("dist", type=Path)
    packages = sorted(arguments.parse_args(words).dist.iterdir())
    kinds = [(package.name.partition("-")[0], package.suffix) for package in packages]
    if kinds != KINDS:
        sys.exit(f"there should be {KINDS}: {[each.name for each in packages]}")
    for package in packages:
        print(f"{package.name}: {try_package(package).strip()}")


if __name__ == "__main__":
    main()
