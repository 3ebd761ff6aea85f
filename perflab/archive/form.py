"""One line of the kept history: a commit measured in one environment of one machine, or a suite.

Rule: forms and their checks; no files.

Lines are strict JSON. A value that JSON has no number for is a text: "NaN", "Infinity",
"-Infinity". A line says which form it has: a reader of another form must refuse it, for what a
reader does not know it would drop on writing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, NamedTuple, TypeVar

__all__ = [
    "FORM",
    "HASH",
    "ArchivedCommit",
    "ArchivedValue",
    "HistoryError",
    "Suite",
    "decoded",
    "line",
    "merged",
]

FORM: Literal[1] = 1
Number = int | float | Literal["NaN", "Infinity", "-Infinity"]
Values = list[Number | None] | None
LONGEST_NAME = 200  # bytes; file systems take 255, and a suffix comes to it
HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
FILE_NAME = re.compile(r"[^./\\\0][^/\\\0]*")


class HistoryError(ValueError):
    """A file of the history, or of asv's results, that cannot be used: which, where and why."""


class ArchivedValue(NamedTuple):
    """One benchmark: asv's own columns, in its order, without raw samples and profiles. Each list
    has a value for each combination of the parameters."""

    result: Values = None
    """None where measuring failed, NaN where it does not apply."""
    params: list[list[str]] | None = None
    """The values of each parameter, as Python writes them."""
    version: str | None = None
    started_at: int | None = None
    """When measuring it began, in milliseconds since 1970."""
    duration: float | None = None
    """Seconds."""
    stats_ci_99_a: Values = None
    stats_ci_99_b: Values = None
    """With the one before: the 99 % interval."""
    stats_q_25: Values = None
    stats_q_75: Values = None
    stats_number: Values = None
    stats_repeat: Values = None

    @property
    def began(self) -> int:
        """`started_at`, or 0: before all others."""
        return self.started_at or 0


@dataclass(frozen=True, kw_only=True)
class ArchivedCommit:
    """What was measured of one commit on one machine in one environment; names are asv's."""

    form: Literal[1] = FORM
    commit_hash: str
    env_name: str
    date: int
    """When it was committed, in milliseconds since 1970."""
    params: dict[str, str | int | float | None]
    """asv's description of the machine, and Python and the libraries of the environment."""
    python: str
    requirements: dict[str, str]
    env_vars: dict[str, str] = field(default_factory=dict)
    durations: dict[str, float] = field(default_factory=dict)
    """Seconds of what was done once for several benchmarks."""
    results: dict[str, ArchivedValue]
    """By the benchmark's name."""

    def __post_init__(self) -> None:
        if not HASH.fullmatch(self.commit_hash):
            raise ValueError(f"commit_hash is '{self.commit_hash}', not all digits of a hash")
        for name, value in (("env_name", self.env_name), ("params.machine", self.machine)):
            if not FILE_NAME.fullmatch(value):
                raise ValueError(f"{name} is '{value}', which cannot name a file")
        if len(self.machine.encode()) > LONGEST_NAME:
            raise ValueError(
                f"params.machine has more than {LONGEST_NAME} bytes: no name of a file"
            )

    @property
    def machine(self) -> str:
        """Its name."""
        return str(self.params.get("machine") or "")

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is one of a kind by: machine, commit, environment."""
        return self.machine, self.commit_hash, self.env_name

    @property
    def measured_ms(self) -> int:
        """When its last benchmark was begun."""
        return max((row.began for row in self.results.values()), default=0)

    def renamed(self, machine: str) -> ArchivedCommit:
        """The same, of a machine with another name."""
        return replace(self, params={**self.params, "machine": machine})


@dataclass(frozen=True, kw_only=True)
class Suite:
    """The benchmarks as asv discovered them: without it, asv publishes nothing."""

    form: Literal[1] = FORM
    measured_ms: int
    """When the newest result was measured that was stored beside it: the newest suite is true."""
    benchmarks: dict[str, Any]
    """The content of asv's benchmarks.json, version 2."""


T = TypeVar("T", ArchivedCommit, Suite)


def decoded(data: bytes | dict[str, Any], kind: type[T]) -> T:
    """A line, or what asv stored, as an Entry or a Suite. Raises ValueError, in words."""
    import msgspec

    try:
        if isinstance(data, dict):
            return msgspec.convert(data, kind)
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        if not isinstance(data, dict):
            found = msgspec.json.decode(data)
            form = found.get("form", FORM) if isinstance(found, dict) else FORM
            if form != FORM:
                raise ValueError(f"form {form!r}; this program reads form {FORM} alone") from None
        raise ValueError(str(error)) from None
    except msgspec.DecodeError as error:
        raise ValueError(f"not whole, or no JSON: {error}") from None


def line(content: ArchivedCommit | Suite) -> bytes:
    """As it is written, in one order whatever it was made from, with its end of line."""
    import msgspec

    # Not vars(): what msgspec has made has its defaults last, or not at all.
    told: dict[str, Any] = {each.name: getattr(content, each.name) for each in fields(content)}
    if isinstance(content, ArchivedCommit):
        told["results"] = {name: _cut(row) for name, row in sorted(content.results.items())}
        told["durations"] = dict(sorted(content.durations.items()))
        told["params"] = dict(sorted(content.params.items()))
    return msgspec.json.encode(told) + b"\n"


def _cut(row: ArchivedValue) -> list[Any]:
    """Without the trailing cells that hold nothing, as asv does."""
    cells = list(row)
    while cells and cells[-1] is None:
        cells.pop()
    return cells


def merged(one: ArchivedCommit, other: ArchivedCommit) -> ArchivedCommit:
    """Both in one: of each benchmark what was measured last; the rest from the newer entry.

    It does not matter in which order any number of them are merged. What was measured at the same
    moment and differs nevertheless is decided by its text; of two durations the longer stays.
    """
    newer = max(one, other, key=lambda each: (each.measured_ms, _about(each)))
    results = dict(one.results)
    for name, row in other.results.items():
        mine = results.get(name)
        if mine is None or (mine.began, repr(mine)) < (row.began, repr(row)):
            results[name] = row
    durations = dict(one.durations)
    for name, seconds in other.durations.items():
        durations[name] = max(seconds, durations.get(name, seconds))
    return replace(newer, results=results, durations=durations)


def _about(entry: ArchivedCommit) -> str:
    shown = entry.date, sorted(entry.params.items()), entry.python
    return repr((shown, sorted(entry.requirements.items()), sorted(entry.env_vars.items())))
