"""Is the hunk of a mutant named, among harmless ones, as what is behind the figures that saw it?

Theory of operation. Each slowdown that figures saw becomes a commit with ten harmless hunks
(`perflab/gate/cause/trial.py`), and the gate's cause is looked for with the figures that were red.
The job that tried the mutant asks, while others go on trying; there is one clone, so one asks at a
time. A line for each is filed as it ends; the same command goes on.

Rule: order and files; finding causes is the gate's.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from perflab.forms import cut_torn_line, decoded, lines
from perflab.gate.cause.trial import CauseLab, CauseTrial, told
from perflab.gate.seeded_defects import Edit
from perflab.mutate.draw import Mutant
from perflab.mutate.record import MutationRecordError
from perflab.results.checkout import commit_of, uncommitted

__all__ = ["CAUSES", "MutantCauses"]

CAUSES = "causes.jsonl"


@dataclass(kw_only=True)
class MutantCauses:
    """Those of one run, until there are as many as are wanted."""

    root: Path
    file: Path
    scratch: Path
    """An empty directory, for commits."""
    most: int
    seed: int
    say: Callable[[str], object]
    stopped: threading.Event = field(default_factory=threading.Event)
    """Set once processes are ended early: what is found then is not filed."""
    _found: dict[str, CauseTrial] = field(default_factory=dict)
    _lab: CauseLab | None = None
    _asking: threading.Lock = field(default_factory=threading.Lock)

    def open(self, mutants: Iterable[Mutant]) -> None:
        """Read what was found of these mutants before.

        Raises:
            MutationRecordError: the core differs from HEAD's, or the file is damaged.
        """
        if uncommitted(self.root, "p2pcore"):
            raise MutationRecordError(
                "--causes makes commits on HEAD: p2pcore has uncommitted changes"
            )
        names = {_name(each) for each in mutants}
        self._found = {each.name: each for each in _filed(self.file) if each.name in names}

    @property
    def found(self) -> list[CauseTrial]:
        """In the order in which they were asked."""
        return list(self._found.values())[: self.most]

    @property
    def enough(self) -> bool:
        """Whether no more are wanted."""
        return len(self._found) >= self.most

    def lacks(self, mutant: Mutant) -> bool:
        """Whether it was not asked about so far."""
        return _name(mutant) not in self._found

    def ask(self, mutant: Mutant, figures: Iterable[str]) -> None:
        """What is behind the figures that saw a slowdown? Nothing is done if that was asked before,
        or no more are wanted.

        Raises:
            CheckoutError: git cannot clone or commit.
            EditError: the mutant and what stands beside it do not go together.
        """
        assert mutant.change is not None
        name = _name(mutant)
        with self._asking:
            if self.enough or not self.lacks(mutant) or self.stopped.is_set():
                return
            if self._lab is None:
                self._lab = CauseLab(self.root, self.scratch, commit_of(self.root, "HEAD"))
            edit = Edit(name, (mutant.change,), tuple(figures))
            trial = self._lab.tried(edit, self.seed, mutant.operator)
            if self.stopped.is_set():
                return
            cut_torn_line(self.file)
            with self.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(trial), ensure_ascii=False) + "\n")
            self._found[name] = trial
            self.say(f"{told(trial)}, {len(self._found)} of {self.most}")


def _name(mutant: Mutant) -> str:
    return f"{mutant.file}:{mutant.symbol}, {mutant.said}"


def _filed(path: Path) -> list[CauseTrial]:
    if not path.exists():
        return []
    return [decoded(each, CauseTrial, path.name, MutationRecordError) for each in lines(path)]
