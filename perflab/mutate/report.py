"""What came of mutants, in tables of Markdown.

Rule: counts and words; measures nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from perflab.mutate.record import Guard, MutantResult, MutationPlan, MutationRecordError
from perflab.stats.rates import Rate

__all__ = ["Scores", "find_tables", "put_into", "report"]

END = "<!-- end of what was made -->"
MISSED = {
    "slowdown": "Slowdowns that no figure saw",
    "weakening": "Weakenings that nobody noticed",
}
PROMISED = ("replication", "overlay", "session")
"""Rooms that keep the core's promises: of their weakenings nine in ten have to be noticed."""


class Scores:
    """Which part of the mutants was noticed, without those that by review change nothing."""

    def __init__(self, results: Sequence[MutantResult]) -> None:
        self.results = sorted(
            (each for each in results if not each.reason), key=lambda each: each.key
        )
        self.equivalent = [each for each in results if each.reason]

    def hot_slowdowns(self) -> Rate:
        """Of functions that a figure's question executes."""
        return self._rate(lambda each: each.kind == "slowdown" and each.guard != Guard.UNREACHED)

    def promised_weakenings(self) -> Rate:
        """Of the rooms that keep the promises."""
        return self._rate(lambda each: each.kind == "weakening" and each.room in PROMISED)

    def of(self, kind: str, room: str = "", operator: str = "") -> Rate:
        """Of a kind, in a room and by an operator, or in all and by any."""
        return self._rate(
            lambda each: (
                each.kind == kind and room in ("", each.room) and operator in ("", each.operator)
            )
        )

    def missed(self, kind: str) -> list[MutantResult]:
        """Those that nobody noticed, in the order of the sources."""
        return [each for each in self.results if each.kind == kind and not each.guarded]

    def _rate(self, counts: Callable[[MutantResult], bool]) -> Rate:
        asked = [each for each in self.results if counts(each)]
        return Rate(sum(each.guarded for each in asked), len(asked))


def report(plan: MutationPlan, results: Sequence[MutantResult], kind: str) -> str:
    """The tables of one kind of mutants."""
    scores = Scores([each for each in results if each.kind == kind])
    many = len(scores.results) + len(scores.equivalent)
    rates = {
        "slowdown": [("of functions that a figure executes", scores.hot_slowdowns())],
        "weakening": [
            ("of replication, overlay and session", scores.promised_weakenings()),
            ("all", scores.of("weakening")),
        ],
    }
    parts = [
        f"Core of commit {plan.commit[:10]}{_changed(plan)}, seed {plan.seed}: {many:,} "
        f"{kind}s were tried.",
        _table(kind, rates[kind]),
        _rooms(scores, kind),
        _operators(scores, kind),
    ]
    missed = scores.missed(kind)
    if missed:
        parts.append(f"**{MISSED[kind]}** ({len(missed)}):\n\n{_missed(missed)}")
    if scores.equivalent:
        parts.append(f"**Reviewed, and no mutants** ({len(scores.equivalent)}):\n\n"
                     f"{_reasons(scores.equivalent)}")  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _changed(plan: MutationPlan) -> str:
    return ", changed since" if plan.commit.endswith("+") else ""


def find_tables(page: Path, kind: str) -> tuple[str, str]:
    """What is before and behind the tables of a kind in a page, with the lines that they stand
    between. Raises MutationRecordError: it has no such lines."""
    first = f"<!-- {kind}s, made by python -m perflab mutate -->"
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    before, begin, rest = text.partition(first)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise MutationRecordError(f"{page} has no lines {first!r} and {END!r}")
    return before + begin, end + after


def put_into(page: Path, kind: str, made: str) -> None:
    """The tables of a kind in the place of those that a page has. Raises MutationRecordError."""
    before, after = find_tables(page, kind)
    page.write_text(f"{before}\n\n{made}\n{after}", encoding="utf-8")


def _table(kind: str, rows: Iterable[tuple[str, Rate]]) -> str:
    lines = [f"| {kind}s | noticed | of | share |", "| --- | --- | --- | --- |"]
    lines += [f"| {name} | {rate.found} | {rate.of} | {rate} |" for name, rate in rows if rate.of]
    return "\n".join(lines)


def _rooms(scores: Scores, kind: str) -> str:
    head = {"slowdown": ("seen", "of those executed", "executed by no figure"),
            "weakening": ("noticed", "of")}  # fmt: skip
    lines = [f"| {' | '.join(('room', *head[kind]))} |", f"|{' --- |' * (1 + len(head[kind]))}"]
    for room in sorted({each.room for each in scores.results}):
        own = [each for each in scores.results if each.room == room]
        found = sum(each.guarded for each in own)
        unreached = sum(each.guard == Guard.UNREACHED for each in own)
        slow = (len(own) - unreached, unreached)
        cells = (room, found, *(slow if kind == "slowdown" else (len(own),)))
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def _operators(scores: Scores, kind: str) -> str:
    lines = ["| change | noticed | of | most often by |", "| --- | --- | --- | --- |"]
    for operator in sorted({each.operator for each in scores.results}):
        own = [each for each in scores.results if each.operator == operator]
        own = [each for each in own if each.guard != Guard.UNREACHED or kind == "weakening"]
        by = [each.guard for each in own if each.guarded]
        counts = {guard: by.count(guard) for guard in sorted(set(by), key=by.count, reverse=True)}
        words = ", ".join(f"{guard} {count}" for guard, count in counts.items())
        rate = sum(each.guarded for each in own)
        lines.append(f"| {operator} | {rate} | {len(own)} | {words or 'nobody'} |")
    return "\n".join(lines)


def _missed(missed: Sequence[MutantResult]) -> str:
    """A row each; slowdowns that no figure's question executes by function alone."""
    unreached = [each for each in missed if each.guard == Guard.UNREACHED]
    lines = ["| function | line | change | could have noticed |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {_code(f'{each.file}:{each.symbol}')} | {each.line} | {each.operator}: "
        f"{_code(each.said)} | {each.reached} |"
        for each in missed
        if each.guard != Guard.UNREACHED
    ]
    found = "\n".join(lines) if len(lines) > 2 else ""
    if unreached:
        files: dict[str, list[str]] = {}
        for each in unreached:
            files.setdefault(each.file, []).append(each.symbol)
        listed = "; ".join(f"{file}: {', '.join(names)}" for file, names in files.items())
        found += f"\n\nExecuted by nobody ({len(unreached)}): {listed}."
    return found.strip()


def _reasons(equivalent: Sequence[MutantResult]) -> str:
    lines = ["| function | change | reason |", "| --- | --- | --- |"]
    lines += [
        f"| {_code(f'{each.file}:{each.symbol}')} | {_code(each.said)} | {each.reason} |"
        for each in sorted(equivalent, key=lambda each: each.key)
    ]
    return "\n".join(lines)


def _code(text: str) -> str:
    """Source in a cell: not in backticks, which would have to exist in the next commit too."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "&#124;")
    return f"<code>{escaped}</code>"
