"""`gate --calibrate --causes`: how often is the guilty hunk named, among harmless ones?

Defects are those of `seeded_defects.py`, and others drawn by seed: a call, an allocation or a loop
more at the beginning of a function that a question reaches. Beside each, in the same commit, stand
ten harmless hunks in other functions, half of them in the same module: comments, other names for
local variables, methods in another place, comparisons the other way round, and work in functions
that the question does not reach. The cause is looked for as after a red gate, with the figures that
the defect must turn red.

Rule: makes commits in its own clone only; finding is `find.py`'s.
"""

from __future__ import annotations

import ast
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random

from perflab.gate.cause.find import cause_of
from perflab.gate.cause.form import BlamedHunk
from perflab.gate.cause.hunks import ChangedHunk, hunks_of
from perflab.gate.cause.questions import choice
from perflab.gate.cause.trees import take_trees, totals
from perflab.gate.end_to_end import clone_of, commit_edit
from perflab.gate.seeded_defects import DEFECTS, Edit
from perflab.gate.symbol_edits import EditError, SymbolEdit, begin, flipped, moved, renamed
from perflab.results.checkout import Commit, commit_of
from perflab.results.git import run_git

__all__ = [
    "DEFECTS_DRAWN",
    "SEEDS",
    "CauseLab",
    "CauseTrial",
    "enough",
    "main",
    "table",
    "told",
    "try_causes",
]

