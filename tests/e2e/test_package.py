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
    perflab = ROOT / "packaging" / "perflab"
    subprocess.run(
        [*build, "-t", "wheel"], cwd=perflab, check=True, capture_output=True, timeout=300
    )
    return folder


@pytest.mark.slow
def test_what_they_hold(dist: Path) -> None:
    (wheel,), (sdist,) = dist.glob("p2pcore*.whl"), dist.glob("*.tar.gz")
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
def test_perflab_holds_what_its_commands_load_and_neither_benchmarks_nor_the_core(
    dist: Path,
) -> None:
    (wheel,) = dist.glob("perflab*.whl")
    with zipfile.ZipFile(wheel) as opened:
        names = {name for name in opened.namelist() if not name.startswith("perflab-")}
    assert {name.partition("/")[0] for name in names} == {"perflab"}
    assert {"perflab/__main__.py", "perflab/LICENSE"} <= names
    assert {"perflab/site/templates/index.html.jinja", "perflab/gate/policy.toml"} <= names
    look = (
        "import sys, perflab.foreign.command, perflab.foreign.plugin\n"
        "found = {name: each for name, each in sys.modules.items() if 'perflab.' in name}\n"
        "print(*(each.__file__ for each in found.values()))"
    )
    told = subprocess.run([sys.executable, "-c", look], cwd=ROOT, capture_output=True, check=True)
    loaded = {str(Path(name).relative_to(ROOT)) for name in told.stdout.decode().split()}
    assert loaded <= names
    measuring = ("perflab/gate/run.py", "perflab/load/run.py", "perflab/bench/command.py")
    assert not names & {*measuring}


@pytest.mark.slow
def test_they_work_by_themselves(dist: Path, capfd: pytest.CaptureFixture[str]) -> None:
    main([str(dist)])
    assert capfd.readouterr().out.count(" works\n") == 3


def test_a_folder_without_packages_is_no_success(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="there should be"):
        main([str(tmp_path)])
