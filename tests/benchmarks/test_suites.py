"""The suites keep the conventions by which asv finds them, and by which people can read them."""

import ast
import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from asv_runner.discovery import disc_benchmarks

from benchmarks.common.entry import SUITE_PARENT
from benchmarks.common.records import KINDS, LAYOUTS

ROOT = Path(SUITE_PARENT) / "benchmarks"
MODULES = sorted(ROOT.rglob("*.py"))
PREFIXES = ("time_", "timeraw_", "mem_", "peakmem_", "track_")
LONGEST_S = 300  # nothing takes a minute on cores of its own; machines may be crowded
# asv scales the first two for people; the others read well as they are.
UNITS = (
    "seconds", "bytes", "ppm", "messages", "calls", "allocations", "hops", "operations", "records",
    "removals", "changes", "dials", "lines",
)  # fmt: skip


def classes() -> dict[str, tuple[type, list[Any]]]:
    """Every class of benchmarks that asv finds, with what it finds in it."""
    found: dict[str, tuple[type, list[Any]]] = {}
    for benchmark in disc_benchmarks(str(ROOT)):
        owner = benchmark.func.__self__.__class__
        found.setdefault(f"{owner.__module__}.{owner.__name__}", (owner, []))[1].append(benchmark)
    return found


FOUND = classes()


def defined_benchmarks(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith(PREFIXES)
    ]


def test_asv_finds_each_benchmark_once() -> None:
    defined = [name for path in MODULES for name in defined_benchmarks(path)]
    found = [benchmark.func.__name__ for _, found in FOUND.values() for benchmark in found]
    assert sorted(found) == sorted(defined)
    assert found


def test_benchmarks_are_in_suites_only() -> None:
    """The instruments have no function whose name asv would take for a benchmark."""
    assert not [path for path in MODULES if path.parent != ROOT and defined_benchmarks(path)]


@pytest.mark.parametrize("name", FOUND)
def test_a_class_says_what_it_is_for(name: str) -> None:
    owner, _ = FOUND[name]
    lines = [line for line in (inspect.getdoc(owner) or "").splitlines() if line]
    assert lines[0].startswith("Catches: ")
    assert lines[1].startswith("Cannot see: ")
    # What the classes of one question share, their base says; the version is each one's own.
    assert getattr(owner, "kind", "") in KINDS
    assert getattr(owner, "layout", "") in LAYOUTS
    assert isinstance(owner.__dict__["version"], str)
    assert 0 < getattr(owner, "timeout", 0) <= LONGEST_S


@pytest.mark.parametrize("name", FOUND)
def test_a_class_is_complete_for_asv(name: str) -> None:
    owner, found = FOUND[name]
    for benchmark in found:
        assert benchmark.check(str(ROOT))
        assert benchmark.version == owner.__dict__["version"]
        assert len(benchmark.params) == len(benchmark.param_names)
        assert "param1" not in benchmark.param_names
        if benchmark.type == "track":
            assert owner.__dict__["unit"] in UNITS
    json.dumps([benchmark.params for benchmark in found])


@pytest.mark.parametrize("name", FOUND)
def test_times_are_taken_beside_a_ruler_or_not_judged(name: str) -> None:
    """Seconds of a real machine: asv would call its spells changes. Simulated ones have none."""
    owner, _ = FOUND[name]
    if owner.__dict__.get("unit") == "seconds" and owner.layout != "S":  # type: ignore[attr-defined]
        beside_a_ruler = ", ruler " in owner.__dict__["version"]
        assert owner.kind == ("paired" if beside_a_ruler else "observed")  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", FOUND)
def test_every_peak_has_its_empty_twin(name: str) -> None:
    names = {benchmark.func.__name__ for benchmark in FOUND[name][1]}
    peaks = {each for each in names if each.startswith("peakmem_")}
    assert not peaks or "peakmem_empty" in peaks


def test_nothing_foreign_is_imported_with_the_suites() -> None:
    """Their imports would sit inside every figure of memory, and a missing one stops asv."""
    names = [
        ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in MODULES
    ]
    script = (
        "import sys, json; before = set(sys.modules)\n"
        f"sys.path.insert(0, {SUITE_PARENT!r})\n"
        f"for name in {names!r}: __import__(name)\n"
        "print(json.dumps(sorted({m.split('.')[0] for m in set(sys.modules) - before})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert set(json.loads(done.stdout)) <= sys.stdlib_module_names | {"benchmarks"}
