"""The rules that a machine can hold: sizes, layers, and what the core may not touch."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CORE_EDGES = {"aio", "sim", "blocking", "cli"}
FORBIDDEN_IN_CORE = {
    "asyncio", "socket", "ssl", "time", "datetime", "secrets", "uuid", "threading",
    "os", "pathlib", "tempfile", "io", "cryptography", "uvloop", "subprocess", "select",
}  # fmt: skip
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

SOURCES = sorted(
    path for folder in ("p2pcore", "benchmarks", "tests") for path in (ROOT / folder).rglob("*.py")
)
CORE = [
    path
    for path in (ROOT / "p2pcore").rglob("*.py")
    if path.relative_to(ROOT / "p2pcore").parts[0].removesuffix(".py")
    not in CORE_EDGES | {"__init__", "__main__"}
]


def imported_modules(path: Path) -> list[str]:
    """Absolute names of every module that a file imports, wherever in the file it does."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
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
    names = imported_modules(path)
    bad = [name for name in names if name.split(".")[0] in FORBIDDEN_IN_CORE]
    bad = [name for name in bad if name != "pathlib.PurePath"]  # a name, not a file
    bad += [name for name in names if starts_with(name, "p2pcore.aio", "p2pcore.sim")]
    # The global random stream is entropy from nowhere; a Random handed in from outside is not.
    bad += [name for name in names if starts_with(name, "random") and name != "random.Random"]
    assert not bad


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_layers(path: Path) -> None:
    names, place = imported_modules(path), relative(path)
    if place.startswith("p2pcore/"):
        assert not [name for name in names if starts_with(name, "benchmarks", "tests")]
    if place.startswith("p2pcore/aio/"):
        assert not [name for name in names if starts_with(name, "p2pcore.sim")]
    if place.startswith("p2pcore/sim/"):
        assert not [name for name in names if starts_with(name, "p2pcore.aio")]
    if place.startswith("benchmarks/verdict/"):
        assert not [name for name in names if starts_with(name, "benchmarks.rig", "p2pcore")]


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
