"""What the suite says of each benchmark: its unit, kind and layout, and what it catches.

asv stores names, parameters and units. Kind, layout and docstrings stand in the suite's source,
which is parsed here and never imported: publishing must not run what it publishes.

Rule: reads benchmarks' source and asv's list; knows no results.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from perflab.results.asv_results import LIST, read_content

__all__ = [
    "KINDS",
    "MAX_CASES",
    "Benchmark",
    "SuiteError",
    "classes",
    "count_cases",
    "read_entries",
    "read_suite",
]

RULER = ", ruler "
KINDS = ("exact", "seeded", "paired", "observed")
MAX_CASES = 2000  # of one benchmark: asv itself shows a line for each
LONGEST_FILE = 100  # characters of a name of a file, beside its ending and a digest


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One benchmark as asv knows it, with what its class says of it."""

    name: str
    file: str
    """The name of its data file: benchmarks may be named freely, files may not."""
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
    code: str = ""
    """Its source, as asv discovered it."""
    higher_is_better: bool = False
    """Whether a figure that grows is good news."""

    @property
    def beside_ruler(self) -> bool:
        """Whether its times are taken beside a ruler, whose version is a part of its own."""
        return RULER in self.version

    @cached_property
    def cases(self) -> list[tuple[str, ...]]:
        """Combinations of parameters, in asv's order, MAX_CASES at most; one empty one without
        parameters."""
        return list(itertools.islice(itertools.product(*self.params), MAX_CASES))

    def case(self, index: int) -> str:
        """A combination as people write it: "store, 1024"; "" without parameters."""
        return ", ".join(value.strip("'\"") for value in self.cases[index])

    def title(self, index: int) -> str:
        """The name with the combination: "suite.Class.track_it (store, 1024)"."""
        case = self.case(index)
        return f"{self.name} ({case})" if case else self.name


class SuiteError(Exception):
    """asv's list of benchmarks cannot be used; the message says why."""


def read_entries(results: Path, problems: list[str] | None = None) -> dict[str, dict[str, Any]]:
    """asv's list of benchmarks, by name, as it was discovered last.

    An entry of another form is left out, and told in `problems`. Raises SuiteError if the list as a
    whole cannot be read.
    """
    path = results / LIST
    try:
        content = read_content(path, half_texts=True)
    except FileNotFoundError:
        raise SuiteError(f"there is no {path}") from None
    except (OSError, ValueError) as error:
        raise SuiteError(f"{path}: not whole, or no JSON: {error}") from None
    found = {}
    for name, entry in content.items():
        why = None if name == "version" else _malformed(name, entry)
        if why and problems is not None:
            problems.append(f"benchmark {name!r}: {why}")
        elif name != "version" and not why:
            found[name] = entry
    return found


def count_cases(entry: Mapping[str, Any]) -> int:
    """How many combinations of parameters a benchmark has; 1 without parameters."""
    return math.prod(len(values) for values in entry["params"])


def _malformed(name: str, entry: Any) -> str | None:
    if not isinstance(entry, dict) or entry.get("name") != name:
        return "its entry has another name, or none"
    params, names = entry.get("params"), entry.get("param_names", [])
    if not isinstance(params, list) or not isinstance(names, list) or len(params) != len(names):
        return "it has no list of parameters, or not as many names"
    if not all(isinstance(each, list) and each for each in params):
        return "a parameter has no list of values"
    texts = [name, *names, *(value for values in params for value in values)]
    if not all(isinstance(each, str) for each in texts):
        return "a parameter or a value of one is no text"
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return "its name or a parameter is no text of Unicode"
    return None


def read_suite(entries: Mapping[str, Mapping[str, Any]], folder: Path) -> list[Benchmark]:
    """Every benchmark of asv's list, in the order of the list; `folder` has the suite's source.

    An entry may say its `kind` and, by `better`, that higher is: asv writes neither, but who reads
    the list may have added them.
    """
    modules: dict[str, dict[str, dict[str, str]]] = {}
    files = _files(entries)
    found = []
    for name, entry in entries.items():
        module, _, rest = name.partition(".")
        if module not in modules:  # a list may name anything; a module lies in the folder
            source = folder / f"{module}.py"
            modules[module] = classes(source) if module.isidentifier() else {}
        about = modules[module].get(rest.partition(".")[0], {})
        doc = about.get("__doc__", "")
        first, _, others = doc.partition("\n\n")
        kind = entry.get("kind") or about.get("kind", "")
        found.append(
            Benchmark(
                name=name,
                file=files[name],
                suite=module,
                unit=str(entry.get("unit") or ""),
                kind=kind if kind in KINDS else "observed",
                layout=about.get("layout", ""),
                catches=" ".join(first.split()),
                cannot_see=" ".join(others.split()),
                version=str(entry.get("version") or ""),
                param_names=tuple(map(str, entry.get("param_names") or ())),
                params=tuple(tuple(map(str, values)) for values in entry.get("params") or ()),
                code=str(entry.get("code") or ""),
                higher_is_better=entry.get("better") == "higher",
            )
        )
    return found


def _files(names: Iterable[str]) -> dict[str, str]:
    """A file's name for each benchmark, that no other has, be it on a system that takes large and
    small letters for the same. Names that differ in a sign only get a digest."""
    plain = {name: re.sub(r"[^A-Za-z0-9_.-]", "_", name) for name in names}
    count = Counter(file.lower() for file in plain.values())
    return {
        name: f"{file}.json"
        if count[file.lower()] == 1 and len(file) <= LONGEST_FILE
        else f"{file[:LONGEST_FILE]}-{hashlib.sha256(_bytes(name)).hexdigest()[:8]}.json"
        for name, file in plain.items()
    }


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")


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
