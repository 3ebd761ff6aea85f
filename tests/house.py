"""The house in figures: `python -m tests.house [REVISION …]`, the working tree without any.

Sizes, the imports between the three trees, import circles, imports that run upwards in the core,
and public class names that mean more than one thing. `test_house.py` holds those that have a limit.

A class of a suite is a name on the published site, not a word of the code (a suite that asks what
a connection costs is called `Connection`), so it is not held against a class of the same name.
"""

import ast
import subprocess
import sys
import tarfile
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parent.parent
TREES = ("p2pcore", "benchmarks", "perflab")

# The core from the ground up, as import-linter holds it; what shares a floor is independent.
TOWER = (
    ("errors", "version"), ("ids",), ("versions",), ("address",), ("config",), ("wire",),
    ("contact", "effects"), ("session",), ("overlay",), ("routing",), ("storage",),
    ("replication",), ("pubsub",), ("requests",), ("machine",),
    ("node", "client"), ("metrics",), ("aio", "sim"), ("blocking",), ("",),
    ("cli",), ("__main__",),
)  # fmt: skip


@dataclass
class House:
    """What stands below a folder that holds the three trees."""

    root: Path
    trees: tuple[str, ...] = TREES
    sources: dict[str, ast.Module] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path in sorted(p for tree in self.trees for p in (self.root / tree).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            place = str(path.relative_to(self.root))
            self.sources[place], self.lines[place] = ast.parse(text), text.count("\n")

    @cached_property
    def imports(self) -> dict[str, set[str]]:
        """Which modules each module imports, by dotted name; the trees' own alone."""
        modules = {module_of(place): tree for place, tree in self.sources.items()}
        return {name: set(_imported(name, tree, modules)) for name, tree in modules.items()}

    def size_of(self, tree: str) -> int:
        """Lines of Python below a top folder."""
        return sum(n for place, n in self.lines.items() if place.split("/")[0] == tree)

    def functions(self) -> list[tuple[int, str]]:
        """(lines, place and name) of every function."""
        return [
            (_lines(node), f"{place} {node.name}")
            for place, tree in self.sources.items()
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]

    def across(self, from_: str, to: str) -> int:
        """Imports of modules under one dotted prefix by modules under another."""
        return sum(
            below(target, to)
            for name, targets in self.imports.items()
            if below(name, from_)
            for target in targets
        )

    def circles(self) -> list[list[str]]:
        """Groups of modules that import one another, however indirectly; a package's face aside."""
        reach = {name: _reachable(name, self.imports) for name in self.imports}
        groups = {
            frozenset([name, *(other for other in far if name in reach[other])])
            for name, far in reach.items()
            if name in far
        }
        return sorted(sorted(group) for group in groups)

    def upward(self) -> list[str]:
        """Imports of the core that run up the tower, or between neighbours on a floor."""
        return [
            f"{name} -> {target}"
            for name, targets in sorted(self.imports.items())
            for target in sorted(targets)
            if below(name, "p2pcore") and below(target, "p2pcore") and _runs_up(name, target)
        ]

    def classes_of_many_meanings(self) -> dict[str, list[str]]:
        """Public class names that are defined in more than one place."""
        places = defaultdict(list)
        for place, tree in self.sources.items():
            if not _is_suite(place):
                for node in tree.body:
                    if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                        places[node.name].append(place)
        return {name: where for name, where in sorted(places.items()) if len(where) > 1}

    def docstrings(self) -> int:
        """Docstrings of public modules, classes and functions."""
        return sum(
            ast.get_docstring(node, clean=False) is not None
            for tree in self.sources.values()
            for node in ast.walk(tree)
            if isinstance(node, ast.Module)
            or (
                isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
                and not node.name.startswith("_")
            )
        )

    def figures(self) -> dict[str, object]:
        """The table that the command prints."""
        sizes = self.functions()
        old_wall = ("benchmarks.rig", "benchmarks.verdict")
        return {
            "files": len(self.sources),
            **{f"lines of {tree}": self.size_of(tree) for tree in self.trees},
            "imports perflab -> benchmarks": self.across("perflab", "benchmarks"),
            "imports benchmarks -> perflab": self.across("benchmarks", "perflab"),
            "imports rig -> verdict": self.across(*old_wall),
            "circles": len(self.circles()),
            "upward imports": len(self.upward()),
            "class names with several meanings": len(self.classes_of_many_meanings()),
            "longest file": max(self.lines.values()),
            "longest function": max(sizes)[0],
            "median function": median(size for size, _ in sizes),
            "public docstrings": self.docstrings(),
        }


def below(name: str, prefix: str) -> bool:
    """A dotted name is the prefix, or lies below it."""
    return name == prefix or name.startswith(prefix + ".")


def module_of(place: str) -> str:
    """The dotted name of a file; a package's own is its `__init__`'s."""
    return place.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def _imported(name: str, tree: ast.Module, modules: Iterable[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            below_it = [f"{node.module}.{alias.name}" for alias in node.names]
            inside = [each for each in below_it if each in modules]
            found = inside if len(inside) == len(below_it) else [*inside, node.module]
        else:
            continue
        yield from (each for each in found if each in modules and each != name)


def _reachable(name: str, imports: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = list(imports[name])
    while waiting:
        each = waiting.pop()
        if each not in seen:
            seen.add(each)
            waiting += imports[each]
    return seen


def _runs_up(name: str, target: str) -> bool:
    here, there = _room(name), _room(target)
    return here != there and _floor(there) >= _floor(here)


def _room(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def _floor(room: str) -> int:
    return next(number for number, rooms in enumerate(TOWER) if room in rooms)


def _is_suite(place: str) -> bool:
    return place.startswith("benchmarks/") and place.count("/") == 1


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def at(revision: str, folder: Path) -> House:
    """The house as it was."""
    archive = ["git", "archive", revision]
    done = subprocess.run(archive, cwd=ROOT, capture_output=True, check=True)
    with tarfile.open(fileobj=BytesIO(done.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return House(folder)


def main(revisions: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        houses = {each: at(each, Path(folder) / each) for each in revisions}
        houses = houses or {"working tree": House(ROOT)}
        tables = {name: house.figures() for name, house in houses.items()}
    print(f"{'':38}" + "".join(f"{name:>14}" for name in tables))
    for row in next(iter(tables.values())):
        print(f"{row:38}" + "".join(f"{table[row]!s:>14}" for table in tables.values()))


if __name__ == "__main__":
    main(sys.argv[1:])
