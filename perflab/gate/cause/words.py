"""A cause in words: for the terminal, a pull request, programs, and beside the lines of a change.

Rule: puts a cause into words and decides nothing; what came from a commit is escaped by the
caller, or by its `escape`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from perflab.gate.cause.form import BlamedHunk, Cause, RisenFunction, TracedQuestion

__all__ = ["as_annotations", "as_lines", "as_mapping", "as_marked"]

ANNOTATED = 3  # hunks
NAMED = 3  # figures of a question, callers of a function
SHOWN = 3  # hunks with their text, in a pull request
UNKNOWN = "none of what changed runs there: a setting, a pin or a data file may be behind it"


def as_lines(cause: Cause) -> Iterator[str]:
    """For a terminal: hunks with their text, then the functions of each question."""
    yield f"behind it, the likeliest first (looked for in {cause.seconds:.0f} s):"
    if cause.problem:
        yield f"  problem: {cause.problem}"
    for place, hunk in enumerate(cause.hunks, 1):
        yield f"  {place}. {hunk.path}:{hunk.line}  {_share(hunk)}  {hunk.why}"
        if place <= SHOWN:
            yield from (f"       {line}" for line in hunk.text)
    yield f"  {_rest(cause)}"
    for each in cause.traced:
        yield f"more work in: {_question(each)}"
        if each.problem:
            yield f"  {each.problem}"
        yield from (f"  {_function(function)}" for function in each.functions)


def as_marked(cause: Cause, escape: Callable[[str], str]) -> Iterator[str]:
    """For a pull request, in Markdown; the text of hunks is in fences that it cannot end."""
    yield "#### Behind it"
    yield ""
    if cause.problem:
        yield from (f"problem: {escape(cause.problem)}", "")
    for place, hunk in enumerate(cause.hunks[:SHOWN], 1):
        where = f"{_code(hunk.path)}, line {hunk.line}"
        yield f"{place}. {where} ({_share(hunk)}): {escape(hunk.why)}"
        yield from ("", "   ```diff", *(f"   {_unquoted(line)}" for line in hunk.text), "   ```")
    yield from ("", escape(_rest(cause, SHOWN)), "")
    rows = [(each, function) for each in cause.traced for function in each.functions]
    if rows:
        yield "| more work in | function | calls | bytecodes | kept bytes | share |"
        yield "| --- | --- | --- | --- | --- | --- |"
    for each, function in rows:
        kept = _pair(*function.kept) if any(function.kept) else ""
        pairs = [_pair(*function.calls), _pair(*function.steps), kept, _percent(function.share)]
        name = _code(function.name).replace("|", "\\|")
        name += " (changed)" if function.changed else ""
        yield f"| {' | '.join([escape(each.said), name, *pairs])} |"


def as_mapping(cause: Cause) -> dict[str, Any]:
    """For programs."""
    return asdict(cause)


def as_annotations(cause: Cause) -> Iterator[tuple[str, int, int, str]]:
    """What to say beside lines of head: path, first and last line, text."""
    for hunk in cause.hunks[:ANNOTATED]:
        figures = [name for each in cause.traced for name in each.figures]
        text = f"likely behind {_named(figures)}: {hunk.why} ({_share(hunk)})"
        yield hunk.path, hunk.line, hunk.line + max(hunk.lines - 1, 0), text


def _code(text: str) -> str:
    """A name as code: an entity would be shown there as it is written."""
    return f"`{_unquoted(' '.join(text.split()))}`"


def _unquoted(text: str) -> str:
    return text.replace("`", "'")


def _share(hunk: BlamedHunk) -> str:
    return _percent(hunk.score) if hunk.score >= 0.005 else "less than 1 %"


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def _rest(cause: Cause, shown: int = 0) -> str:
    if not cause.hunks:
        return UNKNOWN
    more = cause.others + (max(len(cause.hunks) - shown, 0) if shown else 0)
    return f"{more} other hunk{'s' * (more != 1)} of the core can be behind less of it, or none"


def _question(each: TracedQuestion) -> str:
    return f"{each.said} ({_named(each.figures)})" if each.figures else each.said


def _function(each: RisenFunction) -> str:
    parts = [f"{each.name}  {_percent(each.share)}{', changed' if each.changed else ''}"]
    if any(each.kept):
        parts.append(f"{_pair(*each.kept)} bytes kept")
    if any(each.calls):
        parts.append(f"{_pair(*each.calls)} calls, {_pair(*each.steps)} bytecodes")
    if each.calls_more:
        parts.append(f"calls {_named(map(_short, each.calls_more))} more")
    if each.callers:
        parts.append(f"called by {_named(map(_short, each.callers))}")
    return "; ".join(parts)


def _short(name: str) -> str:
    return name.partition(":")[2] or name


def _named(names: Any) -> str:
    listed = list(names)
    more = len(listed) - NAMED
    return ", ".join(listed[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _pair(before: float, after: float) -> str:
    return f"{before:.6g} → {after:.6g}"
