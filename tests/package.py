"""Try built packages: `python -m tests.package DIST`, with the standard library alone.

Each package in the folder is installed into an environment of its own, with what it depends on and
no more, and is used from an empty folder: every module is imported, a node stores and gives back.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["main", "try_package"]

PATIENCE_S = 300.0
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


def try_package(package: Path) -> str:
    """Install and use one package; returns what it said. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as folder:
        venv = Path(folder) / "venv"
        run(folder, sys.executable, "-m", "venv", str(venv))
        python, script = venv / "bin" / "python", venv / "bin" / "p2pcore"
        pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
        run(folder, *pip, "install", "--quiet", str(package.resolve()))
        run(folder, *pip, "check")
        return run(folder, str(python), "-c", USE, str(script))


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
    """Try every package in a folder, of which there are a wheel and an sdist."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("dist", type=Path)
    packages = sorted(arguments.parse_args(words).dist.iterdir())
    kinds = {package.suffix for package in packages}
    if kinds != {".whl", ".gz"}:
        sys.exit(f"there should be a wheel and an sdist: {[each.name for each in packages]}")
    for package in packages:
        print(f"{package.name}: {try_package(package).strip()}")


if __name__ == "__main__":
    main()
