"""Who does more, and which hunks are behind it.

Theory of operation. A function that only is called more often is not at fault: its caller is. So
each function's *rise* is what it does more per call of itself: steps, calls into C (as so many
steps), and further calls of other functions, which count with all that these do. Where memory is
the question, it is the bytes that are still held of what a function asked for.

A hunk gets the share of the rise of each function that it can be behind, weighted by how near it
is: it changes what runs of the function itself, it defines a name that the function uses, or it
changes what the function calls or is called by. A hunk of which nothing runs gets nothing.

Rule: numbers in, an order out; traces nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from perflab.gate.cause.form import BlamedHunk, RisenFunction
from perflab.gate.cause.hunks import ChangedHunk
from perflab.gate.cause.trees import CallTotals, Sums

__all__ = ["Rise", "ranked", "rise_between", "risen_functions"]

C_CALL = 10.0  # steps that a call into C counts as: what instructions of the two are like
LEAST = 1e-9  # a difference of sums of the same whole numbers
ITSELF, BY_NAME, NEIGHBOUR = 1.0, 0.5, 0.25
REACHED, REACHED_BY_NAME = 0.02, 0.01
"""What a hunk is worth that only is on the way: a rise that nothing accounts for may be its."""
MAKERS = (".__init__", ".__post_init__", ".__new__")
MOST_FUNCTIONS = 5
MOST_HUNKS = 8
MOST_LINES = 6
Referring = Callable[[set[str], str], set[str]]
"""Those of some names that a function refers to."""


@dataclass
class Rise:
    """What is more in head, by function."""

    before: CallTotals
    after: CallTotals
    own: Sums[str] = field(default_factory=Sums)
    """In steps, or bytes."""
    kept: tuple[Sums[str], Sums[str]] = field(default_factory=lambda: (Sums(), Sums()))
    """Bytes, in base and in head."""

    def reached(self) -> set[str]:
        """The functions that ran in either."""
        return {*self.before.calls, *self.after.calls}

    def neighbours(self, name: str) -> set[str]:
        """Who calls it, and what it calls, in head."""
        return {
            other
            for edge in self.after.edges
            for other in edge
            if name in edge and other not in ("", name)
        }


def rise_between(
    before: CallTotals, after: CallTotals, function_at: Callable[[int, str, int], str]
) -> Rise:
    """What each function does more per call of itself; `function_at` says which one a line of a
    file is in, for side 0 and 1."""
    found = Rise(before, after)
    for side, kept in enumerate((before.kept, after.kept)):
        for file, line, size in kept:
            found.kept[side][function_at(side, file, line)] += size
    for name, held in found.kept[1].items():
        found.own[name] = held - found.kept[0][name]
    callees: dict[str, list[tuple[str, float]]] = {}
    for (caller, callee), calls in after.edges.items():
        callees.setdefault(caller, []).append((callee, calls))
    for name, calls in after.calls.items():
        grown = calls / before.calls[name] if before.calls[name] else 0.0
        own = after.steps[name] - grown * before.steps[name]
        for callee, made in callees.get(name, ()):
            more = made - grown * before.edges[name, callee]
            if more > LEAST:
                own += more * (C_CALL + after.within[callee] / after.calls[callee])
        found.own[name] = own
    for name in [name for name, own in found.own.items() if own <= LEAST]:
        del found.own[name]
    return found


def risen_functions(rise: Rise, hunks: Sequence[ChangedHunk] = ()) -> tuple[RisenFunction, ...]:
    """Those that do more, a few of them: the changed ones first, and the most first."""
    whole = sum(rise.own.values())
    changed = {name for hunk in hunks for name in hunk.functions}
    largest = sorted(rise.own.items(), key=lambda each: (each[0] not in changed, -each[1]))
    return tuple(
        RisenFunction(
            name=name,
            calls=(rise.before.calls[name], rise.after.calls[name]),
            steps=(rise.before.steps[name], rise.after.steps[name]),
            kept=(rise.kept[0][name], rise.kept[1][name]),
            callers=tuple(sorted({a for a, b in rise.after.edges if b == name and a} - {name})),
            calls_more=tuple(_calls_more(rise, name)),
            changed=name in changed,
            share=own / whole,
        )
        for name, own in largest[:MOST_FUNCTIONS]
    )


def _calls_more(rise: Rise, name: str) -> Iterable[str]:
    before, after = rise.before, rise.after
    grown = after.calls[name] / before.calls[name] if before.calls[name] else 0.0
    for (caller, callee), calls in sorted(after.edges.items()):
        if caller == name and calls - grown * before.edges[caller, callee] > LEAST:
            yield callee


def ranked(
    hunks: Sequence[ChangedHunk], rises: Sequence[Rise], referring: Referring
) -> tuple[list[BlamedHunk], int]:
    """The hunks that can be behind it, the likeliest first, and how many others there are."""
    blamed = [each for hunk in hunks if (each := _blamed(hunk, rises, referring)) is not None]
    blamed.sort(key=lambda each: -each.score)  # in the order of the diff where they are equal
    return blamed[:MOST_HUNKS], len(hunks) - len(blamed[:MOST_HUNKS])


def _blamed(hunk: ChangedHunk, rises: Sequence[Rise], referring: Referring) -> BlamedHunk | None:
    if not hunk.runs:
        return None
    shares: Sums[str] = Sums()
    for rise in rises:
        whole = sum(rise.own.values()) or 1.0
        for name, own in rise.own.items():
            weight, why = _nearness(hunk, rise, name, referring)
            if weight:
                shares[why] += weight * own / whole / len(rises)
    reached = set().union(*(rise.reached() for rise in rises)) if rises else set(hunk.functions)
    if hunk.functions & reached:
        shares[f"changes {_words(hunk.functions & reached)}, which runs there"] += REACHED
    elif not shares and any(referring(hunk.names, name) for name in reached):
        shares["defines what runs there uses"] += REACHED_BY_NAME
    elif not shares and (made := _made(hunk.functions, reached)):
        shares[f"makes {_words(made)}, which runs there"] += REACHED_BY_NAME
    if not shares:
        return None
    return BlamedHunk(
        path=hunk.path,
        line=hunk.line,
        lines=hunk.count,
        touches=tuple(sorted({each.partition(":")[2] for each in hunk.functions} | hunk.names)),
        score=min(1.0, sum(shares.values())),
        why=max(shares, key=lambda said: shares[said]),
        text=tuple(hunk.text[:MOST_LINES]),
    )


def _made(functions: set[str], reached: set[str]) -> set[str]:
    """The classes of which these are constructors, and methods run: what is made before a question
    is asked, is in no trace, and what it is made with may be all that differs."""
    makers = {each.rpartition(".")[0] for each in functions if each.endswith(MAKERS)}
    return makers & {each.rpartition(".")[0] for each in reached}


def _nearness(hunk: ChangedHunk, rise: Rise, name: str, referring: Referring) -> tuple[float, str]:
    """How near a hunk is to a function that does more, and in which words."""
    if name in hunk.functions:
        return ITSELF, f"changes {_words([name])}, which does more"
    used = referring(hunk.names, name)
    if used:
        return BY_NAME, f"defines {_words(used)}, which {_words([name])} uses"
    near = hunk.functions & rise.neighbours(name)
    if near:
        called = any((name, each) in rise.after.edges for each in near)
        link = "is called by" if called else "calls"
        return NEIGHBOUR, f"changes {_words(near)}, which {link} {_words([name])}"
    return 0.0, ""


def _words(names: Iterable[str]) -> str:
    return ", ".join(sorted(each.partition(":")[2] or each for each in names))
