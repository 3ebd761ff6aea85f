"""`python -m perflab bisect BENCHMARK GOOD BAD`: which commit made it slower (or faster)?

Theory of operation. GOOD and BAD differ by some ratio. Every commit that is tried is measured
beside GOOD, and its interval is held against half of the way to BAD: *same* lies below it,
*different* above it, and an interval that holds it is measured again, then *unknown*. So is a
commit that does not build or fails. The search goes on beside unknown commits, and if they hide the
culprit, it names the range that is left.

Rule: decides what to try next; measuring and intervals are the gate's.
"""

from __future__ import annotations

import argparse
import difflib
import math
import sys
from collections.abc import Callable, Sequence
from enum import Enum

from perflab.gate import command as gate
from perflab.gate.judge import Judgement
from perflab.gate.policy import load_policy
from perflab.results.checkout import CheckoutError, Commit, commit_of, history, require
from perflab.usage import BAD_USAGE, BadUsageError, budget_s

__all__ = ["EPILOG", "Answer", "add_arguments", "main", "search"]

MOST = 1e9  # times as much: from zero to something is infinitely more
ATTEMPTS = 3  # at a commit whose interval does not answer

EPILOG = """\
exit codes:
  0  found: one commit
  2  not found: GOOD and BAD do not differ, or commits that cannot be measured hide it (the range
     that is left is printed)
  3  bad usage

example:
  python -m perflab bisect instructions.encode_store v0.1 HEAD
"""


class Answer(Enum):
    """What a commit is like."""

    SAME = "as good"
    DIFFERENT = "as bad"
    UNKNOWN = "unknown"


def search(count: int, ask: Callable[[int], Answer]) -> tuple[int, int]:
    """Where it changed among so many commits in order, the last of which is known to be different
    from what came before the first.

    Returns:
        the first and the last place that it can be: the same if it was found.
    """
    same, different = -1, count - 1
    unknown: set[int] = set()
    while True:
        left = [place for place in range(same + 1, different) if place not in unknown]
        if not left:
            return same + 1, different
        middle = (same + different) / 2
        place = min(left, key=lambda each: abs(each - middle))
        answer = ask(place)
        if answer is Answer.SAME:
            same = place
        elif answer is Answer.DIFFERENT:
            different = place
        else:
            unknown.add(place)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bisect`."""
    parser.add_argument("benchmark", metavar="BENCHMARK", help="one name of the gate's")
    parser.add_argument("good", metavar="GOOD", help="commit before the change")
    parser.add_argument("bad", metavar="BAD", help="commit after it, along first parents")
    parser.add_argument(
        "--budget", default="3m", metavar="TIME", help="per measurement (default: %(default)s)"
    )


def main(options: argparse.Namespace) -> int:
    """Search and tell; the exit code of EPILOG."""
    try:
        seconds = budget_s(options.budget)
        _check(options.benchmark)
        require(gate.ROOT, whole=True)
        good, bad = commit_of(gate.ROOT, options.good), commit_of(gate.ROOT, options.bad)
        commits = history(gate.ROOT, f"{good.hash}..{bad.hash}")[::-1]
        if not commits:
            raise BadUsageError(f"'{options.bad}' does not come after '{options.good}'")
    except (BadUsageError, CheckoutError) as error:
        print(f"bisect: {error}", file=sys.stderr)
        return BAD_USAGE
    policy = load_policy()

    def measure(commit: Commit) -> Judgement | None:
        pair = good, commit
        outcome = gate.compare(gate.ROOT, pair, options.benchmark, policy, seconds)
        for problem in outcome.problems:
            _say(problem.splitlines()[0])
        return next(iter(outcome.judgements), None)

    return _search(commits, measure)


def _search(commits: Sequence[Commit], measure: Callable[[Commit], Judgement | None]) -> int:
    end = measure(commits[-1])
    if end is None or math.isnan(end.ratio) or end.low <= 1 <= end.high:
        _say(f"GOOD and BAD do not differ, as far as can be told{_found(end)}")
        return 2
    _say(f"BAD differs from GOOD{_found(end)}; {len(commits)} commits to search")
    halfway = min(max(math.sqrt(end.ratio), 1 / MOST), MOST)

    def ask(place: int) -> Answer:
        for _ in range(ATTEMPTS):
            found = measure(commits[place])
            answer = _answer(found, halfway)
            _say(f"{commits[place]}: {answer.value}{_found(found)}")
            if answer is not Answer.UNKNOWN or found is None or math.isnan(found.ratio):
                return answer
        return Answer.UNKNOWN

    first, last = search(len(commits), ask)
    if first == last:
        _say(f"found: {commits[first]}")
        return 0
    _say("not found: it is one of these, of which all but the last could not be measured")
    for commit in commits[first : last + 1]:
        _say(f"  {commit}")
    return 2


def _answer(found: Judgement | None, halfway: float) -> Answer:
    if found is None or math.isnan(found.ratio):
        return Answer.UNKNOWN
    low, high = found.low, found.high
    if halfway < 1:
        low, high = _inverse(high), _inverse(low)
    border = max(halfway, 1 / halfway)
    if high < border:
        return Answer.SAME
    return Answer.DIFFERENT if low > border else Answer.UNKNOWN


def _inverse(ratio: float) -> float:
    return 1 / ratio if ratio else math.inf


def _found(found: Judgement | None) -> str:
    if found is None:
        return ""
    if math.isnan(found.ratio):
        return f" ({found.why.splitlines()[0] if found.why else found.verdict.value})"
    return " (from 0)" if math.isinf(found.ratio) else f" ({(found.ratio - 1) * 100:+.2f} %)"


def _check(name: str) -> None:
    if name not in gate.METRICS:
        near = difflib.get_close_matches(name, gate.METRICS, 3)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        raise BadUsageError(f"no benchmark of the gate is called '{name}'{hint}")


def _say(text: str) -> None:
    print(text, flush=True)
