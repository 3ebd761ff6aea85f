"""Starts a module of the suite or of perflab in a child process:
`python -P entry.py MODULE CORE_DIR [ARG…]`.

A child needs `benchmarks` (and `perflab`, for a module of perflab) from the checkout, where the
ruler is, and p2pcore from wherever its parent has it: under asv that is the environment of the
commit that is measured. Putting the checkout on sys.path would bring the checkout's own p2pcore
along and measure the wrong commit, so packages are pinned to their directories one by one and
sys.path is left as it is.

Rule: standard library only; this file runs before anything else can be imported.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

__all__ = ["pin"]

SUITE_PARENT = str(Path(__file__).resolve().parent.parent.parent)
NO_CORE = "-"  # the child has no use for p2pcore (the yardstick, a test)


class _Pinned:
    """A finder that answers for the named top-level packages only."""

    def __init__(self, places: dict[str, str]) -> None:
        self._places = places

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        place = self._places.get(name)
        return PathFinder.find_spec(name, [place], target) if place is not None else None


def pin(places: dict[str, str]) -> None:
    """Import each named package from the directory given for it, whatever sys.path says."""
    sys.meta_path.insert(0, _Pinned(places))


def _run(arguments: list[str]) -> None:
    module, core, *rest = arguments
    places = {"benchmarks": SUITE_PARENT}
    if module.startswith("perflab."):
        places["perflab"] = SUITE_PARENT
    if core != NO_CORE:
        places["p2pcore"] = core
    pin(places)
    importlib.import_module(module).run_child(rest)


if __name__ == "__main__":
    _run(sys.argv[1:])