SEEDS = 2  # of the hunks beside each seeded defect
DEFECTS_DRAWN = 60
SEEDED, DRAWN_KIND = "seeded", "drawn"
FILLERS = 10
TRIES = 400  # draws for that many; most functions have nothing to rename or to turn round
DRAWN = (
    "len(b'')",
    "bytes(64)",
    "sum(range(20))",
    "for _ in range(8):\n    pass",
    "sorted((3, 1, 2))",
)
FIGURES = (
    "counts.c_calls.store.8",
    "counts.c_calls.retrieve.8",
    "counts.c_calls.delete.8",
    "counts.c_calls.first_retrieve.8",
    "counts.c_calls.edge_store.asyncio",
    "counts.c_calls.edge_retrieve.asyncio",
    "counts.c_calls.edge_connect.asyncio",
    "instructions.lookup",
    "instructions.node_store",
    "instructions.client_store",
)
FIRST, AMONG_THREE = 0.7, 0.9
"""The shares that are promised."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CauseTrial:
    """One defect among harmless hunks, and where it came in the order."""

    name: str
    seed: int
    kind: str = SEEDED
    """Of the defect."""
    fillers: int = 0
    """Hunks of the diff that are harmless."""
    place: int = 0
    """Of the first guilty hunk, from 1 on; 0 if it was not named."""
    named: list[str] = field(default_factory=list)
    seconds: float = 0.0


def main(root: Path, seeds: int, drawn: int, place: Path | None) -> int:
    """Try all on HEAD and print the table; 0 if as many are named as is promised, else 1."""
    tried: list[CauseTrial] = []
    tries = try_causes(root, seeds, drawn)
    while True:
        try:
            each = next(tries)
        except StopIteration:
            break
        except EditError as error:
            print(f"gate: {error}", file=sys.stderr)
            return 2
        tried.append(each)
        print(told(each), flush=True)
    text = table(tried)
    print(text, flush=True)
    if place is not None:
        place.mkdir(parents=True, exist_ok=True)
        (place / "causes.md").write_text(text + "\n", encoding="utf-8")
        content = json.dumps([asdict(each) for each in tried], indent=1)
        (place / "causes.json").write_text(content + "\n", encoding="utf-8")
    return 0 if enough(tried) else 1


def told(each: CauseTrial) -> str:
    """One, in a line of progress."""
    return f"== {each.name}, seed {each.seed}: place {each.place}, {each.seconds:.0f} s"


def enough(tried: Sequence[CauseTrial]) -> bool:
    """Whether as many are named as is promised."""
    first, three = (sum(0 < each.place <= most for each in tried) for most in (1, 3))
    return first >= FIRST * len(tried) and three >= AMONG_THREE * len(tried)


def table(tried: Sequence[CauseTrial]) -> str:
    """Markdown: how many were first and among three, and each that was not first."""
    lines = ["| defects | tried | first | among three | harmless hunks beside |"]
    lines += ["| --- | --- | --- | --- | --- |"]
    kinds = dict.fromkeys(each.kind for each in tried)
    groups = [(kind, [each for each in tried if each.kind == kind]) for kind in kinds]
    for said, some in [*groups, *([("all", list(tried))] if len(groups) > 1 else [])]:
        first, three = (sum(0 < each.place <= most for each in some) for most in (1, 3))
        beside = sum(each.fillers for each in some) / len(some)
        shares = f"{first} ({first / len(some):.0%}) | {three} ({three / len(some):.0%})"
        lines.append(f"| {said} | {len(some)} | {shares} | {beside:.1f} |")
    late = [each for each in tried if each.place != 1]
    lines += [""] * bool(late)
    lines += [
        f"{each.name}, seed {each.seed}: {f'place {each.place}' if each.place else 'not named'}; "
        f"first was {(each.named or ['nothing'])[0]}"
        for each in late
    ]
    return "\n".join(lines)


def try_causes(root: Path, seeds: int, drawn: int) -> Iterator[CauseTrial]:
    """The seeded defects with fillers under so many seeds, then so many drawn ones.

    Raises:
        EditError: HEAD lacks what a seeded defect edits.
        CheckoutError: git cannot clone or commit.
    """
    base = commit_of(root, "HEAD")
    with tempfile.TemporaryDirectory(prefix="gate-causes-") as scratch:
        lab = CauseLab(root, Path(scratch), base)
        for seed in range(seeds):
            for edit in DEFECTS:
                yield lab.tried(edit, seed)
        for seed in range(drawn):
            yield lab.tried(lab.drawn(Random(f"defect/{seed}")), seed, DRAWN_KIND)


class CauseLab:
    """A clone with a core for base, and one for each head in turn."""

    def __init__(self, root: Path, scratch: Path, base: Commit) -> None:
        self._base, self._scratch, self._copies = base, scratch, 0
        self._clone = clone_of(root, scratch)
        run_git(self._clone, "checkout", "--quiet", "--detach", base.hash)
        self._core = self._copied("base")
        self._functions = list(_functions(self._clone))

    def drawn(self, chance: Random) -> Edit:
        """A defect in a function that a figure reaches."""
        figure = chance.choice(FIGURES)
        known = {f"p2pcore/{file}:{symbol}": (file, symbol) for file, symbol in self._functions}
        reached = sorted(self._reached([figure]) & known.keys())
        while True:
            change = begin(*known[chance.choice(reached)], chance.choice(DRAWN))
            try:
                _applied(change, self._text(change.file))
            except EditError:
                continue
            return Edit(change.symbol, (change,), (figure,))

    def tried(self, edit: Edit, seed: int, kind: str = SEEDED) -> CauseTrial:
        """The edit and its fillers as a commit, and what is said to be behind its figures."""
        alone = commit_edit(self._clone, self._base, Edit(edit.name, edit.changes[:1]))
        own = hunks_of(self._clone, self._base, alone)
        fillers = self._fillers(edit, Random(f"filler/{seed}/{edit.name}"))
        head = commit_edit(self._clone, self._base, Edit(edit.name, (*fillers, *edit.changes)))
        core = self._copied("head")
        cause = cause_of(self._clone, (self._base, head), (self._core, core), edit.must)
        shutil.rmtree(core)
        whole = hunks_of(self._clone, self._base, head)
        guilty = {(each.path, each.line) for each in whole if _holds_any(each, own)}
        places = enumerate(((each.path, each.line) for each in cause.hunks), 1)
        place = next((at for at, where in places if where in guilty), 0)
        beside = len(whole) - len(guilty)
        named = [_told(each) for each in cause.hunks]
        return CauseTrial(
            name=edit.name, seed=seed, kind=kind, fillers=beside, place=place, named=named,
            seconds=cause.seconds,
        )  # fmt: skip

    def _fillers(self, edit: Edit, chance: Random) -> list[SymbolEdit]:
        """Harmless edits of other functions than the edit's."""
        taken = {(each.file, each.symbol) for each in edit.changes}
        same = [each for each in self._functions if each[0] in {one.file for one in edit.changes}]
        reached = self._reached(edit.must)
        found: list[SymbolEdit] = []
        texts: dict[str, str] = {}
        for turn in range(TRIES):
            if len(found) == FILLERS:
                break
            beside = len(found) < FILLERS // 2 and turn < TRIES // 2  # if there are so many
            file, symbol = chance.choice(same if beside else self._functions)
            if (file, symbol) in taken:
                continue
            kinds = [begin(file, symbol, "# Said in other words."), renamed(file, symbol)]
            kinds += [moved(file, symbol), flipped(file, symbol)]
            if f"p2pcore/{file}:{symbol}" not in reached:
                kinds.append(begin(file, symbol, "sum(range(100))"))
            change = chance.choice(kinds)
            try:
                texts[file] = _applied(change, texts.get(file) or self._text(file))
            except EditError:
                continue
            taken.add((file, symbol))
            found.append(change)
        return found

    def _reached(self, figures: Sequence[str]) -> set[str]:
        sides = take_trees(choice(figures), [self._core], lambda: True)
        return {name for [each] in sides.values() for name in totals(each).calls}

    def _text(self, file: str) -> str:
        return (Path(self._core) / "p2pcore" / file).read_text(encoding="utf-8")

    def _copied(self, name: str) -> str:
        """The clone's core in a directory of its own: what is traced has to stay as it was."""
        self._copies += 1
        place = self._scratch / f"{name}{self._copies}"
        shutil.copytree(self._clone / "p2pcore", place / "p2pcore")
        return str(place)


def _applied(change: SymbolEdit, text: str) -> str:
    """The text with the change, which has to be Python. Raises EditError."""
    text = change.apply(text)
    try:
        ast.parse(text)
    except SyntaxError as error:
        raise EditError(str(error)) from None
    return text


def _functions(clone: Path) -> Iterator[tuple[str, str]]:
    """The file and name of every function and method, in order."""
    for path in sorted((clone / "p2pcore").rglob("*.py")):
        file = str(path.relative_to(clone / "p2pcore"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield file, node.name
            elif isinstance(node, ast.ClassDef):
                for each in node.body:
                    if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
                        yield file, f"{node.name}.{each.name}"


def _holds_any(hunk: ChangedHunk, others: Sequence[ChangedHunk]) -> bool:
    """Whether it has what one of these has, and maybe more: hunks that meet become one."""
    return any(hunk.path == each.path and set(each.text) <= set(hunk.text) for each in others)


def _told(hunk: BlamedHunk) -> str:
    return f"{hunk.path}:{hunk.line} {hunk.why} {hunk.score:.2f}"
