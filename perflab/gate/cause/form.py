"""The form of a cause: what was looked at, which functions do more, and which hunks are behind it.

Rule: data; `find.py` finds it, `words.py` says it.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BlamedHunk", "Cause", "RisenFunction", "TracedQuestion"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RisenFunction:
    """A function that does more per operation in head than in base."""

    name: str
    """"p2pcore/wire/codec.py:encode_frame"; of one in C, its module and name."""
    calls: tuple[float, float]
    """Per operation, in base and in head."""
    steps: tuple[float, float]
    """Bytecode instructions that ran in it, per operation."""
    kept: tuple[float, float] = (0.0, 0.0)
    """Bytes of what it asked for that are still held, where memory was the question."""
    callers: tuple[str, ...] = ()
    calls_more: tuple[str, ...] = ()
    """What it calls more often than before, per call of itself."""
    changed: bool
    """What runs of it is other code in head."""
    share: float
    """Of all the rise, 0 to 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TracedQuestion:
    """One thing that was done again under a trace, in base and in head."""

    said: str
    """"store, 8 nodes"."""
    figures: tuple[str, ...]
    """The red ones that it stands for."""
    functions: tuple[RisenFunction, ...] = ()
    """Those that do more: the changed ones first, and the most first."""
    problem: str = ""
    """Why there is no trace."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BlamedHunk:
    """A hunk of the diff that can be behind it."""

    path: str
    line: int
    """In head's file, from 1 on; where it only takes away, the line before."""
    lines: int
    touches: tuple[str, ...]
    """Functions, or names of a module or class."""
    score: float
    """1 is all of the rise; for their order."""
    why: str
    text: tuple[str, ...]
    """Its first lines, as in the diff."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    """What is behind the red figures of one gate."""

    traced: tuple[TracedQuestion, ...]
    hunks: tuple[BlamedHunk, ...]
    """The likeliest first."""
    others: int
    """Further hunks of the core, that reach none of it."""
    seconds: float
    problem: str = ""
    """Why nothing was looked for."""
