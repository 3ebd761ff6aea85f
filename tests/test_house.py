"""The rules that a machine can hold: sizes and layers. Those of p2pcore's imports are contracts in
pyproject.toml, which `make check` and `test_imports.py` hold."""

import ast
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.house import ROOT, House

CORE_EDGES = {"aio", "sim", "blocking", "cli", "metrics"}
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

SOURCES = sorted(
    path
    for folder in ("p2pcore", "benchmarks", "perflab", "tests", "examples")
    for path in (ROOT / folder).rglob("*.py")
)
CORE = [
    path
    for path in (ROOT / "p2pcore").rglob("*.py")
    if path.relative_to(ROOT / "p2pcore").parts[0].removesuffix(".py")
    not in CORE_EDGES | {"__init__", "__main__"}
]
SUITE = [path for path in SOURCES if path.is_relative_to(ROOT / "benchmarks")]


def imported_modules(path: Path, nodes: Iterable[ast.AST] | None = None) -> list[str]:
    """Absolute names of every module that a file, or the given nodes of it, import."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    if nodes is None:
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    names = []
    for node in nodes:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            stem = ".".join([*base, *([node.module] if node.module else [])])
            names += [f"{stem}.{alias.name}" for alias in node.names]
    return names


def starts_with(name: str, *prefixes: str) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", CORE, ids=relative)
def test_core_touches_no_outside_world(path: Path) -> None:
    """What the contracts of import-linter cannot tell apart, because it is a name in a module."""
    names = imported_modules(path)
    bad = [name for name in names if starts_with(name, "pathlib") and name != "pathlib.PurePath"]
    # The global random stream is entropy from nowhere; a Random handed in from outside is not.
    bad += [name for name in names if starts_with(name, "random") and name != "random.Random"]
    assert not bad


@pytest.mark.parametrize("path", SUITE, ids=relative)
def test_suite_is_import_clean(path: Path) -> None:
    """asv imports every module below benchmarks/, in processes that measure."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = imported_modules(path, tree.body)  # an import below `try` or in a function is guarded
    tops = {name.split(".")[0] for name in names}
    assert tops <= sys.stdlib_module_names | {"benchmarks", "__future__"}


@pytest.mark.parametrize("path", SUITE, ids=relative)
def test_suites_do_not_import_each_other(path: Path) -> None:
    """A benchmark class that is imported into another suite is discovered there once more."""
    suites = {f"benchmarks.{each.stem}" for each in SUITE if each.parent.name == "benchmarks"}
    others = suites - {"benchmarks.__init__", f"benchmarks.{path.stem}"}
    assert not [name for name in imported_modules(path) if starts_with(name, *others)]


def test_the_house_is_a_tower_without_circles_and_words_mean_one_thing() -> None:
    """`python -m tests.house` prints these, and as they were at any revision."""
    house = House(ROOT)
    assert house.circles() == []
    assert house.upward() == []
    assert house.classes_of_many_meanings() == {}


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_sizes(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= MAX_FILE_LINES
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert not long
