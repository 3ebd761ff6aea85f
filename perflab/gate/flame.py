"""`python -m perflab flame BASE HEAD --of FIGURE`: who does more, as a flame graph of both commits.

Both sides do what the figure stands for under a trace (`perflab/gate/cause/`), and one page, which
needs nothing else, shows the tree of calls with what each does before and after. It is counted: of
equal code, nothing is coloured.

Rule: puts two traces into one page; which hunk is behind it, the gate says.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from perflab.gate.builds import BuildError, build
from perflab.gate.cause.questions import QuestionKind, beside, question_of
from perflab.gate.cause.rank import C_CALL
from perflab.gate.cause.trees import take_trees
from perflab.results.checkout import Commit, commit_of
from perflab.usage import BAD_USAGE

__all__ = ["DESCRIPTION", "EPILOG", "add_arguments", "main", "merged", "page"]

ROOT = Path(__file__).parents[2]
TEMPLATE = Path(__file__).parent / "cause"
USUAL = "counts.c_calls.store.8"
DESCRIPTION = (
    "Trace what a figure stands for in two commits, and write one page with the tree of calls and "
    "what each function does before and after."
)
EPILOG = """\
exit codes:
  0  the page is there
  2  a commit does not build, or a side could not be traced
  3  bad usage: a figure that no trace stands for

examples:
  python -m perflab flame main HEAD                                    # a store, 8 nodes
  python -m perflab flame HEAD~1 HEAD --of instructions.encode_store
  python -m perflab flame v0.1 HEAD --of counts.c_calls.edge_connect.asyncio --output connect.html
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `flame`."""
    parser.add_argument("base", metavar="BASE", help="a commit")
    parser.add_argument("head", metavar="HEAD", help="another one")
    parser.add_argument(
        "--of",
        default=USUAL,
        metavar="FIGURE",
        help="a figure of the gate: what it stands for is done by both (default: %(default)s)",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("flame.html"), metavar="FILE",
        help="the page (default: %(default)s)",
    )  # fmt: skip


def main(options: argparse.Namespace) -> int:
    """Trace both, write the page; the exit code of EPILOG."""
    question = question_of(options.of)
    if question is None:
        print(f"flame: no trace stands for '{options.of}'; one does for {USUAL}", file=sys.stderr)
        return BAD_USAGE
    question = beside(question)[-1]  # where memory is the question, what runs meanwhile
    commits = commit_of(ROOT, options.base), commit_of(ROOT, options.head)
    try:
        cores = [str(build(ROOT, each, ROOT / ".asv" / "gate" / "builds")) for each in commits]
    except BuildError as error:
        print(f"flame: {error}", file=sys.stderr)
        return 2
    print(f"== tracing {question}, base and head", flush=True)
    sides = take_trees([question], cores, lambda: True)[question]
    for commit, side in zip(commits, sides, strict=True):
        if isinstance(side, Exception):
            print(f"flame: {commit} was not traced: {side}", file=sys.stderr)
            return 2
    where = "" if question.kind is QuestionKind.MICRO else f" ({options.of})"
    options.output.write_text(page(f"{question}{where}", commits, sides), encoding="utf-8")
    print(f"== {options.output}")
    return 0


def page(title: str, commits: tuple[Commit, Commit], sides: Any) -> str:
    """The whole page; `sides` are what `take_trees` gives for a question."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATE), autoescape=True, undefined=StrictUndefined
    )
    (before, times), (after, times_after) = sides
    return environment.get_template("flame.html.jinja").render(
        title=title,
        sides=[str(each) for each in commits],
        c_call=f"{C_CALL:g}",
        data=merged(before, after, times, times_after),
    )


def merged(before: Any, after: Any, times: int, times_after: int) -> list[Any]:
    """One tree of two: [name, own before, own after, calls before, calls after, [below, …]], per
    operation. Names that are there twice below a node (two lambdas, say) become one."""
    root: list[Any] = ["", 0.0, 0.0, 0.0, 0.0, {}]
    stack = [(root, before, 0, times), (root, after, 1, times_after)]
    while stack:  # no recursion: trees are deep
        node, tree, side, counted = stack.pop()
        name, calls, steps, below = tree
        if name:
            in_c = not name.partition(":")[0].endswith(".py")
            node[1 + side] += (steps + C_CALL * calls * in_c) / counted
            node[3 + side] += calls / counted
        for each in below:
            child = node[5].setdefault(each[0], [each[0], 0.0, 0.0, 0.0, 0.0, {}])
            stack.append((child, each, side, counted))
    _listed(root)
    return root


def _listed(root: list[Any]) -> None:
    stack = [root]
    while stack:
        node = stack.pop()
        node[5] = [node[5][name] for name in sorted(node[5])]
        stack += node[5]
