"""What measures is pinned once in two places: asv's environments and the one that runs asv."""

import json
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
MATRIX = json.loads((ROOT / "asv.conf.json").read_text(encoding="utf-8"))["matrix"]["req"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NAMES = {name.removeprefix("pip+"): versions for name, versions in MATRIX.items()}


def name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9_.-]+", requirement)
    assert found
    return found[0]


def test_each_pin_of_the_matrix_is_one_exact_version() -> None:
    for library, versions in NAMES.items():
        assert len(versions) == 1, library
        assert re.fullmatch(r"(==)?\d+(\.\d+)+", versions[0]), library


def test_both_environments_hold_the_same_versions() -> None:
    bench = PROJECT["project"]["optional-dependencies"]["bench"]
    both = {name(pin): pin for pin in bench if name(pin) in NAMES}
    assert {"asv_runner", "numpy", "psutil", "pyperf"} <= set(both)
    for library, pin in both.items():
        assert pin == f"{library}=={NAMES[library][0].removeprefix('==')}"


def test_every_runtime_dependency_is_pinned_for_measuring() -> None:
    assert {name(each) for each in PROJECT["project"]["dependencies"]} <= set(NAMES)


def test_the_build_backend_is_pinned_where_asv_reads_it() -> None:
    (backend,) = PROJECT["build-system"]["requires"]
    assert re.fullmatch(r"hatchling==[\d.]+", backend)
    assert backend in PROJECT["project"]["optional-dependencies"]["bench"]


def test_the_wheel_holds_the_core_alone() -> None:
    # With the suite in it, a process that a benchmark starts would import the commit's old copy.
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["p2pcore"]
