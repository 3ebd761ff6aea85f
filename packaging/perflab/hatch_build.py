"""What the wheel `perflab` is made of: the modules that its commands load, as they lie in the tree.

Rule: follows imports from ROOTS; what is not reached stays out, so nothing has to be listed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

TREE = Path(__file__).parents[2]
PACKAGE = "perflab"
ROOTS = ("perflab.foreign.__main__", "perflab.foreign.plugin")


class ModulesOfCommands(BuildHookInterface[Any]):
    """Adds the modules, and the files beside them that are no Python."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it packs."""
        for path in files(TREE):
            build_data["force_include"][str(path)] = str(path.relative_to(TREE))
        main = TREE / PACKAGE / "foreign" / "__main__.py"
        build_data["force_include"][str(main)] = f"{PACKAGE}/__main__.py"


def files(tree: Path) -> list[Path]:
    """All files of the wheel, but for `perflab/__main__.py`."""
    modules = _reached(tree)
    beside = {
        path for folder in {module.parent for module in modules} for path in _data(folder, tree)
    }
    return sorted({*modules, *beside})


def _reached(tree: Path) -> set[Path]:
    """The modules that ROOTS import, wherever in them, and the packages around those."""
    found: set[Path] = set()
    left = list(ROOTS)
    while left:
        path = _file(tree, left.pop())
        if path is None or path in found:
            continue
        found.add(path)
        package = path.parent
        while package != tree:
            found.add(package / "__init__.py")
            package = package.parent
        left += _imports(path)
    return found


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)


def _file(tree: Path, module: str) -> Path | None:
    if module.partition(".")[0] != PACKAGE:
        return None
    path = tree.joinpath(*module.split("."))
    for each in (path.with_suffix(".py"), path / "__init__.py"):
        if each.is_file():
            return each
    return None


def _data(folder: Path, tree: Path) -> Iterator[Path]:
    """Tables, templates and scripts of a package; folders with an __init__.py are others."""
    for path in folder.iterdir():
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            yield path
        elif path.is_dir() and path.name != "__pycache__" and not (path / "__init__.py").exists():
            yield from (
                each for each in path.rglob("*") if each.is_file() and each.suffix != ".pyc"
            )
