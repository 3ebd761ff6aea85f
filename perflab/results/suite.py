"""What the suite says of each benchmark: its unit, kind and layout, and what it catches.

asv stores names, parameters and units. Kind, layout and docstrings stand in the suite's source,
which is parsed here and never imported: publishing must not run what it publishes.

Rule: reads benchmarks' source and asv's list; knows no results.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

__all__ = ["KINDS", "MAX_CASES", "Benchmark", "classes", "read_suite"]

KINDS = ("exact", "seeded", "paired", "observed")
MAX_CASES = 2000  # of one benchmark: asv itself shows a line for each


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One benchmark as asv knows it, with what its class says of it."""

    name: str
    suite: str
    """The module."""
    unit: str
    kind: str
    """One of KINDS; "observed", which promises least, where the class says nothing."""
    layout: str
    """A, B, C or S; "" where the class says nothing."""
    catches: str
    """The first paragraph of the docstring."""
    cannot_see: str
    """The others."""
    version: str
    param_names: tuple[str, ...]
    params: tuple[tuple[str, ...], ...]

    @cached_property
    def cases(self) -> list[tuple[str, ...]]:
        """Every combination of parameters, in asv's order; one empty one without parameters."""
        return list(itertools.islice(itertools.product(*self.params), MAX_CASES))

    @property
    def file(self) -> str:
        """The name of its data file: benchmarks may be named freely, files may not."""
        return re.sub(r"[^\w.-]", "_", self.name) + ".json"

    def case(self, index: int) -> str:
        """A combination as people write it: "store, 1024"; "" without parameters."""
        return ", ".join(value.strip("'\"") for value in self.cases[index])

    def title(self, index: int) -> str:
        """The name with the combination: "suite.Class.track_it (store, 1024)"."""
        case = self.case(index)
        return f"{self.name} ({case})" if case else self.name


def read_suite(entries: Mapping[str, Mapping[str, Any]], folder: Path) -> list[Benchmark]:
    """Every benchmark of asv's list, in the order of the list; `folder` has the suite's source."""
    modules: dict[str, dict[str, dict[str, str]]] = {}
    found = []
    for name, entry in entries.items():
        module, _, rest = name.partition(".")
        if module not in modules:
            modules[module] = classes(folder / f"{module}.py")
        about = modules[module].get(rest.partition(".")[0], {})
        doc = about.get("__doc__", "")
        first, _, others = doc.partition("\n\n")
        kind = about.get("kind", "")
        found.append(
            Benchmark(
                name=name,
                suite=module,
                unit=str(entry.get("unit") or ""),
                kind=kind if kind in KINDS else "observed",
                layout=about.get("layout", ""),
                catches=" ".join(first.split()),
                cannot_see=" ".join(others.split()),
                version=str(entry.get("version") or ""),
                param_names=tuple(map(str, entry.get("param_names") or ())),
                params=tuple(tuple(map(str, values)) for values in entry.get("params") or ()),
            )
        )
    return found


def classes(path: Path) -> dict[str, dict[str, str]]:
    """The text attributes and the docstring of each class of a module, bases of it included.

    A suite that is gone, or that this Python cannot parse, says nothing.
    """
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return {}
    found: dict[str, dict[str, str]] = {}
    for node in tree.body:
        if not isinstance(node, ast.ClassDef):
            continue
        about: dict[str, str] = {}
        for base in reversed(node.bases):
            if isinstance(base, ast.Name):
                about |= found.get(base.id, {})
        for line in node.body:
            if isinstance(line, ast.Assign) and isinstance(line.value, ast.Constant):
                for target in line.targets:
                    if isinstance(target, ast.Name) and isinstance(line.value.value, str):
                        about[target.id] = line.value.value
        doc = ast.get_docstring(node)
        found[node.name] = about | ({"__doc__": inspect.cleandoc(doc)} if doc else {})
    return found
