"""Is the hunk of a mutant named, among harmless ones, as what is behind the figures that saw it?

Theory of operation. Each slowdown that figures saw becomes a commit with ten harmless hunks
(`perflab/gate/cause/trial.py`), and the gate's cause is looked for with the figures that were red.
A line for each is filed as it ends; the same command goes on.

Rule: order and files; finding causes is the gate's.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from perflab.forms import decoded, lines
from perflab.gate.cause.trial import CauseLab, CauseTrial, told
from perflab.gate.seeded_defects import Edit
from perflab.mutate.draw import Mutant
from perflab.mutate.record import Guard, MutantResult, MutationRecordError
from perflab.results.checkout import commit_of, uncommitted

__all__ = ["CAUSES", "try_mutants"]

CAUSES = "causes.jsonl"


def try_mutants(
    root: Path, directory: Path, mutants: Sequence[Mutant], results: Sequence[MutantResult],
    most: int, seed: int, say: Callable[[str], object],
) -> list[CauseTrial]:  # fmt: skip
    """The first so many of the mutants that figures saw, in their order.

    Raises:
        MutationRecordError: the core differs from HEAD's, or the file is damaged.
        CheckoutError: git cannot clone or commit.
        EditError: the mutant and what stands beside it do not go together.
    """
    if uncommitted(root, "p2pcore"):
        raise MutationRecordError("--causes makes commits on HEAD: p2pcore has uncommitted changes")
    place = directory / CAUSES
    known = {each.name: each for each in _filed(place)}
    seen = {each.key: each.by for each in results if each.guard == Guard.FIGURE}
    chosen = [each for each in mutants if each.key in seen and each.change is not None][:most]
    found: list[CauseTrial] = []
    base = commit_of(root, "HEAD")
    with tempfile.TemporaryDirectory(prefix="mutate-causes-") as scratch:
        lab = None
        for mutant in chosen:
            assert mutant.change is not None
            name = f"{mutant.file}:{mutant.symbol}, {mutant.said}"
            if name not in known:
                lab = lab or CauseLab(root, Path(scratch), base)
                edit = Edit(name, (mutant.change,), tuple(seen[mutant.key]))
                known[name] = lab.tried(edit, seed, mutant.operator)
                with place.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(known[name]), ensure_ascii=False) + "\n")
                say(f"{told(known[name])}, {len(found) + 1} of {len(chosen)}")
            found.append(known[name])
    return found


def _filed(path: Path) -> list[CauseTrial]:
    if not path.exists():
        return []
    return [decoded(each, CauseTrial, path.name, MutationRecordError) for each in lines(path)]
