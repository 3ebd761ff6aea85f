"""The packages hold what they should, and work with nothing but what they depend on."""

import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

from tests.package import main

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=300)
    return folder


@pytest.mark.slow
def test_what_they_hold(dist: Path) -> None:
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
        told = message_from_string(
            opened.read(next(n for n in names if n.endswith("/METADATA"))).decode()
        )
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "p2pcore").rglob("*.py")}
    assert {"p2pcore/py.typed", *modules} == {n for n in names if n.startswith("p2pcore/")}
    with tarfile.open(sdist) as tar:
        inside = {name.partition("/")[2] for name in tar.getnames()}
    other = {"CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml", ".gitignore"}
    assert inside == {"p2pcore/py.typed", *modules, *other}
    assert told["Requires-Python"] == ">=3.11"
    assert told["License-Expression"] == "Apache-2.0"
    assert "Typing :: Typed" in told.get_all("Classifier", [])
    needed = [each for each in told.get_all("Requires-Dist", []) if "extra ==" not in each]
    assert len(needed) == 3


@pytest.mark.slow
def test_they_work_by_themselves(dist: Path, capfd: pytest.CaptureFixture[str]) -> None:
    main([str(dist)])
    assert capfd.readouterr().out.count(" works\n") == 2


def test_a_folder_without_packages_is_no_success(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="a wheel and an sdist"):
        main([str(tmp_path)])
