"""The ruler of processor time does what it says, the same each time, and is nobody else's."""

import hashlib
import inspect
import sys

import pytest

from benchmarks.common.ruler import small_core
from benchmarks.common.ruler.small_core import SmallCore
from benchmarks.common.ruler.versions import CORE_RULER

FROZEN = {1: "5fffc8811ab43b41"}
"""Of each version of the ruler, the digest of the code that runs inside `work`."""


def test_its_work_is_right_each_time() -> None:
    ruler = SmallCore()
    for _ in range(3):
        ruler.check(ruler.work())


def test_wrong_work_has_no_time() -> None:
    ruler = SmallCore()
    read, parsed, ranked = ruler.work()
    for wrong in (
        [read[::-1][:-1], parsed, ranked],
        [read, parsed[1:], ranked],
        [read, parsed, []],
    ):
        with pytest.raises(AssertionError, match="its times mean nothing"):
            ruler.check(wrong)
    old = [read, parsed, ranked]
    ruler.work()
    with pytest.raises(AssertionError, match="its times mean nothing"):
        ruler.check(old)  # of the work before


def calls_of(ruler: SmallCore) -> int:
    """Functions of Python entered by one piece of work."""
    entered = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal entered
        entered += event == "call"

    sys.setprofile(count)
    try:
        ruler.work()
    finally:
        sys.setprofile(None)
    return entered


def test_every_work_is_the_same_work() -> None:
    ruler, other = SmallCore(), SmallCore()
    ruler.work()
    other.work()
    assert calls_of(ruler) == calls_of(ruler) == calls_of(other) > 1000


def test_it_does_not_change_without_a_new_version() -> None:
    source = inspect.getsource(small_core)
    code = source[source.index("REPLICAS, ASKED") :]
    digest = hashlib.sha256(code.encode()).hexdigest()[:16]
    assert FROZEN.get(CORE_RULER) == digest, (
        "small_core.py is frozen: take the change back, or raise CORE_RULER in versions.py, "
        f"measure REFERENCE_S anew and enter {CORE_RULER}: {digest!r} here"
    )
