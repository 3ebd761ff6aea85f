"""Why a part of a commit cannot be measured: it lacks a feature, or the ruler cannot find it.

A feature that is lacking (`subject.require`) is the commit's own affair. A part that is not where
`subject.part` looks for it may be there under another name: then a figure is missing because of the
ruler, and whoever compares commits must not take that for "new".

Rule: tells the two apart; decides nothing.
"""

from __future__ import annotations

import inspect

from benchmarks.common import subject

__all__ = ["unreached"]


def unreached(error: BaseException) -> bool:
    """True if the error came out of `subject.part`: this commit has no part of that name."""
    door = inspect.unwrap(subject.part).__code__
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code is door:
            return True
        trace = trace.tb_next
    return False
