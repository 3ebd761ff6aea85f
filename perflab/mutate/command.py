"""`python -m perflab mutate`: which changes of the core would the figures and the tests notice?

Rule: reads options, prints, decides on exit codes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmarks.common.records import now_utc
from perflab.forms import one_line
from perflab.gate.cause.trial import enough, table
from perflab.gate.symbol_edits import EditError
from perflab.mutate.causes import CAUSES, MutantCauses
from perflab.mutate.record import MutantResult, MutationPlan
from perflab.mutate.report import Scores, find_tables, put_into, report
from perflab.mutate.run import MutationRun, chosen, digest_of
from perflab.results.checkout import commit_of, uncommitted
from perflab.results.git import CheckoutError

__all__ = ["EPILOG", "add_arguments", "main"]

KINDS = ("drawn", "both", "slowdown", "weakening")
EPILOG = """A slowdown (one more call, one copy, a loop, one more message) has to be seen by an
exact figure of the gate that executes its function; a weakening (a check, a step or a field left
out, a comparison turned, a bound off by one, a constant changed), by a test that executes its line
or by a checker of the simulator. Everything is drawn by seed; Ctrl-C or a budget that is over loses
nothing: the same command goes on.

examples:
  python -m perflab mutate --sample 50                          # fifty functions, drawn by lot
  python -m perflab mutate --only 'replication/*:*' --kind weakening
  python -m perflab mutate --budget 3h --docs docs/mutation.md  # all; the tables go into the page
  python -m perflab mutate --kind slowdown --causes 60          # is the guilty hunk named?

exit codes: 0 every mutant was noticed, or changes nothing by the reviewed list; 1 one was not; 2
bad input, or some could not be tried; 130 interrupted. With --causes 0: N were asked, and the hunk
of 70 % was named first, of 90 % among three; 1: not"""
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `mutate`."""
    parser.add_argument(
        "--only", default="*", metavar="GLOB", help="functions as FILE:SYMBOL below p2pcore/, such "
        "as 'overlay/*:*' (all outside cli/ and sim/)"
    )  # fmt: skip
    parser.add_argument("--sample", type=_whole, metavar="N", help="so many of them, drawn by lot")
    parser.add_argument("--seed", type=int, default=1, help="of all draws (%(default)s)")
    parser.add_argument(
        "--kind", choices=KINDS, default="drawn", help="of each function one of the two, drawn by "
        "lot; both; or slowdowns or weakenings alone (%(default)s)"
    )  # fmt: skip
    parser.add_argument(
        "--budget", type=_seconds, default=3 * 3600.0, metavar="TIME", help="none is begun after "
        "it: 90s, 20m or 3h (3h)"
    )  # fmt: skip
    parser.add_argument(
        "--jobs", type=_whole, default=min(2, os.cpu_count() or 1), metavar="N",
        help="mutants at a time (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where results are filed, and were before "
        "(default: .asv/mutate/…, by core and seed)"
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all results there")
    parser.add_argument(
        "--docs", type=Path, metavar="PAGE", help="put the tables into a page with the two lines "
        "that they stand between"
    )  # fmt: skip
    parser.add_argument(
        "--again", action="store_true", help="also those that nobody noticed, with the tests as "
        "they are now"
    )  # fmt: skip
    parser.add_argument(
        "--causes", type=_whole, metavar="N", help="ask of each slowdown that a figure saw, among "
        "ten harmless hunks, whether its hunk is named as the cause; end once N were asked"
    )  # fmt: skip
    parser.add_argument("--list", action="store_true", help="say what would be tried, and end")


def main(options: argparse.Namespace, root: Path) -> int:
    """Draw, try, file and tell; the exit code as EPILOG has it."""
    try:
        mutants = chosen(root, options.kind, options.seed, options.only, options.sample)
        if not mutants:
            raise ValueError(f"--only {options.only}: no function of p2pcore matches")
        if options.list:
            for each in mutants:
                print(f"{each.name} line {each.line}: {each.operator}: {each.said}")
            return 0
        for kind in sorted({each.kind.value for each in mutants} if options.docs else ()):
            find_tables(options.docs, kind)  # now, and not when hours are over
        core = digest_of(root)
        plan = MutationPlan(commit=_commit(root), core=core, seed=options.seed, began=now_utc())
        directory = options.out or root / ".asv" / "mutate" / f"{core[:12]}-{options.seed}"
        print(
            f"{len(mutants):,} mutants, {options.jobs} at a time; results in {directory}",
            flush=True,
        )
        run = MutationRun(root=root, directory=directory, plan=plan, say=_say)
        with tempfile.TemporaryDirectory(prefix="mutate-causes-") as scratch:
            causes = None
            if options.causes:
                causes = MutantCauses(
                    root=root, file=directory / CAUSES, scratch=Path(scratch), most=options.causes,
                    seed=options.seed, say=_say, stopped=run.stopped,
                )  # fmt: skip
            results = run.go(
                mutants, options.jobs, options.budget, again=options.again, causes=causes
            )
        if options.json:
            _write(options.json, plan, results)
        if options.docs:
            for kind in sorted({each.kind for each in results}):
                put_into(options.docs, kind, report(plan, results, kind))
    except (ValueError, OSError, CheckoutError, EditError) as error:  # and forms' own errors
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    scores = Scores(results)
    _tell(scores)
    if causes is not None:
        print(table(causes.found), flush=True)
        return 0 if causes.enough and enough(causes.found) else 1
    _tell_missed(scores)
    if any(not each.guarded and not each.reason for each in results):
        return 1
    return 2 if len(results) < len(mutants) else 0


def _tell(scores: Scores) -> None:
    for title, rate in (
        ("slowdowns of functions that a figure executes", scores.hot_slowdowns()),
        ("weakenings of replication, overlay and session", scores.promised_weakenings()),
        ("all weakenings", scores.of("weakening")),
    ):
        if rate.of:
            print(f"{title}: {rate.found} of {rate.of} noticed, {rate}")


def _tell_missed(scores: Scores) -> None:
    missed = [*scores.missed("slowdown"), *scores.missed("weakening")]
    for each in missed[:SHOWN]:
        print(f"{each.guard}: {each.file}:{each.symbol} line {each.line}: {each.said}")
    if len(missed) > SHOWN:
        print(f"and {len(missed) - SHOWN} more (--json, --docs)")


def _commit(root: Path) -> str:
    """Of the checkout, with a sign if its core is another."""
    return commit_of(root, "HEAD").hash + ("+" if uncommitted(root, "p2pcore") else "")


def _write(file: Path, plan: MutationPlan, results: list[MutantResult]) -> None:
    content = asdict(plan) | {"mutants": [asdict(each) for each in results]}
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _whole(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f"takes 1 to 100,000, not {text}")
    return int(text)


def _seconds(text: str) -> float:
    number, unit = text[:-1], text[-1:]
    if unit not in UNITS or not number.isdecimal() or not int(number):
        raise argparse.ArgumentTypeError(f"takes a time such as 90s, 20m or 3h, not {text}")
    return int(number) * UNITS[unit]


def _say(text: str) -> None:
    print(text, flush=True)
